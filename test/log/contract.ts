/** What every implementation of Log promises; run over the journal, the socket, and later Kafka. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Log, LogRecord, Position } from "../../infra/log/log.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Role } from "../../schemas/event.ts";
import { all, lifted, read } from "./world.ts";

export interface Opened {
  readonly log: Log;
  /** A role that may say `audit.read` and `block.lifted`, but not `command.finished`. */
  readonly role: Role;
  readonly name: string;
  /** Whether both streams of a source come back in one order; topics keep each stream's. */
  readonly ordersStreams: boolean;
  /** Closes and opens again on the same records. */
  reopen(): Promise<Log>;
  end(): Promise<void>;
}

export function logContract(name: string, open: () => Promise<Opened>): void {
  describe(`${name} keeps the contract of the log`, () => {
    let opened: Opened;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened.end();
    });

    it("gives records back in the order they were appended, with gap-free sequences per stream", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      const tickets = [read("a"), lifted("b"), read("c"), read("d"), lifted("e")].map((draft) =>
        appender.append(draft),
      );
      assert.deepEqual(tickets, [1, 2, 3, 4, 5]);
      await appender.synced(5);
      const mine = (await all(opened.log)).filter((record) => record.source === appender.source);
      const said = mine.map(({ type, stream, sequence }) => [type, stream, sequence]);
      const asAppended = [
        ["audit.read", "events", 1],
        ["block.lifted", "steps", 1],
        ["audit.read", "events", 2],
        ["audit.read", "events", 3],
        ["block.lifted", "steps", 2],
      ];
      const byStream = (records: unknown[][]) =>
        ["steps", "events"].flatMap((stream) => records.filter((one) => one[1] === stream));
      if (opened.ordersStreams) assert.deepEqual(said, asAppended);
      else assert.deepEqual(byStream(said), byStream(asAppended));
    });

    it("orders positions and times", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      for (let i = 0; i < 20; i++) appender.append(read(String(i)));
      await appender.synced(20);
      const records = await all(opened.log, true);
      const positions = records.map((record) => opened.log.encodePosition(record.position));
      assert.deepEqual(positions, [...positions].sort());
      assert.equal(new Set(positions).size, positions.length);
      const times = records.map((record) => record.atMs);
      assert.deepEqual(times, [...times].sort());
    });

    it("writes envelopes that are CloudEvents and say who, what and in which order", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      const id = appender.nextId("events");
      await appender.synced(appender.append(read("timeline")));
      const [record] = (await all(opened.log)).filter((one) => one.source === appender.source);
      assert.ok(record);
      const { time, ...envelope } = record.envelope;
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.deepEqual(envelope, {
        specversion: "1.0",
        source: appender.source,
        tenant: "demo",
        datacontenttype: "application/json",
        stream: "events",
        id,
        sequence: "0000000000000001",
        type: "audit.read",
        identity: "https://id|ivan",
        data: { what: "timeline", filter: {}, rows: 1 },
      });
    });

    it("refuses a type that the role may not say, and an id that is not its own", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      const forged = { type: "command.finished", subject: {}, data: { outcome: "ok" } };
      assert.throws(() => appender.append(forged as never), isCode("log.refused"));
      assert.throws(
        () => appender.append({ ...read("x"), id: "gateway/one/s/0000000000000001" }),
        isCode("log.refused"),
      );
    });

    it("refuses an event over the limit and takes the next one", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      assert.throws(() => appender.append(read("x".repeat(61 * 1024))), isCode("frame.too_large"));
      await appender.synced(appender.append(read("small")));
      const mine = (await all(opened.log)).filter((record) => record.source === appender.source);
      assert.deepEqual(
        mine.map((record) => record.sequence),
        [1],
      );
    });

    it("tells a listener once per sync, never before what it says is durable", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      const told: number[] = [];
      const stop = appender.onDurable((durable) => told.push(durable));
      for (let i = 0; i < 10; i++) appender.append(read(String(i)));
      assert.equal(appender.durable, 0);
      await appender.synced(10);
      assert.equal(told.at(-1), 10);
      assert.deepEqual(
        told,
        [...told].sort((a, b) => a - b),
      );
      stop();
      const before = told.length;
      await appender.synced(appender.append(read("later")));
      assert.equal(told.length, before);
    });

    it("follows live, only the streams asked for, waiting for a slow consumer", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      const seen: LogRecord[] = [];
      let busy = false;
      const enough = Promise.withResolvers<void>();
      const following = opened.log.follow({ after: null, streams: ["steps"] }, async (records) => {
        assert.equal(busy, false, "a second batch came while the first was worked on");
        busy = true;
        await new Promise((resolve) => setImmediate(resolve));
        busy = false;
        seen.push(...records);
        if (seen.length === 50) enough.resolve();
      });
      await following.caughtUp;
      for (let i = 0; i < 50; i++) {
        appender.append(lifted(String(i)));
        appender.append(read(String(i)));
        if (i % 10 === 0) await appender.synced(2 * i + 1);
      }
      await enough.promise;
      assert.deepEqual(
        seen.map((record) => record.sequence),
        Array.from({ length: 50 }, (_, i) => i + 1),
      );
      await following.close();
      await following.ended;
    });

    it("follows on behind a position", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      for (let i = 0; i < 10; i++) appender.append(lifted(String(i)));
      await appender.synced(10);
      const records = (await all(opened.log)).filter((record) => record.source === appender.source);
      const after: Position | undefined = records[3]?.position;
      assert.ok(after);
      const rest: number[] = [];
      const decoded = opened.log.decodePosition(opened.log.encodePosition(after));
      const following = opened.log.follow({ after: decoded, streams: ["steps"] }, (batch) => {
        rest.push(...batch.map((record) => record.sequence));
      });
      await following.caughtUp;
      await following.close();
      assert.deepEqual(rest, [5, 6, 7, 8, 9, 10]);
    });

    it("ends a follow with its consumer's error", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      await appender.synced(appender.append(read("x")));
      const following = opened.log.follow({ after: null, streams: ["events"] }, () => {
        throw new Error("consumer");
      });
      await assert.rejects(following.ended, /consumer/);
    });

    it("goes on where it was after it was closed and opened", async () => {
      const first = await opened.log.appender(opened.role, opened.name);
      first.append(read("a"));
      await first.synced(first.append(lifted("b")));
      const log = await opened.reopen();
      const again = await log.appender(opened.role, opened.name);
      await again.synced(again.append(lifted("c")));
      const mine = (await all(log)).filter((record) => record.source === again.source);
      assert.deepEqual(mine.map(({ type, sequence }) => `${type} ${sequence}`).sort(), [
        "audit.read 1",
        "block.lifted 1",
        "block.lifted 2",
      ]);
    });

    it("knows its head, and refuses a position that is none", async () => {
      const appender = await opened.log.appender(opened.role, opened.name);
      await appender.synced(appender.append(read("x")));
      const head = await opened.log.head();
      assert.ok(head);
      const positions = (await all(opened.log, true)).map((record) => opened.log.encodePosition(record.position));
      assert.ok(positions.includes(opened.log.encodePosition(head)));
      assert.throws(() => opened.log.decodePosition("12"), isCode("request.invalid"));
    });
  });
}

export function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ThroughlineError && error.code === code;
}
