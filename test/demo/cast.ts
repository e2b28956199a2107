/** How the players of the scenario act: real PostgreSQL clients through the gateway, real HTTP towards the api. */
import { readFile } from "node:fs/promises";
import pg from "pg";
import type { Agent } from "./agent.ts";
import type { DemoAccount } from "./database.ts";
import { loggedIn, type Places, type World, workloadToken } from "./world.ts";

export interface Grant {
  readonly grant: string;
  readonly user: string;
  readonly secret: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** Somebody who can talk to the api: a workload by its token, a person by the cookie of the console. */
export interface Player {
  readonly name: string;
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
}

export async function workload(world: Places, id: string): Promise<Player> {
  const token = await workloadToken(world, id);
  return player(world, id, (address, init) =>
    fetch(address, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
  );
}

export async function person(world: Places, login: string): Promise<Player> {
  const agent: Agent = await loggedIn(world, login);
  return player(world, login, (address, init) =>
    agent.fetch(address, { ...init, headers: { ...init.headers, origin: world.api } }),
  );
}

type Send = (
  address: string,
  init: { method: string; body?: string; headers: Record<string, string> },
) => Promise<Response>;

function player(world: Places, name: string, send: Send): Player {
  return {
    name,
    async api(method, path, body) {
      const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      const answer = await send(`${world.api}${path}`, init);
      const text = await answer.text();
      return { status: answer.status, body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>) };
    },
  };
}

/** The same exchange as `throughline connect`. */
export async function granted(who: Player, account: DemoAccount, justification: string): Promise<Grant> {
  const { status, body } = await who.api("POST", "/api/grants", { target: "orders", account, task: { justification } });
  if (status >= 300) throw new Error(`${who.name} got no grant as ${account}: ${status} ${JSON.stringify(body)}`);
  return body as unknown as Grant;
}

export interface Actor {
  readonly client: pg.Client;
  /** Notices as the client saw them, in order. */
  readonly notices: { message: string; detail: string; hint: string }[];
  end(): Promise<void>;
}

/** A node-postgres client through the gateway. */
export async function connect(grant: Grant, schema: string): Promise<Actor> {
  const { host, port, user, secret: password, database } = grant;
  const client = new pg.Client({ host, port, user, password, database, options: `-c search_path=${schema}` });
  const notices: Actor["notices"] = [];
  client.on("notice", ({ message, detail, hint }) =>
    notices.push({ message: message ?? "", detail: detail ?? "", hint: hint ?? "" }),
  );
  client.on("error", () => {}); // a gateway that is killed ends the connection; the awaited query rejects as well
  await client.connect();
  return { client, notices, end: () => client.end() };
}

/** Asks again until the answer is there; `what` stands in the error when it never comes. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  waitMsMax = 60_000,
): Promise<T> {
  const until = Date.now() + waitMsMax;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > until) throw new Error(`never came: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** Tries until it succeeds; the last refusal is the cause of the error when it never does. */
export async function comesBack<T>(what: string, attempt: () => Promise<T>, waitMsMax = 60_000): Promise<T> {
  let refused: unknown = null;
  const tried = () =>
    attempt().then(
      (value) => ({ value }),
      (error) => {
        refused = error;
        return null;
      },
    );
  try {
    return (await eventually(what, tried, waitMsMax)).value;
  } catch (error) {
    throw new Error(`${(error as Error).message}; last refused: ${refused}`, { cause: refused });
  }
}

/** How often a text stands in PostgreSQL's own log (log_statement = all). */
export async function seenByTarget(world: World, text: string): Promise<number> {
  const log = await readFile(world.postgres.log, "utf8");
  return log.split("\n").filter((line) => /LOG: {2}(statement|execute)/.test(line) && line.includes(text)).length;
}

/** What PostgreSQL said to a statement that was refused. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly detail: string;
  readonly hint: string;
}

export async function refusalOf(running: Promise<unknown>): Promise<Refusal> {
  try {
    await running;
  } catch (error) {
    if (error instanceof pg.DatabaseError) {
      return { code: error.code ?? "", message: error.message, detail: error.detail ?? "", hint: error.hint ?? "" };
    }
    throw error;
  }
  throw new Error("it was not refused");
}
