/**
 * One seat at one gateway: a real PostgreSQL client whose socket is listened to, so that what it received is known to the
 * byte and the millisecond. A connection that breaks is made again by the next command.
 */
import { Socket } from "node:net";
import pg from "pg";
import type { Asked, Attempt, Outcome } from "./evidence.ts";

export interface Door {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface Statement extends Asked {
  readonly text: string;
  readonly values?: readonly string[];
  /** Of a prepared statement that stays. */
  readonly name?: string;
  /** Called when the gateway says that it is held, with the approval's id. */
  readonly onHeld?: (approval: string) => void;
  readonly approval?: string;
}

const loginMsMax = 8_000;
const answerMsMax = 30_000;
const pauseMs = 100;
/** In the customers' addresses: nobody may see it. */
export const secret = "@secret.example";

interface Listening {
  receivedMs: number | null;
  leaked: boolean;
}

export class Seat {
  readonly #door: Door;
  #client: pg.Client | null = null;
  #listening: Listening = { receivedMs: null, leaked: false };
  #onHeld: ((approval: string) => void) | null = null;

  constructor(door: Door) {
    this.#door = door;
  }

  /** Whether a transaction that was open here is still. */
  get isConnected(): boolean {
    return this.#client !== null;
  }

  async run(
    statement: Statement,
  ): Promise<Attempt & { readonly rows: readonly unknown[]; readonly held: string | null }> {
    const { text, values, name, onHeld, approval = null, ...asked } = statement;
    const listening: Listening = { receivedMs: null, leaked: false };
    let held: string | null = null;
    const done = (outcome: Outcome, code = "", because = "", rows: readonly unknown[] = []) => ({
      ...asked,
      ...listening,
      outcome,
      code,
      because,
      approval: approval ?? (outcome === "ok" ? held : null),
      rows,
      held,
    });
    const client = await this.#connected();
    if (client === null) {
      await new Promise((next) => setTimeout(next, pauseMs));
      return done("unsent");
    }
    this.#listening = listening;
    this.#onHeld = (which) => {
      held = which;
      onHeld?.(which);
    };
    const late = setTimeout(() => this.#drop(client), answerMsMax);
    try {
      const config = { text, ...(values ? { values: [...values] } : {}), ...(name ? { name } : {}) };
      const result = await client.query(config);
      const rows = Array.isArray(result) ? [] : result.rows;
      return done("ok", "", "", rows);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.severity === "FATAL") {
        this.#drop(client);
        return done("lost", error instanceof pg.DatabaseError ? (error.code ?? "") : "");
      }
      held = /approvals\/([\w-]+)/.exec(error.hint ?? "")?.[1] ?? held;
      const because = `${error.message} ${error.detail ?? ""}`;
      return done(outcomeOf(error), error.code, because);
    } finally {
      clearTimeout(late);
      this.#onHeld = null;
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => {});
  }

  /** @returns null when the gateway does not let anybody in now */
  async #connected(): Promise<pg.Client | null> {
    if (this.#client !== null) return this.#client;
    const socket = new Socket();
    const client = new pg.Client({
      ...this.#door,
      connectionTimeoutMillis: loginMsMax,
      stream: () => socket,
      application_name: "chaos",
    });
    client.on("error", () => this.#drop(client));
    client.on("notice", ({ hint }) => {
      const which = /approvals\/([\w-]+)/.exec(hint ?? "")?.[1];
      if (which !== undefined) this.#onHeld?.(which);
    });
    client.once("end", () => this.#drop(client));
    listen(socket, () => this.#listening);
    try {
      await client.connect();
    } catch {
      socket.destroy();
      return null;
    }
    this.#client = client;
    return client;
  }

  #drop(client: pg.Client): void {
    if (this.#client === client) this.#client = null;
    void client.end().catch(() => {});
    (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
  }
}

/** 42501 with our words, or a lock that the gateway waited for; everything else is the target's own. */
function outcomeOf(error: pg.DatabaseError): Outcome {
  if (error.code === "53100") return "full";
  const isOurs = /^Decided by |nothing of the command reached the target|never reached the target/.test(
    error.detail ?? "",
  );
  return isOurs ? "refused" : "error";
}

const [rowType, doneType, errorType] = ["D", "C", "E"].map((letter) => letter.charCodeAt(0));

/** Notes when the first row, count or error came, whatever the client library makes of it. */
function listen(socket: Socket, to: () => Listening): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    const now = Date.now();
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (at + 5 <= bytes.length) {
      const end = at + 1 + bytes.readInt32BE(at + 1);
      if (end > bytes.length) break;
      const type = bytes[at];
      if (type === rowType || type === doneType || type === errorType) {
        const listening = to();
        listening.receivedMs ??= now;
        if (bytes.subarray(at, end).includes(secret)) listening.leaked = true;
      }
      at = end;
    }
    rest = Buffer.from(bytes.subarray(at));
  });
}
