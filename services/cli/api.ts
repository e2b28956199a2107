/**
 * The HTTP API as the commands see it: typed by schemas/api.ts, every answer checked against its schema, every refusal
 * turned into code, sentence and hint. Keys that a newer API added are let pass; missing or wrong ones are not.
 *
 * It refuses to send a token anywhere but to the address that the login was made for, and follows no redirect.
 */
import type { Static, TSchema } from "../../schemas/shape.ts";
import { findings } from "../../schemas/shape.ts";
import { CliFailure, failed } from "./failure.ts";
import type { CliParts } from "./parts.ts";

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Api {
  readonly url: string;
  read<S extends TSchema>(schema: S, path: string, query?: Query): Promise<Static<S>>;
  /** @returns the answer if `schema` is given, which the api must then send. */
  send<S extends TSchema>(method: "POST" | "DELETE", path: string, body: unknown, schema: S): Promise<Static<S>>;
  /** For answers whose body says nothing that the caller needs. */
  tell(method: "POST" | "DELETE", path: string, body: unknown): Promise<void>;
  /** NDJSON: lines as they come. */
  lines(path: string, query: Query): AsyncIterable<string>;
}

/** @param token null before login: only what needs none can be read. */
export function createApi(parts: Pick<CliParts, "fetch" | "signal">, url: string, token: string | null): Api {
  const ask = (method: string, path: string, query: Query, body?: unknown): Promise<Response> =>
    request(parts, method, new URL(path + searchOf(query), url), token, body);
  return {
    url,
    read: async (schema, path, query = {}) => checked(schema, await ask("GET", path, query), path),
    send: async (method, path, body, schema) => checked(schema, await ask(method, path, {}, body), path),
    async tell(method, path, body) {
      await (await ask(method, path, {}, body)).body?.cancel();
    },
    async *lines(path, query) {
      yield* linesOf(await ask("GET", path, query));
    },
  };
}

function searchOf(query: Query): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== "") search.set(key, String(value));
  return search.size > 0 ? `?${search}` : "";
}

async function request(
  { fetch, signal }: Pick<CliParts, "fetch" | "signal">,
  method: string,
  url: URL,
  token: string | null,
  body: unknown,
): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json, application/x-ndjson" };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const init = {
    method,
    headers,
    redirect: "error" as const,
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  const response = await fetch(url, init).catch((error: unknown) => {
    throw unreachable(url, error);
  });
  if (response.ok) return response;
  throw await refusal(response, url);
}

function unreachable(url: URL, error: unknown): CliFailure {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "no answer";
  return failed(
    "target.unreachable",
    `${url.origin} does not answer: ${cause}.`,
    "Check that Throughline runs (`throughline up`) and that --url or THROUGHLINE_URL names it.",
  );
}

/** RFC 9457; a proxy in between may answer with anything else. */
async function refusal(response: Response, url: URL): Promise<CliFailure> {
  const problem: unknown = await response.json().catch(() => null);
  const field = (key: string): string => {
    const value: unknown = problem && typeof problem === "object" ? Reflect.get(problem, key) : undefined;
    return typeof value === "string" ? value : "";
  };
  if (response.status === 401)
    return failed("login.expired", field("detail") || "Your login has ended.", "Run `throughline login` again.");
  const code = field("code");
  if (code) return new CliFailure(code, field("detail") || field("title"), field("hint"));
  return failed("request.invalid", `${url.origin} answered ${response.status} to ${url.pathname}.`);
}

async function checked<S extends TSchema>(schema: S, response: Response, path: string): Promise<Static<S>> {
  const value: unknown = await response.json().catch(() => null);
  if (fits(schema, value)) return value;
  throw failed(
    "request.invalid",
    `The answer to ${path} has another shape than this program knows.`,
    "Program and API are of different versions; use the program of the API's release.",
  );
}

function fits<S extends TSchema>(schema: S, value: unknown): value is Static<S> {
  return findings(schema, value).every((finding) => finding.message === "unknown key");
}

async function* linesOf(response: Response): AsyncIterable<string> {
  if (!response.body) return;
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}
