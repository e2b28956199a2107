/**
 * P6: durable events a second of the journal with 256 in flight, given ready bytes, and as it is used (envelope from a
 * draft, text encrypted); the same bytes into lmdb (a sync per commit, 256 in flight) and SQLite (synchronous=FULL, one
 * transaction each). Slices are interleaved; the value is the median slice.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { open as openLmdb } from "lmdb";
import { seal } from "../../infra/keys/seal.ts";
import { openJournal } from "../../infra/log/journal.ts";
import type { Appender, RawDraft } from "../../infra/log/log.ts";
import { restOf } from "../../infra/log/source-appender.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { type Bench, type Figure, median } from "./figures.ts";

const inFlight = 256;
const sliceMs = 1000;
const rounds = 3;

const subject = {
  session: "01JD3S9Q8W6M2T4V7X9Z1B3C5D",
  identity: "https://id.example/realms/demo|4f2c7a",
  account: "loader",
  task: "T-2041",
  target: "orders",
  clientaddress: "10.1.2.3:50211",
  grantid: "g-01JD3S9Q8W6M",
};

function decided(command: string, sealed: string): EventData["command.decided"] {
  const table = "orders/public.customers" as ResourceUri;
  return {
    kind: "execute",
    effects: [{ operation: "read", reads: [table], writes: [], ends: [], destroys: false }],
    opaque: null,
    transaction: { kind: "none" },
    undoable: true,
    ruling: "allow",
    stage: "gate",
    because: ["policy0"],
    sentence: "",
    masks: [],
    text: { sealed, bytes: 46, hash: "9f".repeat(32) },
    parameters: null,
    parameterCount: 1,
    fingerprint: "5c".repeat(16),
    statements: ["SELECT"],
    resolution: command.slice(0, 8),
    policy: "1f".repeat(16),
    approval: null,
    intent: null,
  };
}

/** Keeps 256 appends in flight for one slice. @returns durable events per second */
async function slice(appender: Appender, append: () => number): Promise<number> {
  const from = performance.now();
  const first = appender.durable;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const stop = appender.onDurable((durable) => {
      if (performance.now() - from > sliceMs) {
        stop();
        resolve();
        return;
      }
      while (sent - (durable - first) < inFlight) {
        append();
        sent++;
      }
    });
    for (; sent < inFlight; sent++) append();
  });
  return ((appender.durable - first) / (performance.now() - from)) * 1000;
}

async function lmdbSlice(folder: string, value: Buffer): Promise<number> {
  const db = openLmdb({
    path: join(folder, "lmdb"),
    keyEncoding: "uint32",
    encoding: "binary",
    overlappingSync: false,
  });
  const from = performance.now();
  let key = 0;
  let done = 0;
  const one = async () => {
    while (performance.now() - from < sliceMs) {
      await db.put(key++, value);
      done++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
  const rate = (done / (performance.now() - from)) * 1000;
  await db.close();
  return rate;
}

function sqliteSlice(folder: string, value: Buffer): number {
  const db = new DatabaseSync(join(folder, "bench.sqlite"));
  db.exec(
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, body BLOB)",
  );
  const insert = db.prepare("INSERT INTO log (body) VALUES (?)");
  const from = performance.now();
  let done = 0;
  for (; performance.now() - from < sliceMs; done++) insert.run(value);
  const rate = (done / (performance.now() - from)) * 1000;
  db.close();
  return rate;
}

async function run(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "throughline-bench-"));
  const fatal = (error: Error) => {
    throw error;
  };
  const journal = await openJournal({ folder, tenant: "demo", name: "one", now: Date.now, fatal });
  const gateway = await journal.appender("gateway", "one");
  const key = randomBytes(32);
  const data = decided("01JD3S9Q8W6M2T4V7X9Z1B3C5E", seal(key, "x".repeat(46)));
  const command = { ...subject, command: "01JD3S9Q8W6M2T4V7X9Z1B3C5E" };
  const ready: RawDraft = {
    type: "command.decided",
    rest: [Buffer.from(restOf("command.decided", command, data))],
    subject: command,
    data,
  };
  const bytes = Buffer.alloc(720, 7);
  let count = 0;
  const used = () => {
    const id = `c${++count}`;
    const drafted = decided(id, seal(key, `SELECT * FROM customers WHERE id = ${id}`));
    return gateway.append({ type: "command.decided", subject: { ...subject, command: id }, data: drafted });
  };
  const rates: Record<"ready" | "used" | "lmdb" | "sqlite", number[]> = { ready: [], used: [], lmdb: [], sqlite: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      rates.ready.push(await slice(gateway, () => gateway.appendRaw(ready)));
      rates.lmdb.push(await lmdbSlice(folder, bytes));
      rates.sqlite.push(sqliteSlice(folder, bytes));
      rates.used.push(await slice(gateway, used));
    }
  } finally {
    await journal.close();
    rmSync(folder, { recursive: true });
  }
  const [own, drafted, lmdb, sqlite] = [rates.ready, rates.used, rates.lmdb, rates.sqlite].map(median) as [
    number,
    number,
    number,
    number,
  ];
  const figure = (name: string, value: number, text: string) => ({
    name: `P6.${name}`,
    value: Math.round(value * 100) / 100,
    text,
  });
  return [
    figure("ready", Math.round(own), "durable events/s, ready bytes, 256 in flight"),
    figure("used", Math.round(drafted), "durable events/s from drafts with encryption, 256 in flight"),
    figure("lmdb", own / lmdb, `× lmdb (${Math.round(lmdb)} durable puts/s, 256 in flight)`),
    figure("sqlite", own / sqlite, `× SQLite FULL (${Math.round(sqlite)} durable inserts/s)`),
  ];
}

export const journalBench: Bench = { names: ["P6"], run };
