/**
 * The Store in ClickHouse, by its official client: the one file that imports it. A server by URL, or any connection
 * that speaks the client's own interface (chdb.ts: the engine in this process).
 *
 * Order of a write: clear text and axes first, events last, progress after them. So whatever `writtenUpTo` says is in,
 * is in; a crash in between repeats, and repeating replaces. Positions are the log's own texts, which order as it does.
 * It refuses nothing by policy: who may read is the api's business.
 */
import { readFile } from "node:fs/promises";
import { type ClickHouseClient, type ClickHouseClientConfigOptions, createClient } from "@clickhouse/client";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { SessionFilter, SessionSummary, TimelineFilter, TimelineRow } from "../../schemas/timeline.ts";
import type { LogRecord } from "../log/log.ts";
import { type Counts, type Found, rowFound, sessionFound } from "./found.ts";
import { type Question, sessionQuestion, timelineQuestion } from "./question.ts";
import { rowsOf, type TableRow } from "./rows.ts";
import type { ClearText, Store } from "./store.ts";

/** What carries the client's questions when it is not HTTP. */
export type StoreConnection = NonNullable<ClickHouseClientConfigOptions["connection"]>;

export interface StoreOptions {
  /** The log's own text of a position; it orders as the log does. */
  readonly encodePosition: (position: LogRecord["position"]) => string;
  /** A server's address, or what createClient takes as `connection`. */
  readonly at: { readonly url: string } | { readonly connection: StoreConnection };
}

type Parameters = Question["parameters"];

/** Records without a row move `progress` only this often: each insert is a part on disk. */
const progressRecordsEvery = 5_000;

const settings = {
  output_format_json_quote_64bit_integers: 0,
  date_time_input_format: "basic",
  wait_end_of_query: 1,
} as const;

/** @throws ThroughlineError `store.unavailable` */
export async function openStore(options: StoreOptions): Promise<Store> {
  const client = createClient({ ...options.at, clickhouse_settings: settings });
  const tables = await readFile(new URL("../../schemas/tables.sql", import.meta.url), "utf8");
  for (const query of tables.split(/^--$/m)) await reach(() => client.command({ query }), "make the tables");
  return new ClickHouseStore(client, options.encodePosition);
}

async function reach<T>(ask: () => Promise<T>, what: string): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw new ThroughlineError("store.unavailable", `The store could not ${what}`, cause);
  }
}

class ClickHouseStore implements Store {
  readonly #client: ClickHouseClient;
  readonly #encode: StoreOptions["encodePosition"];
  #sinceProgress = 0;

  constructor(client: ClickHouseClient, encode: StoreOptions["encodePosition"]) {
    this.#client = client;
    this.#encode = encode;
  }

  async write(records: readonly LogRecord[], texts: ReadonlyMap<string, ClearText>): Promise<void> {
    const last = records.at(-1);
    if (!last) return;
    const fresh = await this.#withoutRepeatedOutputs(records);
    const rows = rowsOf(fresh, texts, (record) => this.#encode(record.position));
    await this.#insert("identities", rows.identities);
    await this.#insert("texts", rows.texts);
    await this.#insert("chain_commands", rows.chain_commands);
    await this.#insert("axes", rows.axes);
    await this.#insert("events", rows.events);
    this.#sinceProgress = rows.events.length > 0 ? 0 : this.#sinceProgress + records.length;
    if (this.#sinceProgress < progressRecordsEvery) return;
    this.#sinceProgress = 0;
    await this.#insert("progress", [{ one: 1, position: this.#encode(last.position) }]);
  }

  async writtenUpTo(): Promise<string | null> {
    const [row] = await this.#ask<{ upTo: string }>(
      "SELECT max(position) AS upTo FROM ((SELECT position FROM events ORDER BY position DESC LIMIT 1) UNION ALL (SELECT position FROM progress))",
      {},
    );
    return row?.upTo ? row.upTo : null;
  }

  async timeline(filter: TimelineFilter, limit: number): Promise<TimelineRow[]> {
    const { where, parameters } = timelineQuestion(filter);
    const direction = filter.order === "oldest" ? "ASC" : "DESC";
    const found = await this.#ask<Found>(
      `SELECT *, toUnixTimestamp64Milli(at) AS atMs FROM events FINAL WHERE ${where} ORDER BY position ${direction} LIMIT {limit:UInt32}`,
      { ...parameters, limit },
    );
    return this.#complete(found);
  }

