/**
 * The Store in ClickHouse, whatever carries its questions (engine.ts): a server or the engine in this process.
 *
 * Order of a write: clear text and axes first, events last. So whatever `writtenUpTo` says is in, is in; a crash in
 * between repeats, and repeating replaces. Positions are the log's own texts, which order as it does.
 * Readers see each position once, also before the engine has merged a repetition away: `LIMIT 1 BY position`.
 * It refuses nothing by policy: who may read is the api's business. It refuses records of another tenant.
 */
import { crc32 } from "node:zlib";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { SessionFilter, SessionSummary, TimelineFilter, TimelineRow } from "../../schemas/timeline.ts";
import type { LogRecord } from "../log/log.ts";
import type { Engine, Parameters } from "./engine.ts";
import { type Counts, type Found, rowFound, sessionFound } from "./found.ts";
import { type Driver, type Question, sessionQuestion, timelineQuestion } from "./question.ts";
import type { Retention } from "./retention.ts";
import { isOutput, Rows, type TableRows } from "./rows.ts";
import type { ClearText, Store } from "./store.ts";
import { dropTables, prepareTables, setState, stateOf } from "./tables.ts";

export interface StoreOptions {
  readonly tenant: string;
  /** The log's own text of a position; it orders as the log does. */
  readonly encodePosition: (position: LogRecord["position"]) => string;
  readonly retention?: Retention | undefined;
  /** Name of the servers' cluster, where tables are replicated. */
  readonly cluster?: string | undefined;
}

/** A store that is being filled again from the log. */
export interface EmptiedStore extends Store {
  /** Says that everything is in: the next rebuild starts over. */
  filled(): Promise<void>;
}

/** `progress` moves this often: rows may leave by their retention, and records without a row leave no other mark. */
const progressRecordsEvery = 5_000;
/** Positions of an axis that are looked at first; more when they do not suffice. */
const candidatesMin = 256;

/** @throws ThroughlineError `store.unavailable`, `store.newer`, `store.foreign` */
export async function openStore(engine: Engine, options: StoreOptions): Promise<Store> {
  await prepareTables(engine, options);
  // Whoever opens it goes on filling from where it is: a rebuild that was left is over.
  if ((await stateOf(engine, "rebuild")) === "running") await setState(engine, "rebuild", "left");
  return new ClickHouseStore(engine, options);
}

/**
 * Empties the store, unless a rebuild was interrupted: then it goes on with what is there.
 * @throws ThroughlineError as openStore
 */
export async function emptyStore(engine: Engine, options: StoreOptions): Promise<EmptiedStore> {
  await prepareTables(engine, options);
  if ((await stateOf(engine, "rebuild")) !== "running") {
    await dropTables(engine, options.cluster);
    await prepareTables(engine, options);
    await setState(engine, "rebuild", "running");
  }
  return new ClickHouseStore(engine, options);
}

class ClickHouseStore implements EmptiedStore {
  readonly #engine: Engine;
  readonly #options: StoreOptions;
  #sinceProgress = 0;

