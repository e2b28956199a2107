/**
 * The Store in ClickHouse, whatever carries its questions (engine.ts): a server or the engine in this process.
 *
 * Order of a write: clear text and axes first, events last. So whatever `writtenUpTo` says is in, is in; a crash in
 * between repeats, and repeating replaces. Positions are the log's own texts, which order as it does.
 * It refuses nothing by policy: who may read is the api's business. It refuses records of another tenant.
 */
import { crc32 } from "node:zlib";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { SessionFilter, SessionSummary, TimelineFilter, TimelineRow } from "../../schemas/timeline.ts";
import type { LogRecord } from "../log/log.ts";
import type { Engine, Parameters } from "./engine.ts";
import { type Counts, eventFound, type Found, type FoundEvent, rowFound, sessionFound } from "./found.ts";
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
      `SELECT ${shown} FROM events WHERE id = {id:String} ORDER BY position LIMIT 1`,
      { id },
    );
    return (await this.#complete(found.map(eventFound)))[0] ?? null;
  }

  async sessions(filter: SessionFilter, limit: number): Promise<SessionSummary[]> {
    const opened = await this.#rowsOf(sessionQuestion(filter), false, limit);
    if (opened.length === 0) return [];
    const sessions = opened.map(({ facts }) => facts.acts.session);
    const counts = await this.#engine.ask<Counts>(sessionCounts, { sessions });
    const closings = (await this.#engine.ask<Found>(sessionClosings, { sessions })).map(eventFound);
    const bySession = new Map(counts.map((row) => [row.session, row]));
    const closed = new Map(closings.map((row) => [row.facts.acts.session, row]));
    const names = await this.#names(opened);
    return opened.map((row) => {
      const { session } = row.facts.acts;
      return sessionFound(row, closed.get(session), bySession.get(session), names);
    });
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
   * The rows of a question, in order, each position once: the engine may not have merged a repetition away yet. Along an
   * axis it looks at the newest positions first (or the oldest), and at more of them while the other conditions leave too
   * few: an account has millions, and a page shows hundreds.
   */
  async #rowsOf(question: Question, isOldest: boolean, limit: number): Promise<FoundEvent[]> {
    const found = new Map<string, Found>();
    let edge: string | null = null;
    for (let candidates = Math.max(limit, candidatesMin); found.size < limit; ) {
      const missing = limit - found.size;
      const walk: Walk = { question, isOldest, edge, candidates };
      const page = await this.#page(walk, missing);
      for (const row of page) if (!found.has(row.position)) found.set(row.position, row);
      if (page.length === missing) edge = page.at(-1)?.position ?? null;
      // Nothing else was asked, and each candidate is there: these were all.
      else if (question.where === "") break;
      else {
        edge = await this.#edgeOf(walk);
        if (edge === null) break;
        candidates *= 4;
      }
    }
    return [...found.values()].map(eventFound);
  }

  #page(walk: Walk, limit: number): Promise<Found[]> {
    const { question, isOldest } = walk;
    const from = question.driver ? `position IN (${candidatesOf(question.driver, walk)})` : beyondEdge(walk);
    const where = [from, question.where].filter((part) => part !== "").join(" AND ") || "1";
    const query = `SELECT ${shown} FROM events WHERE ${where} ORDER BY position ${isOldest ? "ASC" : "DESC"} LIMIT {limit:UInt32}`;
    return this.#engine.ask<Found>(query, { ...parametersOf(walk), limit });
  }

  /** @returns the last candidate, or null when there are no more of them */
  async #edgeOf(walk: Walk): Promise<string | null> {
    const { driver } = walk.question;
    if (driver === null) return null;
    const query = `SELECT count() AS count, ${walk.isOldest ? "max" : "min"}(position) AS edge FROM (${candidatesOf(driver, walk)})`;
    const [seen] = await this.#engine.ask<{ count: number; edge: string }>(query, parametersOf(walk));
    return seen && seen.count === walk.candidates ? seen.edge : null;
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

  async #complete(found: readonly FoundEvent[]): Promise<TimelineRow[]> {
    if (found.length === 0) return [];
    const names = await this.#names(found);
    const texts = await this.#engine.ask<{ position: string; text: string; parameters: string | null }>(
      "SELECT position, text, parameters FROM texts WHERE session IN {sessions:Array(String)} AND position IN {positions:Array(String)}",
      { sessions: distinct(found.map(({ facts }) => facts.acts.session)), positions: found.map((row) => row.position) },
    );
    const byPosition = new Map(texts.map((row) => [row.position, row]));
    return found.map((row) => rowFound(row, byPosition.get(row.position), names));
  }

  async #names(found: readonly FoundEvent[]): Promise<ReadonlyMap<string, string>> {
    const rows = await this.#engine.ask<{ identity: string; name: string }>(
      "SELECT identity, name FROM identities FINAL WHERE identity IN {identities:Array(String)}",
      { identities: distinct(found.map(({ facts }) => facts.acts.identity)) },
    );
    return new Map(rows.map((row) => [row.identity, row.name]));
  }
}

/** What readers are given of a row. */
const shown = "position, toUnixTimestamp64Milli(at) AS atMs, event";

const ofSessions =
  "position IN (SELECT position FROM axes WHERE axis = 'session' AND value IN {sessions:Array(String)})";

const sessionCounts = `SELECT session,
  uniqExactIf(command, type = 'command.decided') AS commands,
  uniqExactIf(command, type = 'command.decided' AND ruling = 'hold') AS held,
  uniqExactIf(command, type = 'command.decided' AND ruling = 'block') AS blocked,
  uniqExactIf(command, type = 'output.masked') AS masked
FROM events WHERE ${ofSessions} GROUP BY session`;

const sessionClosings = `SELECT ${shown} FROM events WHERE type = 'session.closed' AND ${ofSessions}`;

/** How far a question has been answered. */
interface Walk {
  readonly question: Question;
  readonly isOldest: boolean;
  /** The last position looked at; null at the beginning. */
  readonly edge: string | null;
  readonly candidates: number;
}

function parametersOf({ question, edge, candidates }: Walk): Parameters {
  return { ...question.parameters, candidates, ...(edge === null ? {} : { edge }) };
}

function beyondEdge({ edge, isOldest }: Walk): string {
  return edge === null ? "" : `position ${isOldest ? ">" : "<"} {edge:String}`;
}

/** Positions along an axis, from the edge on. */
function candidatesOf({ where }: Driver, walk: Walk): string {
  const conditions = [where, beyondEdge(walk)].filter((part) => part !== "").join(" AND ");
  return `SELECT DISTINCT position FROM axes WHERE ${conditions} ORDER BY position ${walk.isOldest ? "ASC" : "DESC"} LIMIT {candidates:UInt32}`;
}

/** The same rows of the same records have the same token; anything else has another. */
function tokenOf({ table, bytes }: TableRows, from: string, upTo: string): string {
  const sum = bytes.reduce((crc, piece) => crc32(piece, crc), 0);
  return `${table}-${from}-${upTo}-${sum.toString(16)}`;
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}
