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
import type { TaskId } from "../../schemas/identity.ts";
import { runProjector } from "../../services/projector/project.ts";
import { seeded } from "../correlator/dice.ts";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { sharedWorld } from "../log/shared-world.ts";
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
  const world = sharedWorld(["gw", "store"]);
  const folder = mkdtempSync(join(tmpdir(), "throughline-sizing-"));
  const wire: Record<string, Wire> = {};
  try {
    const brokers = new MemoryBrokers(Date.now);
    const machines = { gateway: world.machine("gw"), store: world.machine("store") };
    const bus = counted(brokers.connect(), wire);
    const archive = await world.archive(machines.store, brokers.connect());
    const shared = await world.share(machines.gateway, bus);
    const keys = await openKeys(folder);
    const say = await shared.appender("gateway", "gw");
    const work = new Work(keys, say);
    for (let done = 0; done < commands; done += inFlight) {
      for (let index = 0; index < inFlight; index += 1) await work.next();
      await shared.spool.drained();
    }
    await shared.shipped();
    await heard(archive, shared.spool.lanesOf(say.source).steps.sequence, say.source);
    const spool = sizeOf(join(machines.gateway.folder, "spool"));
    const log = sizeOf(join(machines.store.folder, "log"));
    const store = withStore ? await storeBytes(folder, archive, keys) : null;
    const total = Object.values(wire).reduce(
      (sum, { bytes, messages }) => ({ bytes: sum.bytes + bytes, messages: sum.messages + messages }),
      { bytes: 0, messages: 0 },
    );
    const kafka = total.bytes + total.messages * brokerBytesPerMessage;
    const figure = (name: string, bytes: number, text: string) => ({
      name: `SIZE.${name}_${inFlight}`,
      value: Math.round(bytes / commands),
      text,
    });
    const steps = wire["tl.demo.steps"] ?? { bytes: 0, messages: 0 };
    return [
      figure("spool", spool, `bytes per command in the spool, ${inFlight} in flight, ${commands} commands`),
      figure(
        "kafka",
        kafka,
        `bytes per command in the shared log, one replica, both topics, ${total.messages} messages`,
      ),
      figure("steps", steps.bytes + steps.messages * brokerBytesPerMessage, "of these in the steps topic"),
      figure("archive", log, "bytes per command in the archive"),
      ...(store === null ? [] : [figure("store", store, "bytes per command in the store, merged")]),
    ];
  } finally {
    await world.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

function counted(bus: ReturnType<MemoryBrokers["connect"]>, wire: Record<string, Wire>) {
  const send = bus.send.bind(bus);
  bus.send = (messages) => {
    for (const { topic, value } of messages) {
      wire[topic] ??= { bytes: 0, messages: 0 };
      wire[topic].bytes += value.byteLength;
      wire[topic].messages += 1;
    }
    return send(messages);
  };
  return bus;
}

async function heard({ journal }: ArchivedLog, sequence: number, source: string): Promise<void> {
  while (journal.lanesOf(source).steps.sequence < sequence) await sleep(20);
  await journal.drained();
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
