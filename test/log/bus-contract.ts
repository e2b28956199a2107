/** What every implementation of Bus promises; run over the brokers in memory and over a real Kafka. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Bus, BusState, Inbound, TopicNeed } from "../../infra/log/bus.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

export interface BusWorld {
  /** A bus as another process would have it. */
  connect(): Bus;
  /** The brokers die without a warning, `whileAway` runs, and they come back with what they acknowledged. */
  crash(whileAway: () => Promise<void>): Promise<void>;
  /** The messages before `offset` are gone, as after a retention that was too short. */
  trim(topic: string, partition: number, offset: number): Promise<void>;
  end(): Promise<void>;
}

const text = (message: Inbound): string => message.value.toString();

/** Keeps what a tail delivers and lets a test wait for a number of messages. */
export function listener() {
  const heard: Inbound[] = [];
  let waiting: { count: number; resolve: () => void }[] = [];
  return {
    heard,
    deliver(messages: readonly Inbound[]): void {
      heard.push(...messages);
      for (const { count, resolve } of waiting) if (heard.length >= count) resolve();
      waiting = waiting.filter(({ count }) => heard.length < count);
    },
    until: (count: number) =>
      new Promise<void>((resolve) => (heard.length >= count ? resolve() : waiting.push({ count, resolve }))),
  };
}

function isError(code: string, words: RegExp) {
  return (error: unknown) => error instanceof ThroughlineError && error.code === code && words.test(error.message);
}

