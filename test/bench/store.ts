/**
 * P9: rows a second into the store: ready blocks against the same rows as JSONEachRow, interleaved; and from the log's own
 * bytes as the projector does it (read, checked, parsed, opened, written), which is also the speed of catching up after
 * the store was away. How late an event is in its timeline.
 * P10: the latest 1,000 events along an axis, with clear text and names, of `--rows=` events (1 M unless said; each has
 * about eight rows of axes). Sessions of 200 events, ten at a time; 1,000 identities, 50 accounts, 5,000 resources.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { seal } from "../../infra/keys/seal.ts";
import { type Journal, openJournal } from "../../infra/log/journal.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import { encodePosition } from "../../infra/log/position.ts";
import { openChdb } from "../../infra/store/chdb.ts";
import { openStore } from "../../infra/store/clickhouse.ts";
import { type Engine, openEngine, type StoreConnection } from "../../infra/store/engine.ts";
import { Rows } from "../../infra/store/rows.ts";
import type { Store } from "../../infra/store/store.ts";
import { runProjector } from "../../services/projector/project.ts";
import { decided, effect, identityOf, subjectOf } from "../store/night.ts";
import { type Bench, type Figure, median, quantile } from "./figures.ts";
import { axisNames, fill, valueAt } from "./store-rows.ts";

const tenant = "demo";
const commands = 30_000;
const rounds = 3;
const asked = 40;
const lateSamples = 30;
const rowsOption = process.argv.find((word) => word.startsWith("--rows="))?.slice(7);
const events = Number(rowsOption ?? 1_000_000);

const key = randomBytes(32);
const keys = { get: async () => key } as unknown as Parameters<typeof runProjector>[0]["keys"];

/** A log of one session's commands, decided and finished, with sealed texts. */
async function fillLog(journal: Journal): Promise<void> {
  const gateway = await journal.appender("gateway", "one");
  const opened = {
    wire: "postgres",
    task: { id: "t", justification: "bench" },
    application: "psql",
    tls: true,
  } as const;
  const identity = identityOf("loader");
  const data = { ...opened, identity, keyId: "k", expiresAtMs: 0 } as never;
  gateway.append({ type: "session.opened", subject: subjectOf("loader", "s1"), data });
  let ticket = 0;
  for (let n = 0; n < commands; n += 1) {
    const subject = subjectOf("loader", "s1", `c${n}`);
    const text = { sealed: seal(key, `SELECT * FROM customers WHERE id = ${n}`), bytes: 46, hash: "9f".repeat(32) };
    const effects = [effect("read", [`orders/public.table${n % 500}`], [])];
    gateway.append({ type: "command.decided", subject, data: decided(effects, { text }) });
    const outcome = { outcome: "ok", rows: 1, bytes: 10, tag: "SELECT 1", code: null, durationUs: 900 } as const;
    const finished = { ...outcome, shown: true, undone: [], lasted: [] };
    ticket = gateway.append({ type: "command.finished", subject, data: finished });
    if (n % 500 === 0) await gateway.synced(ticket);
  }
  await gateway.synced(ticket);
}

async function recordsOf(journal: Journal): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const keep = (some: readonly LogRecord[]): void => void records.push(...some);
  const following = journal.follow({ after: null, streams: ["steps", "events"] }, keep);
  await following.caughtUp;
  await following.close();
  return records;
}