  constructor(engine: Engine, options: StoreOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  async write(records: readonly LogRecord[], texts: ReadonlyMap<string, ClearText>): Promise<void> {
    const [first, last] = [records[0], records.at(-1)];
    if (!first || !last) return;
    const { tenant, encodePosition } = this.#options;
    const foreign = records.find(({ envelope }) => envelope.tenant !== tenant);
    if (foreign) throw new ThroughlineError("store.foreign", `A record of ${foreign.source} is of another tenant`);
    const rows = new Rows(({ position }) => encodePosition(position), this.#options.retention ?? {});
    for (const record of await this.#withoutRepeatedOutputs(records)) rows.add(record, texts.get(record.envelope.id));
    const [from, upTo] = [encodePosition(first.position), encodePosition(last.position)];
    for (const table of rows.tables()) await this.#engine.insert(table, tokenOf(table, from, upTo));
    this.#sinceProgress += records.length;
    if (this.#sinceProgress < progressRecordsEvery) return;
    await this.#engine.command("INSERT INTO progress (one, position) SELECT 1, {upTo:String}", { upTo });
    this.#sinceProgress = 0;
  }

  async writtenUpTo(): Promise<string | null> {
    const [row] = await this.#engine.ask<{ upTo: string }>(
      "SELECT max(position) AS upTo FROM ((SELECT position FROM events ORDER BY position DESC LIMIT 1) UNION ALL (SELECT position FROM progress))",
    );
    return row?.upTo ? row.upTo : null;
  }

  async timeline(filter: TimelineFilter, limit: number): Promise<TimelineRow[]> {
    const isOldest = filter.order === "oldest";
    return this.#complete(await this.#rowsOf(timelineQuestion(filter), isOldest, limit));
  }

  async event(id: string): Promise<TimelineRow | null> {
    const found = await this.#engine.ask<Found>(
      "SELECT *, toUnixTimestamp64Milli(at) AS atMs FROM events WHERE id = {id:String} ORDER BY position LIMIT 1",
      { id },
    );
    return (await this.#complete(found))[0] ?? null;
  }

  async sessions(filter: SessionFilter, limit: number): Promise<SessionSummary[]> {
    const opened = await this.#rowsOf(sessionQuestion(filter), false, limit);
    const counts = await this.#engine.ask<Counts>(sessionCounts, {
      sessions: opened.map((row) => String(row.session)),
    });
    const bySession = new Map(counts.map((row) => [row.session, row]));
    const names = await this.#names(opened);
    return opened.map((row) => sessionFound(row, bySession.get(row.session), names));
  }

  async forgetText(session: string): Promise<void> {
    await this.#engine.command("ALTER TABLE texts DELETE WHERE session = {session:String}", { session });
  }

  async filled(): Promise<void> {
    await setState(this.#engine, "rebuild", "done");
  }

  async close(): Promise<void> {
    await this.#engine.close();
  }

  /**
   * The rows of a question, in order. Along an axis it looks at the newest positions first (or the oldest), and at more of
   * them while the other conditions leave too few: an account has millions, and a page shows hundreds.
   */
  async #rowsOf(question: Question, isOldest: boolean, limit: number): Promise<Found[]> {
    if (question.driver === null) return this.#page(question, "", {}, isOldest, limit);
    const found: Found[] = [];
    let edge: string | null = null;
    for (let candidates = Math.max(limit, candidatesMin); ; candidates *= 4) {
      const driver = candidatesOf(question.driver, isOldest, edge !== null);
      const parameters: Parameters = { candidates, ...(edge === null ? {} : { edge }) };
      const missing = limit - found.length;
      found.push(...(await this.#page(question, `position IN (${driver})`, parameters, isOldest, missing)));
      if (found.length >= limit) return found;
      const [seen] = await this.#engine.ask<{ count: number; edge: string }>(
        `SELECT count() AS count, ${isOldest ? "max" : "min"}(position) AS edge FROM (${driver})`,
        { ...question.parameters, ...parameters },
      );
      if (!seen || seen.count < candidates) return found;
      edge = seen.edge;
    }
  }

  #page(question: Question, driver: string, more: Parameters, isOldest: boolean, limit: number): Promise<Found[]> {
    const where = [driver, question.where].filter((part) => part !== "").join(" AND ") || "1";
    const query = `SELECT *, toUnixTimestamp64Milli(at) AS atMs FROM events WHERE ${where}
      ORDER BY position ${isOldest ? "ASC" : "DESC"} LIMIT 1 BY position LIMIT {limit:UInt32}`;
    return this.#engine.ask<Found>(query, { ...question.parameters, ...more, limit });
  }

  /** The correlator's ids are hashes of evidence: a replica or a replay says the same again at a later position. */
  async #withoutRepeatedOutputs(records: readonly LogRecord[]): Promise<readonly LogRecord[]> {
    const outputs = records.filter(isOutput);
    if (outputs.length === 0) return records;
    const known = await this.#engine.ask<{ id: string; position: string }>(
      "SELECT value AS id, min(position) AS position FROM axes WHERE axis = 'output' AND value IN {ids:Array(String)} GROUP BY id",
      { ids: outputs.map((record) => record.envelope.id) },
    );
    const first = new Map(known.map((row) => [row.id, row.position]));
    return records.filter((record) => {
      if (!isOutput(record)) return true;
      const position = this.#options.encodePosition(record.position);
      const seen = first.get(record.envelope.id);
      if (seen === undefined) first.set(record.envelope.id, position);
      return seen === undefined || seen === position;
    });
  }

  async #complete(found: readonly Found[]): Promise<TimelineRow[]> {
    if (found.length === 0) return [];
    const names = await this.#names(found);
    const texts = await this.#engine.ask<{ position: string; text: string; parameters: string | null }>(
      "SELECT position, text, parameters FROM texts WHERE session IN {sessions:Array(String)} AND position IN {positions:Array(String)}",
      { sessions: distinct(found, "session"), positions: distinct(found, "position") },
    );
    const byPosition = new Map(texts.map((row) => [row.position, row]));
    return found.map((row) => rowFound(row, byPosition.get(row.position), names));
  }

  async #names(found: readonly Found[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#engine.ask<{ identity: string; name: string }>(
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
FROM events
WHERE position IN (SELECT position FROM axes WHERE axis = 'session' AND value IN {sessions:Array(String)})
GROUP BY session`;

/** Positions along an axis, from one end of it on. */
function candidatesOf({ where }: Driver, isOldest: boolean, isFurther: boolean): string {
  const further = isFurther ? ` AND position ${isOldest ? ">" : "<"} {edge:String}` : "";
  return `SELECT position FROM axes WHERE ${where}${further} ORDER BY position ${isOldest ? "ASC" : "DESC"} LIMIT {candidates:UInt32}`;
}

/** The same rows of the same records have the same token; anything else has another. */
function tokenOf({ table, bytes }: TableRows, from: string, upTo: string): string {
  const sum = bytes.reduce((crc, piece) => crc32(piece, crc), 0);
  return `${table}-${from}-${upTo}-${sum.toString(16)}`;
}

function distinct(found: readonly Found[], key: "session" | "position" | "identity"): string[] {
  return [...new Set(found.map((row) => row[key]))];
}