export function busContract(name: string, open: () => Promise<BusWorld>): void {
  describe(`${name} keeps the contract of the bus`, () => {
    let world: BusWorld;
    let bus: Bus;
    let need: TopicNeed;
    let topics = 0;
    beforeEach(async () => {
      world = await open();
      bus = world.connect();
      need = {
        topic: `contract.${process.pid}.${topics++}`,
        partitions: 1,
        replicas: 1,
        minInSync: 1,
        retentionMs: -1,
      };
      await bus.prepare([need]);
    });
    afterEach(() => world.end());

    const message = (value: string | Buffer, partition = 0) => ({
      topic: need.topic,
      partition,
      key: "acme",
      value: Buffer.from(value),
    });
    const numbered = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => message(String(from + i)));
    const wholeLog = async (partition = 0): Promise<Inbound[]> => {
      const { first, end } = await bus.bounds(need.topic, partition);
      const all = listener();
      const tail = bus.tail(need.topic, partition, first, all.deliver);
      await all.until(end - first);
      await tail.close();
      return all.heard;
    };

    it("makes a topic once and finds it empty", async () => {
      await bus.prepare([need]);
      await world.connect().prepare([need]);
      assert.deepEqual(await bus.bounds(need.topic, 0), { first: 0, end: 0 });
    });

    it("delivers keys, bytes and the brokers' time in order of appending, offsets without a gap", async () => {
      const startMs = Date.now();
      const all = listener();
      bus.tail(need.topic, 0, 0, all.deliver);
      for (let round = 0; round < 20; round++) await bus.send(numbered(round * 10, 10));
      await all.until(200);
      assert.deepEqual(
        all.heard.map((one) => [one.offset, one.key, text(one)]),
        Array.from({ length: 200 }, (_, i) => [i, "acme", String(i)]),
      );
      const times = all.heard.map(({ atMs }) => atMs);
      assert.ok(times[0]! >= startMs);
      assert.deepEqual(times, times.toSorted());
      assert.deepEqual(await bus.bounds(need.topic, 0), { first: 0, end: 200 });
    });

    it("starts a tail at any offset, and at the end waits for what comes next", async () => {
      await bus.send(numbered(0, 10));
      for (const from of [0, 1, 9, 10]) {
        const all = listener();
        const tail = bus.tail(need.topic, 0, from, all.deliver);
        if (from === 10) await bus.send([message("10")]);
        await all.until(10 - from || 1);
        await tail.close();
        assert.equal(all.heard[0]!.offset, from);
        assert.equal(text(all.heard[0]!), String(from));
      }
    });

    it("gives every tail everything, of this bus and of another", async () => {
      const readers = [bus, bus, world.connect()].map((one) => {
        const all = listener();
        one.tail(need.topic, 0, 0, all.deliver);
        return all;
      });
      for (let i = 0; i < 5; i++) await bus.send(numbered(i * 3, 3));
      for (const all of readers) {
        await all.until(15);
        assert.deepEqual(all.heard.map(text), [...Array(15).keys()].map(String));
      }
    });

    it("keeps partitions apart", async () => {
      need = { ...need, topic: `${need.topic}.wide`, partitions: 3 };
      await bus.prepare([need]);
      const readers = [0, 1, 2].map((partition) => {
        const all = listener();
        bus.tail(need.topic, partition, 0, all.deliver);
        return all;
      });
      await bus.send(Array.from({ length: 30 }, (_, i) => message(String(i), i % 3)));
      for (const [partition, all] of readers.entries()) {
        await all.until(10);
        assert.deepEqual(
          all.heard.map(text),
          Array.from({ length: 10 }, (_, i) => String(i * 3 + partition)),
        );
      }
    });

    it("waits for the consumer before it delivers more", async () => {
      const deliveries: Inbound[][] = [];
      let inside = 0;
      const first = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      const all = listener();
      bus.tail(need.topic, 0, 0, async (messages) => {
        assert.equal(++inside, 1);
        deliveries.push([...messages]);
        first.resolve();
        await gate.promise;
        inside -= 1;
        all.deliver(messages);
      });
      await bus.send(numbered(0, 1));
      await first.promise;
      for (let i = 0; i < 5; i++) await bus.send(numbered(1 + i, 1));
      // Another reader has it all: the slow one could have had it, too.
      assert.equal((await wholeLog()).length, 6);
      assert.equal(deliveries.length, 1);
      gate.resolve();
      await all.until(6);
      assert.deepEqual(all.heard.map(text), ["0", "1", "2", "3", "4", "5"]);
    });

    it("ends a tail whose consumer throws, with its error, and delivers nothing more", async () => {
      const failure = new Error("the consumer broke");
      let calls = 0;
      const tail = bus.tail(need.topic, 0, 0, () => {
        calls += 1;
        throw failure;
      });
      await bus.send(numbered(0, 3));
      await assert.rejects(tail.ended, failure);
      await bus.send(numbered(3, 3));
      assert.equal((await wholeLog()).length, 6);
      assert.equal(calls, 1);
    });

    it("delivers nothing after close, and close waits for the consumer", async () => {
      const started = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      let done = false;
      let calls = 0;
      const tail = bus.tail(need.topic, 0, 0, async () => {
        calls += 1;
        started.resolve();
        await gate.promise;
        done = true;
      });
      await bus.send(numbered(0, 1));
      await started.promise;
      const closing = tail.close();
      await bus.send(numbered(1, 1));
      gate.resolve();
      await closing;
      assert.equal(done, true);
      await tail.ended;
      await bus.send(numbered(2, 1));
      assert.equal((await wholeLog()).length, 3);
      assert.equal(calls, 1);
    });

    it("carries large messages, many at once", async () => {
      const values = Array.from({ length: 8 }, (_, i) => Buffer.alloc(900 * 1024, i + 1));
      await bus.send(values.map((value) => message(value)));
      const log = await wholeLog();
      assert.equal(log.length, 8);
      for (const [i, { value }] of log.entries()) assert.ok(value.equals(values[i]!));
    });

    it("says that the log is damaged when what comes next is gone, or never was", async () => {
      await bus.send(numbered(0, 10));
      await world.trim(need.topic, 0, 5);
      assert.deepEqual(await bus.bounds(need.topic, 0), { first: 5, end: 10 });
      for (const from of [4, 11]) {
        const all = listener();
        const tail = bus.tail(need.topic, 0, from, all.deliver);
        await assert.rejects(tail.ended, isError("log.damaged", new RegExp(`offset ${from}`)));
        assert.equal(all.heard.length, 0);
      }
      const all = listener();
      bus.tail(need.topic, 0, 5, all.deliver);
      await all.until(5);
      assert.deepEqual(all.heard.map(text), ["5", "6", "7", "8", "9"]);
    });

    it("refuses a topic whose number of partitions is another", async () => {
      const wrong = bus.prepare([{ ...need, partitions: 2 }]);
      await assert.rejects(wrong, isError("config.invalid", new RegExp(`${need.topic}.*2 partitions`)));
    });

    it("keeps what was acknowledged when the brokers crash, and tails go on where they were", async () => {
      const all = listener();
      const states: BusState[] = [];
      const tail = bus.tail(need.topic, 0, 0, all.deliver);
      await bus.send(numbered(0, 50));
      await all.until(50);
      bus.onState((state) => states.push(state));
      const back = Promise.withResolvers<void>();
      await world.crash(async () => {
        await assert.rejects(bus.send([message("50")]), isError("log.lost_connection", /./));
        assert.equal(bus.state.connected, false);
        assert.ok(!states[0]!.connected && states[0]!.reason.length > 0);
      });
      bus.onState((state) => state.connected && back.resolve());
      if (bus.state.connected) back.resolve();
      for (let number = 50; number < 100; ) {
        const sent = await bus.send([message(String(number))]).then(
          () => true,
          (error) => assert.ok(isError("log.lost_connection", /./)(error)),
        );
        if (sent) number += 1;
      }
      await back.promise;
      const { end } = await bus.bounds(need.topic, 0);
      await all.until(end);
      await tail.close();
      assert.deepEqual(
        all.heard.map(({ offset }) => offset),
        [...Array(end).keys()],
      );
      // Sent again may mean there twice; the first of each stands in the order it was sent.
      assert.deepEqual([...new Set(all.heard.map(text))], [...Array(100).keys()].map(String));
      assert.deepEqual((await wholeLog()).map(text), all.heard.map(text));
      assert.equal(bus.state.connected, true);
    });

    it("ends everything with close, and says so to who still waits", async () => {
      const one = world.connect();
      const tail = one.tail(need.topic, 0, 0, () => {});
      const waiting = assert.rejects(one.bounds(`${need.topic}.never`, 0), isError("log.lost_connection", /closed/));
      await one.close();
      await waiting;
      await tail.ended;
      await assert.rejects(one.send([message("late")]), isError("log.lost_connection", /./));
      assert.deepEqual(await bus.bounds(need.topic, 0), { first: 0, end: 0 });
    });
  });
}
