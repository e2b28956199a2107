/** The brokers in memory keep the contract of the bus, and what only they offer to tests works. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ThroughlineError } from "../../schemas/errors.ts";
import { busContract, listener } from "./bus-contract.ts";
import { MemoryBrokers, type MemoryBus } from "./memory-bus.ts";

busContract("the memory", async () => {
  const brokers = new MemoryBrokers(Date.now);
  const buses: MemoryBus[] = [];
  return {
    connect() {
      const bus = brokers.connect();
      buses.push(bus);
      return bus;
    },
    async crash(whileAway) {
      for (const bus of buses) bus.cut("crashed");
      await whileAway();
      for (const bus of buses) bus.mend();
    },
    async trim(topic, partition, offset) {
      brokers.trim(topic, partition, offset);
    },
    async end() {
      for (const bus of buses) await bus.close();
    },
  };
});

const need = { topic: "t", partitions: 1, replicas: 1, minInSync: 1, retentionMs: -1 };
const message = (value: string) => ({ topic: "t", partition: 0, key: "k", value: Buffer.from(value) });

test("an acknowledgement that is lost leaves the message in the log, and a delivery that is held comes later", async () => {
  let nowMs = 1_000;
  const brokers = new MemoryBrokers(() => nowMs);
  const bus = brokers.connect();
  await bus.prepare([need]);
  const all = listener();
  bus.tail("t", 0, 0, all.deliver);
  bus.hold();
  bus.dropAcks(1);
  await assert.rejects(bus.send([message("a")]), ThroughlineError);
  nowMs = 2_000;
  await bus.send([message("a")]);
  assert.equal(all.heard.length, 0);
  bus.release();
  await all.until(2);
  assert.deepEqual(
    all.heard.map(({ atMs, value }) => [atMs, value.toString()]),
    [
      [1_000, "a"],
      [2_000, "a"],
    ],
  );
  await bus.close();
});

test("a tail that has read what the brokers then forget says so", async () => {
  const brokers = new MemoryBrokers(() => 1);
  const bus = brokers.connect();
  await bus.prepare([need]);
  const all = listener();
  const tail = bus.tail("t", 0, 0, all.deliver);
  await bus.send([message("a"), message("b")]);
  await all.until(2);
  brokers.forget("t", 0, 1);
  await assert.rejects(tail.ended, { code: "log.damaged" });
  await bus.close();
});
