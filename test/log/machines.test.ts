import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { openJournal } from "../../infra/log/journal.ts";
import { Shipper } from "../../infra/log/shipper.ts";
import { topicNeeds, topicsOf } from "../../infra/log/topics.ts";
import { logContract } from "./contract.ts";
import { MemoryBrokers } from "./memory-bus.ts";
import { sharedWorld } from "./shared-world.ts";
import { all, intended, lifted, read } from "./world.ts";

logContract("the shared log with an archive", async () => {
  const here = sharedWorld(["one"]);
  const brokers = new MemoryBrokers(Date.now);
  const machine = here.machine("one");
  const bus = brokers.connect();
  let log = await here.archive(machine, bus);
  const reopen = async () => {
    await log.close();
    log = await here.archive(machine, bus);
    return log;
  };
  return { log, role: "api", name: "one", ordersStreams: false, reopen, end: here.end };
});

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function followed(here: ReturnType<typeof sharedWorld>, shared: Awaited<ReturnType<typeof here.share>>): Entry[] {
  const entries: Entry[] = [];
  const following = shared.follow((more) => void entries.push(...more));
  here.defer(() => following.close());
  return entries;
}

const ids = (entries: readonly Entry[]) => entries.map(({ id }) => id);

describe("the shared log", () => {
  it("gives every machine the same steps in the same order at the same times", async (t) => {
    const here = sharedWorld(["one", "two"]);
    t.after(here.end);
    const brokers = new MemoryBrokers(Date.now);
    const [one, two] = [
      await here.share(here.machine("one"), brokers.connect()),
      await here.share(here.machine("two"), brokers.connect()),
    ];
    const [a, b] = [followed(here, one), followed(here, two)];
    const [left, right] = [await one.appender("gateway", "one"), await two.appender("gateway", "two")];
    for (let i = 0; i < 50; i++) {
      left.append(intended(`l${i}`));
      right.append(intended(`r${i}`));
      if (i % 7 === 0) await one.shipped();
    }
    await Promise.all([one.shipped(), two.shipped()]);
    await until(() => a.length === 100 && b.length === 100);
    assert.deepEqual(a, b);
    assert.deepEqual(
      ids(a).filter((id) => id.startsWith("gateway/one")),
      [...ids(a).filter((id) => id.startsWith("gateway/one"))].sort(),
    );
  });

  it("loses nothing and shows nothing twice when acknowledgements are lost and machines die", async (t) => {
    const here = sharedWorld(["one", "two"]);
    t.after(here.end);
    const brokers = new MemoryBrokers(Date.now);
    const machine = here.machine("one");
    const reader = await here.archive(here.machine("two"), brokers.connect());
    const steps = followed(here, reader.shared);
    for (let round = 0; round < 5; round++) {
      const bus = brokers.connect();
      const shared = await here.share(machine, bus);
      const appender = await shared.appender("gateway", "one");
      bus.dropAcks(2);
      for (let i = 0; i < 20; i++) appender.append(intended(`${round}-${i}`));
      await appender.synced(20);
      // Dies before it is shipped in odd rounds: the spool keeps it.
      if (round % 2 === 0) await shared.shipped();
      else bus.cut();
      await shared.close().catch(() => {});
    }
    const last = await here.share(machine, brokers.connect());
    await last.shipped();
    await until(() => steps.length >= 100);
    assert.equal(steps.length, 100);
    assert.equal(new Set(ids(steps)).size, 100);
    const kept = (await all(reader)).filter((record) => record.type === "command.intended");
    assert.deepEqual(
      kept.map(({ sequence }) => sequence),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
  });

  it("has after a restart what is said in one stream, though nothing is said in the other", {
    timeout: 10_000,
  }, async (t) => {
    const here = sharedWorld(["one"]);
    t.after(here.end);
    const brokers = new MemoryBrokers(Date.now);
    const machine = here.machine("one");
    for (const draft of [lifted("before"), read("after")]) {
      const shared = await here.share(machine, brokers.connect());
      const appender = await shared.sharedAppender("api", "one");
      await appender.synced(appender.append(draft));
      await shared.close();
    }
  });

  it("writes an outage down, and the archive's writer signs the order of the steps", async (t) => {
    const here = sharedWorld(["one", "two"]);
    t.after(here.end);
    const brokers = new MemoryBrokers(Date.now);
    const bus = brokers.connect();
    const shared = await here.share(here.machine("one"), bus);
    const reader = await here.archive(here.machine("two"), brokers.connect());
    const appender = await shared.appender("gateway", "one");
    bus.cut("the cable");
    appender.append(intended("while away"));
    await until(() => shared.shipper.failingSince !== null);
    assert.equal(shared.shipper.acknowledged("gateway/one").steps, 0);
    bus.mend();
    await shared.shipped();
    assert.equal(shared.shipper.acknowledged("gateway/one").steps, 1);
    await until(() => shared.shipper.failingSince === null);
    await shared.shipped();
    const types = (await all(reader)).map(({ source, type }) => `${source} ${type}`);
    assert.ok(types.includes("log/one sink.failed"));
    assert.ok(types.includes("log/one sink.recovered"));
  });

  it("refuses who has no key, a changed byte, and what a role may not say", async (t) => {
    const here = sharedWorld(["one", "two"]);
    const forger = sharedWorld(["one"]);
    t.after(async () => {
      await here.end();
      await forger.end();
    });
    const brokers = new MemoryBrokers(Date.now);
    const shared = await here.share(here.machine("two"), brokers.connect());
    const steps = followed(here, shared);
    // Another key under a known name.
    const forged = await forger.share(forger.machine("one"), brokers.connect());
    const api = await forged.appender("api", "one");
    api.append(lifted("the block"));
    await forged.shipped();
    const bus = brokers.connect();
    const { messages } = brokers.partition("tl.demo.steps", 0)!;
    const value = Buffer.from(messages[0]!.value);
    value[value.length - 5]! ^= 1;
    await bus.send([{ topic: "tl.demo.steps", partition: 0, key: "demo", value }]);
    await bus.send([{ topic: "tl.demo.steps", partition: 0, key: "demo", value: Buffer.from("nonsense") }]);
    const honest = await here.share(here.machine("one"), brokers.connect());
    (await honest.appender("api", "one")).append(lifted("honest"));
    await honest.shipped();
    await until(() => steps.length > 0);
    assert.deepEqual(
      steps.map((entry) => entry.type === "block.lifted" && entry.data.block),
      ["honest"],
    );
    assert.equal(here.faults.length, 3);
  });

  it("waits in the archive for what is missing, says so, and goes on when it comes", async (t) => {
    const here = sharedWorld(["one", "two"]);
    t.after(here.end);
    const brokers = new MemoryBrokers(Date.now);
    const shared = await here.share(here.machine("one"), brokers.connect());
    const appender = await shared.appender("gateway", "one");
    const packs: { readonly value: Buffer }[] = [];
    for (const name of ["a", "b", "c"]) {
      appender.append(intended(name));
      await shared.shipped();
    }
    const { messages } = brokers.partition("tl.demo.steps", 0)!;
    packs.push(...messages.splice(0));
    const bus = brokers.connect();
    const put = (index: number) =>
      bus.send([{ topic: "tl.demo.steps", partition: 0, key: "demo", value: packs[index]!.value }]);
    await put(0);
    await put(2);
    const reader = await here.archive(here.machine("two"), brokers.connect());
    const found = async (type: string) => (await all(reader)).filter((record) => record.type === type);
    await until(() => reader.archive.holes.length === 1);
    assert.equal((await found("command.intended")).length, 1);
    assert.equal((await found("log.gap")).length, 1);
    await put(1);
    await until(() => reader.archive.holes.length === 0);
    while ((await found("command.intended")).length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(
      (await found("command.intended")).map(({ envelope }) => envelope.command),
      ["a", "b", "c"],
    );
    assert.equal((await found("log.gap")).length, 1);
  });

  it("shows a tenant nothing of another's, even in its own topic", async (t) => {
    const here = sharedWorld(["one"], "demo");
    const other = sharedWorld(["one"], "other");
    t.after(async () => {
      await here.end();
      await other.end();
    });
    const brokers = new MemoryBrokers(Date.now);
    const mine = await here.archive(here.machine("one"), brokers.connect());
    const theirs = await other.share(other.machine("one"), brokers.connect());
    (await theirs.appender("api", "one")).append(lifted("theirs"));
    (await theirs.appender("api", "one")).append(read("theirs"));
    await theirs.shipped();
    const bus = brokers.connect();
    for (const { value } of [...brokers.partition("tl.other.steps", 0)!.messages])
      await bus.send([{ topic: "tl.demo.steps", partition: 0, key: "demo", value }]);
    await mine.archive.caughtUp();
    const types = (await all(mine)).map(({ type }) => type);
    assert.ok(!types.includes("block.lifted") && !types.includes("audit.read"), types.join());
    assert.ok(types.includes("log.refused"));
  });
});

describe("a spool", () => {
  it("loses the segments that the shared log has, but for the newest, and goes on after a restart", async (t) => {
    const here = sharedWorld(["one"]);
    t.after(here.end);
    const brokers = new MemoryBrokers(Date.now);
    const machine = here.machine("one");
    const folder = join(machine.folder, "spool");
    const options = { folder: machine.folder, place: "spool", tenant: "demo", name: "one", now: Date.now } as const;
    const topics = topicsOf({ tenant: "demo", prefix: "tl", eventPartitions: 1 });
    const bus = brokers.connect();
    await bus.prepare(topicNeeds(topics, { replicas: 1, minInSync: 1, retentionMs: -1 }));
    const open = async () => {
      const { sources } = here;
      const spool = await openJournal({
        ...options,
        sources,
        fatal: (error) => here.fatal.push(error),
        limits: { segmentBytesMax: 8_192 },
      });
      const appender = await spool.appender("gateway", "one");
      const speaker = await spool.appender("log", "one");
      const about = {
        bus,
        topics,
        tenant: "demo",
        keyOf: sources.privateKey,
        file: join(folder, "shipped"),
        now: Date.now,
      };
      return { spool, appender, shipper: new Shipper({ ...about, spool, appender: speaker, keepSegments: 2 }) };
    };
    const say = async ({ appender, shipper }: Awaited<ReturnType<typeof open>>, count: number) => {
      for (let i = 0; i < count; i++) await appender.synced(appender.append(intended(`${i}`)));
      const said = Number(appender.nextId("steps").split("/").at(-1)) - 1;
      await until(() => shipper.acknowledged("gateway/one").steps >= said);
    };
    const segments = () => readdirSync(folder).filter((name) => name.endsWith(".log"));
    const first = await open();
    await say(first, 60);
    await first.shipper.close();
    await first.spool.close();
    assert.ok(segments().length <= 3 && !segments().includes("0000000000000001.log"), segments().join());
    const again = await open();
    await say(again, 10);
    await again.shipper.close();
    await again.spool.close();
    assert.deepEqual(here.fatal, []);
  });
});
