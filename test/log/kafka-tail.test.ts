/** A tail over sessions that misbehave in every way a test can order: the consumer sees each message once, in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bounds, Inbound } from "../../infra/log/bus.ts";
import { KafkaTail, type SessionEvents } from "../../infra/log/kafka-tail.ts";

const messages = (from: number, to: number): Inbound[] =>
  Array.from({ length: to - from }, (_, i) => ({ offset: from + i, atMs: 1, key: "k", value: Buffer.alloc(0) }));
const fetched = (from: number, to: number) => ({ first: from, last: to - 1, messages: messages(from, to) });

/** Sessions that a test plays by hand, one after the other. */
function stage(options: { bounds?: () => Promise<Bounds>; silenceMsMax?: number } = {}) {
  const troubles: unknown[] = [];
  const opened: { events: SessionEvents; break: (error: Error) => void; ended: boolean }[] = [];
  let arrived = Promise.withResolvers<void>();
  return {
    troubles,
    opened,
    async session(index: number) {
      while (opened[index] === undefined) await arrived.promise;
      return opened[index];
    },
    source: {
      name: "t/0",
      silenceMsMax: options.silenceMsMax ?? 60_000,
      bounds: options.bounds ?? (async () => ({ first: 0, end: 100 })),
      report: (trouble: unknown) => void troubles.push(trouble),
      async open(events: SessionEvents) {
        const broken = Promise.withResolvers<never>();
        broken.promise.catch(() => {});
        const here = { events, break: broken.reject, ended: false };
        opened.push(here);
        arrived.resolve();
        arrived = Promise.withResolvers();
        return {
          broken: broken.promise,
          async end() {
            here.ended = true;
          },
        };
      },
    },
  };
}

test("a new session begins behind what was delivered, and the old one is not heard any more", async () => {
  const { source, session, troubles } = stage();
  const heard: number[] = [];
  const tail = new KafkaTail(source, 3, (batch) => void heard.push(...batch.map(({ offset }) => offset)));
  const first = await session(0);
  assert.equal(first.events.position(), 3);
  await first.events.take(fetched(3, 6));
  first.break(new Error("the broker went away"));
  const second = await session(1);
  assert.equal(first.ended, true);
  assert.deepEqual(
    troubles.map((trouble) => (trouble as Error).message),
    ["the broker went away"],
  );
  await first.events.take(fetched(6, 8));
  assert.equal(second.events.position(), 6);
  await second.events.take(fetched(6, 7));
  assert.deepEqual(heard, [3, 4, 5, 6]);
  await tail.close();
  assert.equal(second.ended, true);
});

test("a session that falls silent is replaced, but not while the consumer is at work", async () => {
  const { source, session } = stage({ silenceMsMax: 250 });
  const gate = Promise.withResolvers<void>();
  const working = Promise.withResolvers<void>();
  const tail = new KafkaTail(source, 0, () => {
    working.resolve();
    return gate.promise;
  });
  const first = await session(0);
  const taking = first.events.take(fetched(0, 1));
  await working.promise;
  await new Promise((resolve) => setTimeout(resolve, 750));
  assert.equal(first.ended, false);
  gate.resolve();
  await taking;
  assert.equal((await session(1)).events.position(), 1);
  await tail.close();
});

test("a session that starts again from below is a cut partition: the tail ends and delivers nothing", async () => {
  const { source, session } = stage();
  let calls = 0;
  const tail = new KafkaTail(source, 5, () => void calls++);
  await (await session(0)).events.take(fetched(0, 9));
  await assert.rejects(tail.ended, { code: "log.damaged" });
  assert.equal(calls, 0);
});

test("a hole is damage only when the partition no longer has what is missing", async () => {
  let first = 0;
  const { source, session } = stage({ bounds: async () => ({ first, end: 100 }) });
  const heard: number[] = [];
  const tail = new KafkaTail(source, 0, (batch) => void heard.push(...batch.map(({ offset }) => offset)));
  const { events } = await session(0);
  await events.take({ first: 0, last: 4, messages: [...messages(0, 2), ...messages(3, 4)] });
  await events.take(fetched(7, 8));
  assert.deepEqual(heard, [0, 1, 3, 7]);
  first = 20;
  await events.take(fetched(20, 21));
  await assert.rejects(tail.ended, { code: "log.damaged", message: /offset 8/ });
  assert.deepEqual(heard, [0, 1, 3, 7]);
});

test("a broker that took over may for a moment know less than was read", async () => {
  const ends = [3, 3, 10];
  const { source, session } = stage({ bounds: async () => ({ first: 0, end: ends.shift() ?? 10 }) });
  const tail = new KafkaTail(source, 5, () => {});
  assert.equal((await session(0)).events.position(), 5);
  await tail.close();
});

test("close does not wait for a broker that answers nothing", async () => {
  const tail = new KafkaTail({ ...stage().source, bounds: () => Promise.reject(new Error("away")) }, 0, () => {});
  await tail.close();
});

test("closed while it asks about a hole, it ends without an error", async () => {
  const answers = [Promise.resolve({ first: 0, end: 100 })];
  const { source, session } = stage({ bounds: () => answers.shift() ?? new Promise(() => {}) });
  const heard: number[] = [];
  const tail = new KafkaTail(source, 0, (batch) => void heard.push(...batch.map(({ offset }) => offset)));
  const taking = (await session(0)).events.take(fetched(2, 4));
  await tail.close();
  await taking;
  await tail.ended;
  assert.deepEqual(heard, []);
});
