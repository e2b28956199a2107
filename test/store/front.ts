/**
 * ClickHouse's HTTP interface before chDB: the same engine, the real client, the real wire. A process of its own, so that
 * a test can kill it. `node front.ts FOLDER PORT USER PASSWORD [PEM]`; it says "ready" to its parent, takes one Failure at
 * a time from it, and tells it every statement that it ran.
 *
 * It cannot show what only a server has: users' rights, replication, asynchronous inserts.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { openChdb } from "../../infra/store/chdb.ts";

export interface Failure {
  /** Of the statement; the first that matches fails. */
  readonly match: string;
  /**
   * error: answers with code and text. before: the connection is cut when half of the body is there, nothing runs.
   * after: it runs, the connection is cut. late: it runs, and the answer comes when the client has given up.
   */
  readonly how: "error" | "before" | "after" | "late";
  readonly code?: number;
  readonly text?: string;
  readonly times: number;
}

const [folder = "", port = "0", user = "", password = "", pem = ""] = process.argv.slice(2);
const engine = await openChdb(folder);
const expected = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
let failure: Failure | null = null;
let turn: Promise<unknown> = Promise.resolve();

process.on("message", (message: Failure) => {
  failure = message;
  process.send?.({ armed: true });
});
// Its parent is gone: nobody will stop it.
process.once("disconnect", () => process.exit(0));

/** The next failure for this statement, once less. */
function failureFor(statement: string): Failure | null {
  if (failure === null || failure.times === 0 || !new RegExp(failure.match).test(statement)) return null;
  failure = { ...failure, times: failure.times - 1 };
  return failure;
}

interface Asked {
  readonly query: string;
  readonly data: Buffer | null;
  readonly parameters: Record<string, unknown>;
}

/** The statement stands in the address when the body is data, otherwise in the body, which may be a form. */
async function askedBy(request: IncomingMessage, url: URL): Promise<Asked> {
  const body = await buffer(request);
  const form = /boundary=(.+)$/.exec(request.headers["content-type"] ?? "")?.[1];
  const parts = new Map<string, string>([...url.searchParams]);
  for (const part of form ? body.toString("utf8").split(`--${form}`).slice(1, -1) : []) {
    const [head = "", ...value] = part.split("\r\n\r\n");
    parts.set(/name="([^"]+)"/.exec(head)?.[1] ?? "", value.join("\r\n\r\n").slice(0, -2));
  }
  const inAddress = url.searchParams.get("query");
  const query = inAddress ?? parts.get("query") ?? body.toString("utf8");
  const parameters: Record<string, unknown> = {};
  for (const [name, value] of parts)
    if (name.startsWith("param_")) parameters[name.slice(6)] = bound(value, name.slice(6), query);
  return { query, data: inAddress === null ? null : body, parameters };
}

/** A value as it stood in the client, by its declared type: chDB's binder writes it down again. */
function bound(value: string, name: string, query: string): unknown {
  if (query.includes(`{${name}:Array(String)}`))
    return [...value.matchAll(/'((?:[^'\\]|\\.)*)'/gs)].map(([, text = ""]) => unescaped(text));
  return new RegExp(`\\{${name}:U?Int`).test(query) ? Number(value) : unescaped(value);
}

function unescaped(text: string): string {
  const letters: Record<string, string> = { t: "\t", n: "\n", r: "\r" };
  return text.replace(/\\(.)/gs, (_, letter: string) => letters[letter] ?? letter);
}

/** One at a time: the engine has one session, and its current database is the session's. */
function run(url: URL, { query, data, parameters }: Asked): Promise<Buffer> {
  const settings = Object.fromEntries(
    [...url.searchParams].filter(
      ([name]) => !/^param_|^(query|database|query_id|enable_http_compression|role|session_id)$/.test(name),
    ),
  );
  const work = async () => {
    const database = url.searchParams.get("database") ?? "default";
    await engine.command({ query: `USE \`${database}\`` });
    process.send?.({ statement: query, database });
    const asked = { query, query_params: parameters, clickhouse_settings: settings };
    const { stream } = await engine.exec(data === null ? asked : { ...asked, values: Readable.from(data) });
    return await buffer(stream);
  };
  const done = turn.then(work);
  turn = done.catch(() => undefined);
  return done;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://front");
  const { authorization, ...headers } = request.headers;
  const isNamed = headers["x-clickhouse-user"] === user && headers["x-clickhouse-key"] === password;
  if (authorization !== expected && !isNamed)
    return refuse(response, 403, 516, `${user}: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)`);
  const early = failureFor(`EARLY ${url.searchParams.get("query") ?? ""}`);
  if (early) {
    request.once("data", () => request.socket.destroy());
    return;
  }
  const asked = await askedBy(request, url);
  const failing = failureFor(asked.query);
  if (failing?.how === "error") return refuse(response, 500, failing.code ?? 999, failing.text ?? "broken");
  try {
    const found = await run(url, asked);
    if (failing?.how === "after") return void request.socket.destroy();
    if (failing?.how === "late") return;
    response.writeHead(200, { "content-type": "text/plain", "x-clickhouse-summary": "{}" }).end(found);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && "code" in error ? Number(error.code) : 1;
    refuse(response, 500, code, text);
  }
}

function refuse(response: ServerResponse, status: number, code: number, text: string): void {
  response.writeHead(status, { "x-clickhouse-exception-code": String(code) });
  response.end(`Code: ${code}. DB::Exception: ${text}`);
}

const options = { maxHeaderSize: 1024 * 1024 };
const handle = (request: IncomingMessage, response: ServerResponse) => void answer(request, response);
const both = pem === "" ? null : readFileSync(pem);
const server = both ? createTlsServer({ ...options, key: both, cert: both }, handle) : createServer(options, handle);
server.listen(Number(port), "127.0.0.1", () => {
  const at = server.address();
  process.send?.({ ready: typeof at === "object" && at !== null ? at.port : 0 });
});
