/**
 * What one command (its decision and its end) costs in bytes: in the gateway's spool, in the shared log, in the archive
 * and in the store. The real journal, shipper, archive, projector and engine; the brokers alone are in memory, and what
 * is sent to them is counted as it would be sent to Kafka, which stores it as it comes.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openBlobs } from "../../infra/blobs/blobs-folder.ts";
import { createCatalog } from "../../infra/catalog.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import { seal } from "../../infra/keys/seal.ts";
import type { Appender } from "../../infra/log/log.ts";
import { encodePosition } from "../../infra/log/position.ts";
import type { ArchivedLog } from "../../infra/log/shared-log.ts";
import { openChdb } from "../../infra/store/chdb.ts";
import { openEngine } from "../../infra/store/engine.ts";
import { openConfiguredStore } from "../../infra/store/open.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { TaskId, Tenant } from "../../schemas/identity.ts";
import { limits } from "../../schemas/limits.ts";
import { Feed } from "../../services/gateway/feed.ts";
import { runProjector } from "../../services/projector/project.ts";
import { seeded } from "../correlator/dice.ts";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { type SharedWorld, sharedWorld } from "../log/shared-world.ts";
import { decided, identityOf, subjectOf } from "../store/night.ts";
import type { Figure } from "./figures.ts";

const commandsPerSession = 200;
/** What a broker adds to a message that is a batch of its own: batch header 61, record about 9, key. */
const brokerBytesPerMessage = 80;

interface Wire {
  bytes: number;
  messages: number;
}

/** One command of some thousand: a text of 60 to 200 bytes, one parameter, one to three tables. */
class Work {
  readonly #dice = seeded(7);
  readonly #keys: Keys;
  readonly #say: Appender;
  #session = 0;
  #command = 0;
  #key: Uint8Array = new Uint8Array();
  #subject: Subject = {};

  constructor(keys: Keys, say: Appender) {
    this.#keys = keys;
    this.#say = say;
  }

