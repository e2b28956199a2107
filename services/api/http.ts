/**
 * The only file that knows fastify: carries routes, answers errors as problem+json, sets the headers that keep a browser
 * safe, serves the built console. Validates by schemas/shape.ts: an unknown key is an error, never dropped.
 */
import { existsSync } from "node:fs";
import { Readable } from "node:stream";
import fastifyStatic from "@fastify/static";
import swagger from "@fastify/swagger";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { problemSchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { findings, type TSchema } from "../../schemas/shape.ts";
import type { Headers } from "./caller.ts";
import { problemOf } from "./problem.ts";
import { fromQuery } from "./query.ts";
import type { Caller, Route, Stream } from "./route.ts";

/** A page of the login: a redirect or nothing, with cookies. */
export interface PageAnswer {
  readonly status: number;
  readonly location?: string;
  readonly cookies: readonly string[];
}
export interface PageAsk {
  readonly url: URL;
  readonly headers: Headers;
  readonly address: string;
}
export interface Page {
  readonly method: "GET" | "POST";
  readonly path: string;
  handle(ask: PageAsk): Promise<PageAnswer>;
}

export interface HttpParts {
  readonly routes: readonly Route[];
  readonly pages: readonly Page[];
  readonly open: Readonly<Record<string, { readonly answer: TSchema; readonly give: () => [number, unknown] }>>;
  readonly callerOf: (headers: Headers, address: string, changes: boolean) => Promise<Caller>;
  /** The console's origin; https adds HSTS. */
  readonly origin: string;
  readonly version: string;
  /** Folder of the built console; what is not there is not served. */
  readonly consoleFolder: string;
  /** A bug was met: its error, for the operator's log. */
  readonly onBug: (error: unknown) => void;
}

const bodyBytesMax = 64 * 1024;
const requestMsMax = 30_000;

export interface Http {
  /** @returns the port it got */
  listen(host: string, port: number): Promise<number>;
  /** One request without a socket. */
  readonly inject: FastifyInstance["inject"];
  close(): Promise<void>;
}

export async function createHttp(parts: HttpParts): Promise<Http> {
  const app = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMsMax,
    routerOptions: { maxParamLength: 500 },
    forceCloseConnections: true,
    return503OnClosing: true,
  });
  app.setValidatorCompiler(
    ({ schema }) =>
      (value) =>
        judged(schema as TSchema, value),
  );
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.addHook("onRequest", async (_, reply) => void reply.headers(safeHeaders(parts.origin)));
  app.setErrorHandler((error, _, reply) => answerError(error, reply, parts.onBug));
  await app.register(swagger, { openapi: description(parts.version) });
  for (const [path, { answer, give }] of Object.entries(parts.open)) {
    app.route({
      method: "GET",
      url: path,
      schema: { response: { default: answer } },
      handler: async (_, reply) => {
        const [status, body] = give();
        return reply.code(status).send(body);
      },
    });
  }
  for (const route of parts.routes) addRoute(app, route, parts);
  for (const page of parts.pages) addPage(app, page, parts.origin);
  app.get("/api/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  await addConsole(app, parts.consoleFolder);
  await app.ready();
  return {
    async listen(host, port) {
      await app.listen({ host, port });
      const [address] = app.addresses();
      return typeof address === "object" ? address.port : port;
    },
    inject: app.inject.bind(app),
    close: () => app.close(),
  };
}

function judged(schema: TSchema, value: unknown): { value: unknown } | { error: Error } {
  const found = findings(schema, value ?? {});
  if (found.length === 0) return { value };
  const words = found.slice(0, 5).map(({ path, message, known }) => {
    const hint = known.length > 0 ? ` (known: ${known.join(", ")})` : "";
    return `${path.join(".") || "the request"}: ${message}${hint}`;
  });
  return { error: new ThroughlineError("request.invalid", words.join("; ")) };
}

function safeHeaders(origin: string): Record<string, string> {
  // Mantine sets style attributes; scripts come from here only, and nobody frames or embeds us.
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
  return {
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    ...(origin.startsWith("https:") ? { "strict-transport-security": "max-age=31536000" } : {}),
  };
}

