/** A courier by itself: patience, order, what does not fit into memory, and a cursor that fits no log. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { openCursor } from "../../infra/alerts/cursor.ts";
import type { Entry } from "../../infra/log/entry.ts";
import type { Following } from "../../infra/log/log.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { Alarm, alertsAfter } from "../../services/api/alerts.ts";
import { Courier, type CourierParts, type Message } from "../../services/api/courier.ts";
import { Raised } from "../../services/api/raised.ts";
import { memoryLog } from "../store/memory-log.ts";

const message = (n: number): Message => ({
  position: String(n).padStart(4, "0"),
  atMs: n,
  alert: { alert: `a${n}`, kind: "log.gap", level: "high", title: "t", sentence: "s", about: "x" },
});

async function courierWith(parts: Partial<CourierParts>) {
  const log = memoryLog(() => 0);
  const sent: string[] = [];
  const faults: unknown[] = [];
  const pauses: number[] = [];
  const cursor = {
    position: null as string | null,
    move(position: string) {
      cursor.position = position;
    },
  };
  const courier = new Courier({
    name: "soc",
    send: async ({ alert }) => void sent.push(alert.alert),
    cursor,
    readAfter: async () => [],
    appender: await log.appender("api", "test"),
    now: () => 0,
    wait: async (ms) => void pauses.push(ms),
    fault: (error) => faults.push(error),
    ...parts,
  });
  return { courier, sent, cursor, faults, pauses };
}

test("a receiver is asked again after longer and longer pauses, at last every ten minutes, for days", async () => {
  let tries = 0;
  const send = async () => {
    tries += 1;
    if (tries <= 500) throw new ThroughlineError("alert.undelivered", "no");
  };
  const { courier, pauses, cursor } = await courierWith({ send });
  courier.begin("0000");
  courier.take(message(1));
  while (cursor.position !== "0001") await turn();
  assert.deepEqual(pauses.slice(0, 7), [500, 2_000, 8_000, 30_000, 120_000, 600_000, 600_000]);
  assert.equal(pauses.length, 500);
  assert.ok(pauses.reduce((sum, ms) => sum + ms, 0) > 3 * 24 * 3_600_000);
});

test("what does not fit into memory is read from the log again: all of it, in order, once", async () => {
  const all = Array.from({ length: 40 }, (_, n) => message(n + 1));
  let raised = 0;
  let open = false;
  const readAfter = async (position: string, max: number) => {
    const found = all.slice(0, raised).filter((one) => one.position > position);
    return found.slice(0, max);
  };
  const sent: string[] = [];
  const send = async ({ alert }: Message) => {
    while (!open) await turn();
    sent.push(alert.alert);
  };
  const { courier, cursor } = await courierWith({ send, readAfter, waitingMax: 3 });
  courier.begin("0000");
  for (const one of all) {
    raised += 1;
    courier.take(one);
    if (raised === 20) open = true;
    if (raised > 20) await turn();
  }
  while (cursor.position !== "0040") await turn();
  assert.deepEqual(
    sent,
    all.map(({ alert }) => alert.alert),
  );
});

test("an alert that comes as the last one was settled is not forgotten", async () => {
  const { courier, sent, cursor } = await courierWith({});
  courier.begin("0000");
  for (let n = 1; n <= 50; n += 1) {
    courier.take(message(n));
    for (let turns = 0; turns < n % 5; turns += 1) await Promise.resolve();
  }
  while (cursor.position !== "0050") await turn();
  assert.equal(sent.length, 50);
});

test("a cursor of another log is said, and the receiver goes on from the end of this one", async () => {
  const moved: string[] = [];
  const cursor = { position: "0900", move: (position: string) => void moved.push(position) };
  const { courier, faults } = await courierWith({ cursor });
  courier.begin("0005");
  assert.deepEqual(moved, ["0005"]);
  assert.match(String(faults[0]), /is not in this log/);
});

test("a cursor that cannot be written is tried again after a pause: nothing is sent twice, what waits behind it goes on", async () => {
  let refusals = 3;
  const cursor = {
    position: "0000" as string | null,
    move(position: string) {
      refusals -= 1;
      if (refusals >= 0) throw new Error("no space left on device");
      cursor.position = position;
    },
  };
  const { courier, sent, faults } = await courierWith({ cursor });
  courier.take(message(1));
  courier.take(message(2));
  courier.begin("0002");
  for (let turns = 0; turns < 100; turns += 1) await turn();
  assert.deepEqual(sent, ["a1", "a2"]);
  assert.equal(cursor.position, "0002");
  assert.equal(faults.length, 3);
});

test("a new receiver begins on a disk that takes no cursor", async () => {
  let full = true;
  const cursor = {
    position: null as string | null,
    move(position: string) {
      if (full) throw new Error("no space left on device");
      cursor.position = position;
    },
  };
  const { courier, sent, faults } = await courierWith({ cursor });
  courier.begin("0002");
  assert.equal(faults.length, 1);
  full = false;
  courier.take(message(3));
  while (cursor.position !== "0003") await turn();
  assert.deepEqual(sent, ["a3"]);
});

test("a log that cannot be read for a moment stops nothing for good", async () => {
  const all = [1, 2, 3, 4].map(message);
  let broken = 1;
  const readAfter = async (position: string) => {
    broken -= 1;
    if (broken >= 0) throw new ThroughlineError("log.lost_connection", "away");
    return all.filter((one) => one.position > position);
  };
  const { courier, sent, cursor } = await courierWith({ readAfter, waitingMax: 2 });
  courier.begin("0000");
  for (const one of all) courier.take(one);
  for (let turns = 0; turns < 100; turns += 1) await turn();
  assert.equal(cursor.position, "0004");
  assert.deepEqual(sent, ["a1", "a2", "a3", "a4"]);
});

test("it closes while it reads from a log whose owner is away", async () => {
  const silent: Following = {
    caughtUp: new Promise(() => {}),
    ended: new Promise(() => {}),
    close: async () => {},
  };
  const log = { ...memoryLog(() => 0), follow: () => silent };
  const { courier } = await courierWith({
    readAfter: (position, max, signal) => alertsAfter(log, position, max, signal),
    waitingMax: 1,
  });
  courier.begin("0000");
  for (const one of [1, 2].map(message)) courier.take(one);
  while (courier.status.waiting > 0) await turn();
  const isClosed = await Promise.race([courier.close().then(() => true), later(false)]);
  assert.equal(isClosed, true);
});

test("an alert that the log does not take now stays due, and ends nothing", async () => {
  const raised = new Raised();
  const gap = { source: "gateway/one", stream: "steps", from: "1", until: "2", count: 2, reason: "r" };
  for (const id of ["e1", "e2"])
    raised.fold({
      type: "log.gap",
      id,
      atMs: 1,
      source: "projector/one",
      role: "projector",
      subject: {},
      data: gap,
    } as Entry);
  const log = memoryLog(() => 0);
  const real = await log.appender("api", "test");
  let refusals = 1;
  const append: typeof real.append = (draft) => {
    refusals -= 1;
    if (refusals >= 0) throw new ThroughlineError("log.full", "The disk of the log is full");
    return real.append(draft);
  };
  const alarm = new Alarm({ raised, appender: { ...real, append }, couriers: [], encode: String });
  alarm.ring(null);
  assert.equal(log.records.length, 0);
  alarm.ring(null);
  alarm.ring(null);
  assert.deepEqual(
    log.records.map(({ type }) => type),
    ["alert.raised", "alert.raised"],
  );
});

/** After more turns than anything here takes that does not wait. */
async function later<T>(value: T): Promise<T> {
  for (let turns = 0; turns < 100; turns += 1) await turn();
  return value;
}

test("a cursor on disk is whole, its owner's only, and refuses to be guessed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "throughline-cursor-"));
  try {
    const cursor = openCursor(folder, "soc");
    assert.equal(cursor.position, null);
    cursor.move("0000000000000007");
    assert.equal(openCursor(folder, "soc").position, "0000000000000007");
    assert.deepEqual(await readdir(join(folder, "alerts")), ["soc.json"]);
    assert.match(await readFile(join(folder, "alerts", "soc.json"), "utf8"), /"receiver":"soc"/);
    await writeFile(join(folder, "alerts", "soc.json"), "{");
    assert.throws(() => openCursor(folder, "soc"), { code: "config.unreadable" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
