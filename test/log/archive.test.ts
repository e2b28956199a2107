/** The copy of the shared log while it stops, starts again and goes back to what had been missing: nothing is left out. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus, Inbound } from "../../infra/log/bus.ts";
import type { ArchivedLog } from "../../infra/log/shared-log.ts";
import { MemoryBrokers, type MemoryBus } from "./memory-bus.ts";
import { type SharedWorld, sharedWorld } from "./shared-world.ts";
import { all, intended, lifted, read } from "./world.ts";

async function until(is: () => boolean): Promise<void> {
  while (!is()) await sleep(5);
}

type Deliver = (messages: readonly Inbound[]) => void | Promise<void>;

/** A bus whose deliveries pass through the test. */
function through(
  bus: MemoryBus,
  pass: (topic: string, messages: readonly Inbound[], deliver: Deliver) => unknown,
): Bus {
  return {
    prepare: (topics) => bus.prepare(topics),
    send: (messages) => bus.send(messages),
    bounds: (topic, partition) => bus.bounds(topic, partition),
    tail: (topic, partition, from, deliver) =>
      bus.tail(topic, partition, from, (messages) => pass(topic, messages, deliver)),
    get state() {
      return bus.state;
    },
    onState: (listener) => bus.onState(listener),
    close: () => bus.close(),
  };
}

/** What a source says piece by piece, as it stands in the topic; the topic is empty afterwards. */
async function packsOf(here: SharedWorld, brokers: MemoryBrokers, stream: "steps" | "events"): Promise<Buffer[]> {
  const shared = await here.share(here.machine("one"), brokers.connect());
  const appender = await shared.appender(stream === "steps" ? "gateway" : "api", "one");
  for (const name of ["a", "b", "c"]) {
    appender.append(stream === "steps" ? intended(name) : read(name));
    await shared.shipped();
  }
  await shared.close();
  const places = [brokers.partition(`tl.demo.${stream}`, 0)!, brokers.partition(`tl.demo.${stream}`, 1)];
  const messages = places.flatMap((place) => place?.messages.splice(0) ?? []);
  return messages.filter(({ key }) => key === (stream === "steps" ? "demo" : "api/one")).map(({ value }) => value);
}

const saidBy = async (log: ArchivedLog, source: string, type: string) =>
  (await all(log)).filter((record) => record.source === source && record.type === type).length;

it("reads again at the next start what it was waiting with when it was closed", async (t) => {
  const here = sharedWorld(["one", "two"]);
  t.after(here.end);
  const brokers = new MemoryBrokers(Date.now);
  const shared = await here.share(here.machine("one"), brokers.connect());
  const api = await shared.appender("api", "one");
  api.append(lifted("signed soon"));
  const isHead = ({ key }: Inbound) => key === "api/one";
  await until(() => [0, 1].some((place) => brokers.partition("tl.demo.events", place)!.messages.some(isHead)));
  await shared.shipped();
  const machine = here.machine("two");
  const [taking, closing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  // The signed head comes, the step that it signs does not: the archive waits with the head.
  const bus = through(brokers.connect(), async (topic, messages, deliver) => {
    if (topic.endsWith(".steps")) await closing.promise;
    const taken = deliver(messages);
    if (messages.some(isHead)) taking.resolve();
    await taken;
  });
  const first = await here.archive(machine, bus);
  await taking.promise;
  const closed = first.archive.close();
  closing.resolve();
  await closed;
  await first.close();
  api.append(read("after it"));
  await shared.shipped();
  const again = await here.archive(machine, brokers.connect());
  await again.archive.caughtUp();
  assert.deepEqual(again.archive.holes, []);
  assert.equal(await saidBy(again, "api/one", "audit.read"), 1);
});

it("has not caught up before it has read again what stood behind a hole", async (t) => {
  const here = sharedWorld(["one", "two"]);
  t.after(here.end);
  const brokers = new MemoryBrokers(Date.now);
  const packs = await packsOf(here, brokers, "steps");
  const sender = brokers.connect();
  const put = (index: number) =>
    sender.send([{ topic: "tl.demo.steps", partition: 0, key: "demo", value: packs[index]! }]);
  await put(0);
  await put(2);
  const free = Promise.withResolvers<void>();
  let mended = false;
  const bus = through(brokers.connect(), async (topic, messages, deliver) => {
    if (topic.endsWith(".steps") && mended) await free.promise;
    mended ||= messages.some(({ value }) => value.equals(packs[1]!));
    await deliver(messages);
  });
  const reader = await here.archive(here.machine("two"), bus);
  await until(() => reader.archive.holes.length === 1);
  await put(1);
  const lane = reader.journal.lanesOf("gateway/one").steps;
  const reached = reader.archive.caughtUp().then(() => lane.sequence);
  // It may not be through before what follows the hole is let in.
  await Promise.race([reached, until(() => mended && reader.archive.holes.length === 0).then(() => sleep(50))]);
  free.resolve();
  assert.equal(await reached, 3);
});

it("goes back in the partition where something was missing, wherever that came in the end", async (t) => {
  const here = sharedWorld(["one", "two"]);
  t.after(here.end);
  const brokers = new MemoryBrokers(Date.now);
  const packs = await packsOf(here, brokers, "events");
  const bus = brokers.connect();
  const put = (partition: number, value: Buffer) =>
    bus.send([{ topic: "tl.demo.events", partition, key: "api/one", value }]);
  for (let i = 0; i < 3; i++) await put(0, Buffer.from("nonsense"));
  await put(0, packs[0]!);
  for (const value of packs.slice(2)) await put(0, value);
  const reader = await here.archive(here.machine("two"), brokers.connect());
  await until(() => reader.archive.holes.length === 1);
  await put(1, packs[1]!);
  await until(() => reader.archive.holes.length === 0);
  await reader.archive.caughtUp();
  assert.equal(await saidBy(reader, "api/one", "audit.read"), 3);
  assert.deepEqual(here.fatal, []);
});

it("is closed in peace while the brokers are away since its start", async (t) => {
  const here = sharedWorld(["two"]);
  t.after(here.end);
  const memory = new MemoryBrokers(Date.now).connect();
  const bus: Bus = {
    ...through(memory, (_, messages, deliver) => deliver(messages)),
    async prepare(topics) {
      await memory.prepare(topics);
      memory.cut();
    },
  };
  const reader = await here.archive(here.machine("two"), bus);
  // That what it said itself did not get out is another matter.
  await reader.close().catch(() => {});
  await bus.close();
  await sleep(0);
  assert.deepEqual(here.fatal, []);
});