function answerError(error: unknown, reply: FastifyReply, onBug: (error: unknown) => void): void {
  const problem = problemOf(known(error));
  if (problem.status >= 500) onBug(error);
  if (problem.status === 401) reply.header("www-authenticate", "Bearer");
  if (problem.status === 429) reply.header("retry-after", "60");
  void reply.code(problem.status).type("application/problem+json").send(JSON.stringify(problem));
}

/** Fastify's own refusals (a body that is no JSON, too large, of another type) are the client's. */
function known(error: unknown): unknown {
  if (error instanceof ThroughlineError || !(error instanceof Error)) return error;
  const status: unknown = Reflect.get(error, "statusCode");
  if (typeof status !== "number" || status < 400 || status >= 500) return error;
  return new ThroughlineError("request.invalid", error.message);
}

function addRoute(app: FastifyInstance, route: Route, parts: HttpParts): void {
  const { method, path: url, summary, body, query, answer, status } = route;
  const responses = { ...(answer ? { [status]: answer } : {}), default: problemSchema };
  const callers = new WeakMap<FastifyRequest, Caller>();
  const schema = {
    summary,
    tags: [url.split("/")[2] ?? ""],
    ...(body ? { body } : {}),
    ...(query ? { querystring: query } : {}),
    response: responses,
  };
  app.route({
    method,
    url,
    schema,
    // Before anything of the body is read: who is not known here is told nothing else.
    onRequest: async (request) => {
      callers.set(request, await parts.callerOf(request.headers, request.ip, method !== "GET"));
    },
    preValidation: async (request) => {
      if (query) request.query = fromQuery(query, request.query);
    },
    handler: async (request, reply) => {
      const caller = callers.get(request);
      if (!caller) throw new ThroughlineError("login.failed", "Nobody is logged in here");
      const given = await route.handle({
        caller,
        id: paramOf(request),
        body: request.body,
        query: request.query,
        gone: goneOf(reply),
      });
      return answer === null ? sendStream(reply, given as Stream) : reply.code(status).send(given);
    },
  });
}

function paramOf(request: FastifyRequest): string {
  const { params } = request;
  const id: unknown = typeof params === "object" && params !== null ? Reflect.get(params, "id") : undefined;
  return typeof id === "string" ? id : "";
}

function goneOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  return gone.signal;
}

function sendStream(reply: FastifyReply, { type, headers, text }: Stream): FastifyReply {
  return reply
    .headers({ ...headers })
    .type(type)
    .send(Readable.from(text, { objectMode: false }));
}

function addPage(app: FastifyInstance, { method, path: url, handle }: Page, origin: string): void {
  app.route({
    method,
    url,
    schema: { hide: true },
    handler: async (request, reply) => {
      const answer = await handle({
        url: new URL(request.url, origin),
        headers: request.headers,
        address: request.ip,
      });
      for (const cookie of answer.cookies) reply.header("set-cookie", cookie);
      return answer.location === undefined
        ? reply.code(answer.status).send()
        : reply.redirect(answer.location, answer.status);
    },
  });
}

async function addConsole(app: FastifyInstance, folder: string): Promise<void> {
  const built = existsSync(`${folder}/index.html`);
  if (built) await app.register(fastifyStatic, { root: folder, wildcard: false, cacheControl: false });
  app.setNotFoundHandler((request, reply) => {
    const [path = ""] = request.url.split("?"); // a filter may hold anything, an issuer's dots too
    const isPage = request.method === "GET" && !path.startsWith("/api/") && !path.includes(".");
    if (!isPage) throw new ThroughlineError("not.found", `Nothing is at ${request.method} ${path}`);
    if (!built) throw new ThroughlineError("not.found", "The console is not built; `make run` builds it");
    return reply.sendFile("index.html");
  });
}

function description(version: string): object {
  return {
    openapi: "3.1.0",
    info: {
      title: "Throughline",
      version,
      description: "Timelines, chains, approvals, blocks, grants and exports. Errors are RFC 9457 problem+json.",
    },
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    security: [{ token: [] }],
  };
}