  async next(): Promise<void> {
    if (this.#command % commandsPerSession === 0) await this.#open();
    this.#command += 1;
    const table = this.#dice(300);
    const columns = Array.from({ length: 2 + this.#dice(9) }, (_, index) => `column_${(table + index) % 40}`);
    const text = `SELECT ${columns.join(", ")} FROM public.orders_${table} WHERE id = $1 AND region = 'r${this.#dice(9)}'`;
    const sealed = (clear: string) => ({ sealed: seal(this.#key, clear), bytes: clear.length, hash: hashLike(table) });
    const resources = columns.map((column) => `orders/public.orders_${table}#${column}` as ResourceUri);
    const effects = [{ operation: "read" as const, reads: resources, writes: [], ends: [], destroys: false }];
    const subject = { ...this.#subject, command: `mgq3k2a1b2c3d4e5f6-${this.#command.toString(36)}` };
    const parameters = sealed(JSON.stringify([String(this.#dice(1_000_000))]));
    const facts = { kind: "execute" as const, fingerprint: hashLike(table).slice(32), resolution: "9f0e1d2c3b4a5968" };
    const data = decided(effects, { ...facts, text: sealed(text), parameters, parameterCount: 1, because: ["jobs"] });
    this.#say.append({ type: "command.decided", subject, data });
    this.#say.append({
      type: "command.finished",
      subject,
      data: {
        ...{ outcome: "ok", rows: this.#dice(50), bytes: this.#dice(9_000), tag: "SELECT 12", code: null },
        ...{ durationUs: 300 + this.#dice(9_000), shown: true, undone: [], lasted: [] },
      },
    });
  }

  async #open(): Promise<void> {
    this.#session += 1;
    const name = `person${this.#session % 50}`;
    const session = `mgq3k2a1b2c3d4e5f6-s${this.#session}`;
    this.#key = await this.#keys.create(`key-${session}`);
    this.#subject = { ...subjectOf(name, session), identity: `https://id.example/realms/demo|${name}` };
    const opened = { wire: "postgres" as const, keyId: `key-${session}`, application: "psql", tls: true };
    const who = { identity: identityOf(name), task: { id: "T-2041" as TaskId, justification: "monthly report" } };
    const data = { ...opened, ...who, expiresAtMs: 9_000_000_000_000 };
    this.#say.append({ type: "session.opened", subject: this.#subject, data });
  }
}

const hashLike = (seed: number) => String(seed).padStart(4, "0").repeat(16);

/** @param inFlight commands that wait for a sync together: one is a gateway at night, 64 a busy one */
export async function bytesPerCommand(commands: number, inFlight: number, withStore: boolean): Promise<Figure[]> {
  const world = sharedWorld(["gw", "reader", "store"]);
  const folder = mkdtempSync(join(tmpdir(), "throughline-sizing-"));
  const wire: Wire = { bytes: 0, messages: 0 };
  try {
    const brokers = new MemoryBrokers(Date.now);
    const gateway = world.machine("gw");
    const shared = await world.share(gateway, counted(brokers.connect(), wire));
    const keys = await openKeys(folder);
    const say = await shared.appender("gateway", "gw");
    const work = new Work(keys, say);
    for (let done = 0; done < commands; done += inFlight) {
      for (let index = 0; index < inFlight; index += 1) await work.next();
      await shared.spool.drained();
    }
    await shared.shipped();
    const how = `${inFlight} in flight, ${commands} commands`;
    const bytes = (name: string, sum: number, what: string): Figure => ({
      name: `SIZE.${name}_${inFlight}`,
      value: Math.round(sum / commands),
      text: `bytes per command in the ${what}, ${how}`,
    });
    return [
      bytes("spool", sizeOf(join(gateway.folder, "spool")), "spool"),
      bytes(
        "kafka",
        wire.bytes + wire.messages * brokerBytesPerMessage,
        `shared log, one replica, ${wire.messages} packs`,
      ),
      ...(await readers({ world, brokers, folder, keys, commands, inFlight, withStore })),
    ];
  } finally {
    await world.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a gateway says once a second though nobody does anything, with the signed head that follows. */
export async function bytesPerHeartbeat(beats: number): Promise<Figure[]> {
  const world = sharedWorld(["gw"]);
  const wire: Wire = { bytes: 0, messages: 0 };
  try {
    const gateway = world.machine("gw");
    const shared = await world.share(gateway, counted(new MemoryBrokers(Date.now).connect(), wire));
    const say = await shared.appender("gateway", "gw");
    const places = [sizeOf(join(gateway.folder, "spool")), 0];
    for (let beat = 0; beat < beats; beat += 1) {
      const data = { upTo: String(beat).padStart(16, "0"), targets: ["orders"] };
      say.append({ type: "gateway.followed", subject: {}, data });
      await sleep(2 * limits.checkpointMsMax);
    }
    await shared.shipped();
    places[1] = sizeOf(join(gateway.folder, "spool"));
    const [before = 0, after = 0] = places;
    const kafka = (wire.bytes + wire.messages * brokerBytesPerMessage) / beats;
    return [
      {
        name: "SIZE.beat_spool",
        value: Math.round((after - before) / beats),
        text: "bytes per heartbeat in the spool",
      },
      {
        name: "SIZE.beat_kafka",
        value: Math.round(kafka),
        text: `bytes per heartbeat in the shared log, ${wire.messages} packs for ${beats}`,
      },
    ];
  } finally {
    await world.end();
  }
}

interface Readers {
  readonly world: SharedWorld;
  readonly brokers: MemoryBrokers;
  readonly folder: string;
  readonly keys: Keys;
  readonly commands: number;
  readonly inFlight: number;
  readonly withStore: boolean;
}

/** Each alone in this process, so that its CPU is its own; brokers, and what a client of theirs costs, are not in it. */
async function readers({ world, brokers, folder, keys, commands, inFlight, withStore }: Readers): Promise<Figure[]> {
  const cpu = async (name: string, what: string, work: () => Promise<unknown>): Promise<Figure> => {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    const value = Math.round(((user + system) / commands) * 10) / 10;
    return { name: `SIZE.cpu_${name}_${inFlight}`, value, text: `µs of CPU per command: ${what}` };
  };
  const reader = await world.share(world.machine("reader"), brokers.connect());
  const feed = new Feed("demo" as Tenant, createCatalog([]));
  const follow = await cpu("feed", "a gateway that reads what others have said", async () => {
    const following = reader.follow((entries) => entries.forEach(feed.fold));
    await following.caughtUp();
    await following.close();
  });
  const machine = world.machine("store");
  const archive = await world.archive(machine, brokers.connect());
  const copy = await cpu("archive", "the archive judges and writes", async () => {
    await archive.head();
    await archive.journal.drained();
  });
  const per = (name: string, sum: number, what: string): Figure => {
    return { name: `SIZE.${name}_${inFlight}`, value: Math.round(sum / commands), text: what };
  };
  const figures = [
    follow,
    copy,
    per("archive", sizeOf(join(machine.folder, "log")), "bytes per command in the archive"),
  ];
  if (!withStore) return figures;
  let store = 0;
  const project = await cpu("store", "the projector, the engine and its merges", async () => {
    store = await storeBytes(folder, archive, keys);
  });
  return [...figures, per("store", store, "bytes per command in the store, merged"), project];
}

function counted(bus: ReturnType<MemoryBrokers["connect"]>, wire: Wire) {
  const send = bus.send.bind(bus);
  bus.send = (messages) => {
    for (const { value } of messages) {
      wire.bytes += value.byteLength;
      wire.messages += 1;
    }
    return send(messages);
  };
  return bus;
}

async function storeBytes(folder: string, archive: ArchivedLog, keys: Keys): Promise<number> {
  const store = await openConfiguredStore({ data: folder, tenant: "demo" }, (position) => encodePosition(position));
  const appender = { append: () => 0 };
  const parts = { keys, blobs: openBlobs(folder), tenant: "demo", now: Date.now, wait: (ms: number) => sleep(ms) };
  const projector = await runProjector({ ...parts, log: archive, appender, store });
  await projector.caughtUp;
  await projector.close();
  await store.close();
  const engine = openEngine({ connection: await openChdb(join(folder, "store")) });
  try {
    const tables = await engine.ask<{ name: string }>(
      "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'",
    );
    for (const { name } of tables) await engine.command(`OPTIMIZE TABLE ${name} FINAL`);
    const [sum] = await engine.ask<{ bytes: string }>(
      "SELECT toString(sum(bytes_on_disk)) AS bytes FROM system.parts WHERE active AND database = currentDatabase()",
    );
    return Number(sum?.bytes ?? 0);
  } finally {
    await engine.close();
  }
}

/** Of what the files say, without the space that is kept for a full disk. */
function sizeOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.includes("reserve"))
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
