/** Whoever may write to the topics, or holds one gateway, cannot break, stall or fill the copy that everybody reads. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { sharedWorld } from "../log/shared-world.ts";
import { all, intended, masked } from "../log/world.ts";
import { type Forged, forged } from "./forge.ts";

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function stage(t: TestContext) {
  const here = sharedWorld(["one", "two", "evil"]);
  t.after(here.end);
  const brokers = new MemoryBrokers(Date.now);
  const machine = here.machine("two");
  const log = await here.archive(machine, brokers.connect());
  const bus = brokers.connect();
  const put = (topic: "steps" | "events", partition: number, value: Buffer) =>
    bus.send([{ topic: `tl.demo.${topic}`, partition, key: "", value }]);
  const say = (topic: "steps" | "events", partition: number, what: Forged) => put(topic, partition, forged(here, what));
  return { here, brokers, machine, log, put, say };
}

const checkpoint = (upTo: number) => ({
  type: "log.checkpoint" as const,
  subject: {},
  data: { chain: "source" as const, stream: "steps", upTo: String(upTo), head: "00", key: "k", signature: "s" },
});

describe("the archive", () => {
  it("writes a pack once that somebody copies into every partition", async (t) => {
    const { here, log, put } = await stage(t);
    const drafts = [masked("a"), masked("b"), masked("c"), masked("d")];
    const value = forged(here, { source: "gateway/one", stream: "events", first: 1, drafts });
    await Promise.all([put("events", 0, value), put("events", 1, value)]);
    await log.archive.caughtUp();
    const found = (await all(log)).filter(({ type }) => type === "output.masked");
    assert.deepEqual(
      found.map(({ sequence }) => sequence),
      [1, 2, 3, 4],
    );
  });

  it("writes it once when one copy waits for the steps that it signs", async (t) => {
    const { here, log, put } = await stage(t);
    const value = forged(here, { source: "gateway/one", stream: "events", first: 1, drafts: [checkpoint(1)] });
    await Promise.all([put("events", 0, value), put("events", 1, value)]);
    await put("steps", 0, forged(here, { source: "gateway/one", stream: "steps", first: 1, drafts: [intended("a")] }));
    await log.archive.caughtUp();
    const found = (await all(log, true)).filter(
      ({ source, stream }) => source === "gateway/one" && stream === "events",
    );
    assert.deepEqual(
      found.map(({ sequence }) => sequence),
      [1],
    );
  });

  it("is not sent round and round by what ends a hole and is refused", async (t) => {
    const { log, say } = await stage(t);
    const about = { source: "gateway/evil", stream: "steps" as const };
    await say("steps", 0, { ...about, first: 2, drafts: [intended("b")] });
    await until(() => log.archive.holes.length === 1);
    const other = (part: Buffer) => Buffer.from(part.toString("latin1").replace('"id":"g', '"id":"G'), "latin1");
    await say("steps", 0, { ...about, first: 1, drafts: [intended("a")], spoil: other });
    await say("steps", 0, { source: "gateway/one", stream: "steps", first: 1, drafts: [intended("honest")] });
    await log.archive.caughtUp();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const types = (await all(log)).map(({ type }) => type);
    assert.equal(types.filter((type) => type === "log.gap").length, 1);
    assert.equal(types.filter((type) => type === "log.refused").length, 1);
    assert.equal(types.filter((type) => type === "command.intended").length, 1);
  });

  it("waits once for steps that never come, not for every head that signs them", async (t) => {
    const { log, say } = await stage(t);
    const drafts = Array.from({ length: 50 }, (_, index) => checkpoint(1_000_000 + index));
    await say("events", 0, { source: "gateway/evil", stream: "events", first: 1, drafts });
    await say("events", 0, { source: "gateway/one", stream: "events", first: 1, drafts: [masked("honest")] });
    // Fifty waits are a hundred seconds; nothing here is measured closer than that.
    const since = process.hrtime.bigint();
    await log.archive.caughtUp();
    assert.ok(Number(process.hrtime.bigint() - since) / 1e9 < 60);
  });
});
