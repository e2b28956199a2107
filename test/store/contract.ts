/** What every Store promises, whatever is behind it. A function run over implementations. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { LogRecord } from "../../infra/log/log.ts";
import type { ClearText, Store } from "../../infra/store/store.ts";
import { type MemoryLog, memoryLog } from "./memory-log.ts";
import { chainOf, correlator, decide, effect, finish, identityOf, openSession, subjectOf } from "./night.ts";

const customers = "orders/public.customers";
const staging = "orders/public.staging";

function night(): { log: MemoryLog; texts: Map<string, ClearText>; chainEvent: string } {
  let clock = 1_700_000_000_000;
  const log = memoryLog(() => (clock += 1_000));
  const texts = new Map<string, ClearText>();
  openSession(log, "extract", "s1");
  const read = decide(log, "extract", "s1", "c1", [effect("read", [`${customers}#email`], [])], { ruling: "mask" });
  texts.set(read, { text: "SELECT Email FROM customers WHERE id = $1", parameters: '["42",null]' });
  finish(log, "extract", "s1", "c1", 500);
  openSession(log, "transform", "s2");
  const moved = decide(log, "transform", "s2", "c2", [effect("transform", [customers], [staging])]);
  texts.set(moved, { text: "INSERT INTO staging SELECT * FROM customers -- 100%_sure", parameters: null });
  openSession(log, "load", "s3");
  const chain = chainOf("chain-1", [
    ["extract", "s1", "c1"],
    ["transform", "s2", "c2"],
  ]);
  const chainEvent = log.say(correlator, {
    type: "chain.completed",
    id: "hash-of-evidence",
    subject: subjectOf("load", "s3", "c3"),
    data: { rule: chain.rule, chain, ruling: "hold" },
  });
  decide(log, "load", "s3", "c3", [effect("delete", [], [customers], true)], { ruling: "hold" });
  log.say(correlator, { type: "clock.ticked", subject: {}, data: {} });
  log.say(correlator, { type: "correlator.digested", subject: {}, data: { folded: 7, digest: "00" } });
  log.sayUnknown("weather.changed", { sun: true, identity: 7, effects: "none", chain: [1], columns: { a: 1 } });
  log.say("gateway/test", {
    type: "session.closed",
    subject: subjectOf("extract", "s1"),
    data: { reason: "client left", commands: 1, clientBytes: 1, targetBytes: 1 },
  });
  return { log, texts, chainEvent };
}

export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`Store: ${name}`, () => {
    const { log, texts, chainEvent } = night();
    const records: readonly LogRecord[] = log.records;
    let store: Store;
    before(async () => {
      store = await open();
      assert.equal(await store.writtenUpTo(), null);
      await store.write(records, texts);
    });
    after(() => store.close());
    const commands = async (filter: Parameters<Store["timeline"]>[0]) =>
      (await store.timeline({ order: "oldest", ...filter }, 100))
        .filter((r) => r.type === "command.decided")
        .map((r) => r.command);

    test("says how far it has written", async () => {
      assert.equal(await store.writtenUpTo(), log.encodePosition(records.at(-1)!.position));
    });

    test("gives back an event as it was recorded, with its clear text and the name of who acted", async () => {
      const row = await store.event(records[1]!.envelope.id);
      assert.ok(row);
      assert.equal(row.text, "SELECT Email FROM customers WHERE id = $1");
      assert.deepEqual(row.parameters, ["42", null]);
      assert.equal(row.identityName, "extract");
      assert.equal(row.atMs, records[1]!.atMs);
      assert.deepEqual(row.operations, ["read"]);
      assert.deepEqual(row.data, JSON.parse(JSON.stringify(records[1]!.envelope.data)));
      assert.equal(await store.event("nobody said this"), null);
    });

    test("leaves the machinery out of a story, unless it is asked for by its type", async () => {
      const types = async (filter: Parameters<Store["timeline"]>[0]) =>
        new Set((await store.timeline(filter, 100)).map((r) => r.type as string));
      assert.ok((await types({})).has("correlator.digested"));
      const story = await types({ story: true });
      assert.ok(!story.has("correlator.digested") && story.has("command.decided"));
      assert.deepEqual([...(await types({ story: true, type: "correlator.digested" }))], ["correlator.digested"]);
    });

    test("orders timelines by every axis", async () => {
      assert.deepEqual(await commands({}), ["c1", "c2", "c3"]);
      assert.deepEqual(await commands({ order: "newest" }), ["c3", "c2", "c1"]);
      assert.deepEqual(await commands({ identity: identityOf("transform").key }), ["c2"]);
      assert.deepEqual(await commands({ account: "load" }), ["c3"]);
      assert.deepEqual(await commands({ session: "s1" }), ["c1"]);
      assert.deepEqual(await commands({ task: "task-load" }), ["c3"]);
      assert.deepEqual(await commands({ grant: "grant-load" }), ["c3"]);
      assert.deepEqual(await commands({ target: "orders" }), ["c1", "c2", "c3"]);
      assert.deepEqual(await commands({ command: "c2" }), ["c2"]);
      assert.deepEqual(await commands({ ruling: "hold" }), ["c3"]);
      assert.deepEqual(await commands({ account: "load", session: "s1" }), []);
      assert.equal((await store.timeline({ key: "key-s2" }, 10))[0]?.session, "s2");
    });

    test("finds a column's events under its table", async () => {
      assert.deepEqual(await commands({ resource: `${customers}#email` }), ["c1"]);
      assert.deepEqual(await commands({ resource: customers }), ["c1", "c2", "c3"]);
      assert.deepEqual(await commands({ resource: staging }), ["c2"]);
    });

    test("finds a chain's commands across accounts, also those that ran before it was known", async () => {
      assert.deepEqual(await commands({ chain: "chain-1" }), ["c1", "c2", "c3"]);
      assert.deepEqual(await commands({ chain: "chain-2" }), []);
    });

    test("finds words of the text and of bound values, in any case, and takes wildcards literally", async () => {
      assert.deepEqual(await commands({ text: "email SELECT" }), ["c1"]);
      assert.deepEqual(await commands({ text: "select" }), ["c1", "c2"]);
      assert.deepEqual(await commands({ text: "42" }), ["c1"]);
      assert.deepEqual(await commands({ text: "100%_sure" }), ["c2"]);
      assert.deepEqual(await commands({ text: "100%xsure" }), []);
      await assert.rejects(store.timeline({ text: "a ".repeat(30) }, 1), { code: "request.invalid" });
    });

    test("takes whatever a reader types as a value, never as SQL", async () => {
      for (const evil of ["' OR 1=1 --", "{limit:UInt32}", "\\' OR '1'='1", "a\0b", "x}) OR (1=1"]) {
        assert.deepEqual(await store.timeline({ account: evil }, 10), []);
        assert.deepEqual(await store.timeline({ text: `${evil}zz` }, 10), []);
        assert.deepEqual(await store.timeline({ type: evil, before: evil, order: "newest" }, 10), []);
      }
    });

    test("bounds a timeline by time and pages it without a gap or a repeat", async () => {
      const third = records[2]!.atMs;
      const found = await store.timeline({ sinceMs: third, untilMs: third + 1 }, 10);
      assert.deepEqual(
        found.map((row) => row.id),
        [records[2]!.envelope.id],
      );
      for (const order of ["newest", "oldest"] as const) {
        const all = await store.timeline({ order }, 100);
        const paged = [];
        for (let page = await store.timeline({ order }, 2); page.length > 0; ) {
          paged.push(...page);
          page = await store.timeline({ order, before: page.at(-1)!.position }, 2);
        }
        assert.deepEqual(paged, all);
      }
    });

    test("keeps a row for an event type it does not know, and none for the ticking of the clock", async () => {
      const [row] = await store.timeline({ type: "weather.changed" }, 10);
      assert.deepEqual(row?.data, { sun: true, identity: 7, effects: "none", chain: [1], columns: { a: 1 } });
      assert.deepEqual(await store.timeline({ type: "clock.ticked" }, 10), []);
    });

    test("changes nothing when the same records are written again, in any batches", async () => {
      const all = await store.timeline({ order: "oldest" }, 100);
      await store.write(records, texts);
      for (const record of records.slice(2)) await store.write([record], texts);
      assert.deepEqual(await store.timeline({ order: "oldest" }, 100), all);
      assert.deepEqual(await store.sessions({ session: "s1" }, 10).then((found) => found[0]?.commands), 1);
    });

    test("drops an output that a replica says again at a later position", async () => {
      const original = records.find((record) => record.envelope.id === chainEvent)!;
      const again = { ...original, position: records.length + 1 } as unknown as LogRecord;
      await store.write([again], texts);
      assert.equal((await store.timeline({ type: "chain.completed" }, 10)).length, 1);
    });

    test("lists sessions newest first with what happened in them", async () => {
      const sessions = await store.sessions({}, 10);
      assert.deepEqual(
        sessions.map((row) => row.session),
        ["s3", "s2", "s1"],
      );
      const first = sessions[2]!;
      assert.equal(first.closedBecause, "client left");
      assert.equal(first.justification, "extract at night");
      assert.ok(first.closedAtMs && first.closedAtMs > first.openedAtMs);
      assert.equal(sessions[0]!.held, 1);
      assert.equal(sessions[0]!.closedAtMs, null);
      assert.deepEqual(
        (await store.sessions({ before: sessions[0]!.position }, 1)).map((row) => row.session),
        ["s2"],
      );
    });

    test("forgets the clear text of one session and keeps everything else", async () => {
      await store.forgetText("s1");
      assert.deepEqual(await commands({ text: "email" }), []);
      const row = await store.event(records[1]!.envelope.id);
      assert.equal(row?.text, null);
      assert.equal(row?.parameters, null);
      assert.deepEqual(await commands({ text: "staging" }), ["c2"]);
    });
  });
}