  async event(id: string): Promise<TimelineRow | null> {
    const found = await this.#ask<Found>(
      "SELECT *, toUnixTimestamp64Milli(at) AS atMs FROM events FINAL WHERE id = {id:String} ORDER BY position LIMIT 1",
      { id },
    );
    return (await this.#complete(found))[0] ?? null;
  }

  async sessions(filter: SessionFilter, limit: number): Promise<SessionSummary[]> {
    const { where, parameters } = sessionQuestion(filter);
    const opened = await this.#ask<Found>(
      `SELECT *, toUnixTimestamp64Milli(at) AS atMs FROM events FINAL WHERE ${where} ORDER BY position DESC LIMIT {limit:UInt32}`,
      { ...parameters, limit },
    );
    const counts = await this.#ask<Counts>(sessionCounts, { sessions: opened.map((row) => String(row.session)) });
    const bySession = new Map(counts.map((row) => [row.session, row]));
    const names = await this.#names(opened);
    return opened.map((row) => sessionFound(row, bySession.get(row.session), names));
  }

  async forgetText(session: string): Promise<void> {
    await reach(
      () =>
        this.#client.command({
          query: "ALTER TABLE texts DELETE WHERE session = {session:String} SETTINGS mutations_sync = 2",
          query_params: { session },
        }),
      "delete clear text",
    );
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** The correlator's ids are hashes of evidence: a replica or a replay says the same again at a later position. */
  async #withoutRepeatedOutputs(records: readonly LogRecord[]): Promise<readonly LogRecord[]> {
    const outputs = records.filter((record) => !String(record.envelope.id).startsWith(`${record.source}/`));
    if (outputs.length === 0) return records;
    const known = await this.#ask<{ id: string; position: string }>(
      "SELECT id, min(position) AS position FROM events WHERE id IN {ids:Array(String)} GROUP BY id",
      { ids: outputs.map((record) => record.envelope.id) },
    );
    const first = new Map(known.map((row) => [row.id, row.position]));
    return records.filter((record) => {
      const position = this.#encode(record.position);
      const seen = first.get(record.envelope.id);
      if (seen === undefined) first.set(record.envelope.id, position);
      return seen === undefined || seen === position;
    });
  }

  async #insert(table: string, values: TableRow[]): Promise<void> {
    if (values.length === 0) return;
    await reach(() => this.#client.insert({ table, values, format: "JSONEachRow" }), `write to ${table}`);
  }

  async #ask<T>(query: string, parameters: Parameters): Promise<T[]> {
    return reach(async () => {
      const result = await this.#client.query({ query, query_params: parameters, format: "JSONEachRow" });
      return result.json<T>();
    }, "answer");
  }

  async #complete(found: readonly Found[]): Promise<TimelineRow[]> {
    if (found.length === 0) return [];
    const names = await this.#names(found);
    const texts = await this.#ask<{ position: string; text: string; parameters: string | null }>(
      "SELECT position, text, parameters FROM texts FINAL WHERE session IN {sessions:Array(String)} AND position IN {positions:Array(String)}",
      { sessions: distinct(found, "session"), positions: distinct(found, "position") },
    );
    const byPosition = new Map(texts.map((row) => [row.position, row]));
    return found.map((row) => rowFound(row, byPosition.get(row.position), names));
  }

  async #names(found: readonly Found[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#ask<{ identity: string; name: string }>(
      "SELECT identity, name FROM identities FINAL WHERE identity IN {identities:Array(String)}",
      { identities: distinct(found, "identity") },
    );
    return new Map(rows.map((row) => [row.identity, row.name]));
  }
}

const sessionCounts = `SELECT session,
  uniqExactIf(command, type = 'command.decided') AS commands,
  uniqExactIf(command, type = 'command.decided' AND ruling = 'hold') AS held,
  uniqExactIf(command, type = 'command.decided' AND ruling = 'block') AS blocked,
  uniqExactIf(command, type = 'output.masked') AS masked,
  maxIf(toUnixTimestamp64Milli(at), type = 'session.closed') AS closedAtMs,
  anyIf(data, type = 'session.closed') AS closing
FROM events FINAL
WHERE position IN (SELECT position FROM axes WHERE axis = 'session' AND value IN {sessions:Array(String)})
GROUP BY session`;

function distinct(found: readonly Found[], key: "session" | "position" | "identity"): string[] {
  return [...new Set(found.map((row) => row[key]))];
}