/** Rows a second of ready blocks, and of the same rows as JSONEachRow. */
async function ready(engine: Engine, connection: StoreConnection, records: readonly LogRecord[]): Promise<Figure[]> {
  const rows = new Rows(({ position }) => encodePosition(position), {});
  for (const record of records) rows.add(record, undefined);
  const tables = rows.tables().filter(({ table }) => table === "events" || table === "axes");
  const count = tables.reduce((sum, table) => sum + table.rows, 0);
  const texts = new Map<string, string>();
  for (const { table, columns } of tables) {
    await engine.command(`CREATE TABLE ready_${table} AS ${table}`);
    const names = columns.join(", ");
    const { stream } = await connection.query({ query: `SELECT ${names} FROM ${table} FORMAT JSONEachRow` });
    texts.set(table, await textOf(stream));
  }
  const [blocks, lines]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    let from = performance.now();
    for (const one of tables)
      await engine.insert({ ...one, table: `ready_${one.table}` }, `bench-${one.table}-${round}`);
    blocks.push((count / (performance.now() - from)) * 1_000);
    from = performance.now();
    for (const { table, columns } of tables) {
      const values = texts.get(table) ?? "";
      const query = `INSERT INTO ready_${table} (${columns.join(", ")}) SETTINGS insert_deduplication_token = 'json-${round}' FORMAT JSONEachRow`;
      await connection.exec({ query, values: Readable.from([values]) });
    }
    lines.push((count / (performance.now() - from)) * 1_000);
  }
  for (const { table } of tables) await engine.command(`DROP TABLE ready_${table} SYNC`);
  const [block, line] = [median(blocks), median(lines)];
  return [
    figure("P9.ready", Math.round(block), `rows/s of ready blocks (events and axes, ${count} rows)`),
    figure("P9.json", block / line, `× the same rows as JSONEachRow (${Math.round(line)} rows/s)`),
  ];
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

/** From the log's bytes until all of it is in the store; then how late single events are. */
async function used(engine: Engine, journal: Journal, store: Store): Promise<Figure[]> {
  const wait = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => undefined);
  const from = performance.now();
  const parts = { log: journal, tenant, store, keys, blobs: {} as never, now: Date.now, wait };
  const projector = await runProjector({ ...parts, appender: await journal.appender("projector", "one") });
  await projector.caughtUp;
  const seconds = (performance.now() - from) / 1_000;
  const tables = "('events', 'axes', 'texts', 'identities')";
  const [sum] = await engine.ask<{ rows: number }>(
    `SELECT sum(rows) AS rows FROM system.parts WHERE active AND database = currentDatabase() AND table IN ${tables}`,
  );
  const gateway = await journal.appender("gateway", "one");
  const late: number[] = [];
  for (let n = 0; n < lateSamples; n += 1) {
    const id = gateway.nextId("steps");
    const begun = performance.now();
    gateway.append({ type: "grant.expired", subject: {}, data: { grant: `g${n}` } as never });
    while ((await store.event(id)) === null) await sleep(5);
    late.push(performance.now() - begun);
  }
  await projector.close();
  const rows = sum?.rows ?? 0;
  return [
    figure("P9.used", Math.round(rows / seconds), `rows/s from the log's bytes, all tables (${rows} rows)`),
    figure("P9.catchup", Math.round((commands * 2) / seconds), "events/s that the projector catches up with"),
    figure("P9.late", quantile(late, 0.99), "ms p99 from an event until it is in its timeline"),
  ];
}

async function timelines(engine: Engine, store: Store): Promise<Figure[]> {
  await fill(engine, events);
  const figures: Figure[] = [];
  for (const axis of axisNames) {
    const times: number[] = [];
    let rows = 0;
    for (let n = 0; n < asked; n += 1) {
      const from = performance.now();
      rows += (await store.timeline({ [axis]: valueAt(axis, n * 31 + 7, events) }, 1_000)).length;
      times.push(performance.now() - from);
    }
    const text = `ms p95, latest ${Math.round(rows / asked)} by ${axis} of ${events} events (p50 ${median(times).toFixed(1)})`;
    figures.push(figure(`P10.${axis}`, quantile(times, 0.95), text));
  }
  return figures;
}

const figure = (name: string, value: number, text: string): Figure => ({
  name,
  value: Math.round(value * 100) / 100,
  text,
});

async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "throughline-bench-"));
  const connection = await openChdb(join(folder, "store"));
  const engine = openEngine({ connection });
  const store = await openStore(engine, { tenant, encodePosition });
  const fatal = (error: Error) => {
    throw error;
  };
  const journal = await openJournal({ folder, tenant, name: "one", now: Date.now, fatal });
  try {
    await fillLog(journal);
    const figures = await used(engine, journal, store);
    figures.push(...(await ready(engine, connection, await recordsOf(journal))));
    for (const table of ["events", "axes", "texts"]) await engine.command(`TRUNCATE TABLE ${table}`);
    figures.push(...(await timelines(engine, store)));
    return figures;
  } finally {
    await journal.close();
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

export const storeBench: Bench = { names: ["P9", "P10"], run };
