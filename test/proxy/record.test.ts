/** Promise 1 at the wire: no result byte leaves, and nothing lasts, before its record is durable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, errorResponse, execute, parse, query, sync } from "../../services/gateway/postgres/messages.ts";
import { effect, reading } from "./doubles.ts";
import {
  bindComplete,
  complete,
  copyInResponse,
  dataRow,
  frame,
  parseComplete,
  ready,
  rowDescription,
  Talk,
} from "./talk.ts";

const rows = [rowDescription({ name: "a" }), dataRow("1"), complete("SELECT 1"), ready("I")];

test("a read is forwarded at once, and no row of it leaves before its record is durable", async () => {
  const talk = await Talk.opened();
  talk.gate.instant = false;
  talk.client.say(query("SELECT 1"));
  await talk.target.hears(query("SELECT 1"));
  talk.target.say(...rows);
  await talk.client.hearsNothing();
  talk.gate.sync();
  await talk.client.hears(...rows);
  assert.equal((await talk.bye()).reason, "the client ended it");
});

test("an autocommitted write waits for its record before it is forwarded", async () => {
  const talk = await Talk.opened();
  talk.gate.instant = false;
  talk.client.say(query("INSERT x"));
  await talk.target.hearsNothing();
  talk.gate.sync();
  await talk.target.hears(query("INSERT x"));
  talk.target.say(complete("INSERT 0 1"), ready("I"));
  await talk.client.hears(complete("INSERT 0 1"), ready("I"));
  await talk.bye();
});

test("what was blocked while a write waited for its record stops it before it is forwarded", async () => {
  const talk = await Talk.opened();
  talk.gate.instant = false;
  talk.client.say(query("INSERT x"));
  await talk.target.hearsNothing();
  talk.gate.late = { ruling: "block", stage: "block", because: ["b1"], sentence: "Blocked meanwhile.", masks: [] };
  talk.gate.sync();
  await talk.target.hears(query("refused_by_throughline"));
  talk.target.say(errorResponse({ severity: "ERROR", code: "42601", message: "syntax error" }), ready("I"));
  const error = await talk.client.report();
  assert.deepEqual([error.get("C"), error.get("M")], ["42501", "Blocked meanwhile."]);
  await talk.client.hears(ready("I"));
  await talk.bye();
  assert.deepEqual(
    talk.gate.done
      .filter(({ text }) => text === "INSERT x")
      .map(({ outcome }) => [outcome.outcome, outcome.code, outcome.undone.length]),
    [["error", "42501", 1]],
  );
});

test("what was blocked while a definition waited for another session stops it before it is forwarded", async () => {
  const talk = await Talk.opened();
  const uses = [reading({ effects: [effect("read", "orders/public.v")] })];
  const other = talk.definitions.join({ underWay: () => uses, searchPath: () => [] });
  talk.client.say(query("CREATE VIEW v"));
  await talk.target.hearsNothing();
  talk.gate.late = { ruling: "block", stage: "block", because: ["b1"], sentence: "Blocked meanwhile.", masks: [] };
  other.close();
  await talk.target.hears(query("refused_by_throughline"));
  talk.target.say(errorResponse({ severity: "ERROR", code: "42601", message: "syntax error" }), ready("I"));
  assert.equal((await talk.client.report()).get("M"), "Blocked meanwhile.");
  await talk.client.hears(ready("I"));
  await talk.bye();
});

async function inTransaction(): Promise<Talk> {
  const talk = await Talk.opened();
  talk.client.say(query("BEGIN"));
  await talk.target.hears(query("BEGIN"));
  talk.target.say(complete("BEGIN"), ready("T"));
  await talk.client.hears(complete("BEGIN"), ready("T"));
  talk.gate.instant = false;
  return talk;
}

test("a write inside BEGIN is forwarded at once; its count waits; COMMIT waits before it is forwarded", async () => {
  const talk = await inTransaction();
  talk.client.say(query("INSERT x"));
  await talk.target.hears(query("INSERT x"));
  talk.target.say(complete("INSERT 0 1"), ready("T"));
  await talk.client.hearsNothing();
  talk.client.say(query("COMMIT"));
  await talk.target.hearsNothing();
  talk.gate.sync();
  await talk.target.hears(query("COMMIT"));
  await talk.client.hears(complete("INSERT 0 1"), ready("T"));
  const commit = talk.gate.judged.at(-1)!;
  const insert = talk.gate.judged.at(-2)!.command;
  assert.deepEqual(commit.commits, [{ command: insert.id, effect: insert.reading.effects[0] }]);
  assert.deepEqual(commit.command.reading.effects, [{ ...insert.reading.effects[0], flows: [] }]);
  talk.target.say(complete("COMMIT"), ready("I"));
  await talk.client.hears(complete("COMMIT"), ready("I"));
  assert.deepEqual(talk.gate.done.at(-1)?.outcome.lasted, [insert.id]);
  await talk.bye();
});

test("a write behind a ROLLBACK that is still running waits: it may be on its own", async () => {
  const talk = await inTransaction();
  talk.client.say(query("ROLLBACK"), query("INSERT x"));
  await talk.target.hears(query("ROLLBACK"));
  await talk.target.hearsNothing();
  talk.gate.sync();
  await talk.target.hears(query("INSERT x"));
  talk.drop();
});

test("what is opaque or not undone by ROLLBACK waits for its record, inside BEGIN too", async () => {
  const talk = await inTransaction();
  talk.client.say(query("DO something"));
  await talk.target.hearsNothing();
  talk.gate.sync();
  await talk.target.hears(query("DO something"));
  talk.drop();
});

test("only what is known to have no effect of its own may begin or end a transaction before its record", async () => {
  const talk = await inTransaction();
  const transaction = { kind: "savepoint", name: "s" } as const;
  talk.reader.texts.set("SAVEPOINT odd", reading({ transaction, effects: [effect("write")] }));
  talk.reader.texts.set("SELECT odd", reading({ opaque: "odd", effects: [effect("read")] }));
  for (const text of ["SAVEPOINT odd", "SELECT odd"]) {
    talk.client.say(query(text));
    await talk.target.hearsNothing();
    talk.gate.sync();
    await talk.target.hears(query(text));
    talk.target.say(complete("OK"), ready("T"));
    await talk.client.hears(complete("OK"), ready("T"));
  }
  talk.drop();
});

test("an error text waits for the record of its command; a failed Parse gets a record of its own", async () => {
  const talk = await Talk.opened();
  talk.gate.instant = false;
  const error = errorResponse({ severity: "ERROR", code: "42703", message: 'column "x" does not exist' });
  talk.client.say(query("SELECT x"));
  await talk.target.hears(query("SELECT x"));
  talk.target.say(error, ready("I"));
  await talk.client.hearsNothing();
  talk.gate.sync();
  await talk.client.hears(error, ready("I"));
  talk.client.say(parse("", "SELECT x"), sync());
  await talk.target.hears(parse("", "SELECT x"), sync());
  talk.target.say(error, ready("I"));
  await talk.client.hearsNothing();
  assert.equal(talk.gate.failed.length, 1);
  talk.gate.sync();
  await talk.client.hears(error, ready("I"));
  await talk.bye();
});

test("a failed Parse that cannot be recorded ends the session, and the target's error stays here", async () => {
  const talk = await Talk.opened();
  talk.gate.full = true;
  talk.client.say(parse("", "SELECT x"), sync());
  await talk.target.hears(parse("", "SELECT x"), sync());
  talk.target.say(errorResponse({ severity: "ERROR", code: "22P02", message: "ann@example.com" }), ready("I"));
  const report = await talk.client.report();
  assert.deepEqual([report.get("S"), report.get("C")], ["FATAL", "53100"]);
  assert.match(report.get("M") ?? "", /cannot be recorded/);
  await talk.client.isClosed();
  assert.equal(talk.client.unread.length, 0);
  talk.target.stream.end();
  talk.client.stream.end();
  await talk.served;
});

test("errors that may carry values leave without them", async () => {
  const talk = await Talk.opened();
  talk.gate.scrubbing = true;
  talk.client.say(query("INSERT x"));
  await talk.target.hears(query("INSERT x"));
  talk.target.say(
    frame("N", Buffer.from("SNOTICE\0C00000\0Mann@example.com\0\0")),
    frame("A", Buffer.concat([Buffer.alloc(4), Buffer.from("channel\0ann@example.com\0")])),
    frame(
      "E",
      Buffer.from("SERROR\0VERROR\0C23505\0MKey\0DKey (email)=(ann@example.com) exists\0tcustomers\0nkey\0\0"),
    ),
    ready("I"),
  );
  const notice = await talk.client.message();
  await talk.client.hears(frame("A", Buffer.concat([Buffer.alloc(4), Buffer.from("channel\0\0")])));
  const error = await talk.client.message();
  assert.ok(!Buffer.concat([notice, error]).includes("ann@example.com"));
  const fields = error.toString("latin1");
  for (const kept of ["C23505", "tcustomers", "nkey", "SERROR"]) assert.ok(fields.includes(kept), kept);
  await talk.client.hears(ready("I"));
  await talk.bye();
});

test("COPY FROM STDIN: data streams, CopyDone waits for the record", async () => {
  const talk = await Talk.opened();
  talk.client.say(query("INSERT copy"));
  await talk.target.hears(query("INSERT copy"));
  talk.target.say(copyInResponse);
  await talk.client.hears(copyInResponse);
  const data = frame("d", Buffer.alloc(100_000, "x"));
  talk.client.say(data.subarray(0, 10), data.subarray(10));
  await talk.target.hears(data);
  talk.gate.instant = false;
  talk.client.say(frame("c"));
  await talk.target.hearsNothing();
  talk.gate.sync();
  await talk.target.hears(frame("c"));
  talk.target.say(complete("COPY 1"), ready("I"));
  await talk.client.hears(complete("COPY 1"), ready("I"));
  await talk.bye();
});

test("rows that wait for a record pause the target when they grow over the bound", async () => {
  const talk = await Talk.opened({ bounds: { withheldBytesMax: 10_000 } });
  talk.gate.instant = false;
  talk.client.say(query("SELECT 1"));
  await talk.target.hears(query("SELECT 1"));
  const big = dataRow("y".repeat(8_000));
  talk.target.say(big, big, big);
  await talk.client.hearsNothing();
  assert.ok(talk.wire.target.isPaused());
  talk.gate.sync();
  await talk.client.hears(big, big, big);
  assert.ok(!talk.wire.target.isPaused());
  talk.target.say(complete("SELECT 3"), ready("I"));
  await talk.client.hears(complete("SELECT 3"), ready("I"));
  await talk.bye();
});

test("a client that does not read pauses the target", async () => {
  const talk = await Talk.opened();
  talk.client.say(query("SELECT 1"));
  await talk.target.hears(query("SELECT 1"));
  talk.client.stream.pause();
  const big = dataRow("y".repeat(100_000));
  for (let i = 0; i < 5; i++) talk.target.say(big);
  await talk.target.hearsNothing();
  assert.ok(talk.wire.target.isPaused());
  talk.client.stream.resume();
  await talk.client.hears(big, big, big, big, big);
  assert.ok(!talk.wire.target.isPaused());
  talk.drop();
});

test("a client that goes away unread lets the target go on, and a result without an end is cancelled", async () => {
  const talk = await Talk.opened({ bounds: { withheldBytesMax: 1_000_000 } });
  talk.client.say(query("SELECT 1"));
  await talk.target.hears(query("SELECT 1"));
  talk.client.stream.pause();
  const big = dataRow("y".repeat(100_000));
  for (let i = 0; i < 5; i++) talk.target.say(big);
  await talk.target.hearsNothing();
  assert.ok(talk.wire.target.isPaused());
  talk.wire.client.destroy();
  await talk.target.hears(frame("X"));
  await talk.target.hearsNothing();
  assert.ok(!talk.wire.target.isPaused());
  assert.equal(talk.cancelled, 0);
  for (let i = 0; i < 20; i++) talk.target.say(big);
  await talk.target.hearsNothing();
  assert.equal(talk.cancelled, 1);
  talk.target.say(errorResponse({ severity: "ERROR", code: "57014", message: "canceled" }), ready("I"));
  talk.target.stream.end();
  assert.equal((await talk.served).reason, "the client went away");
  assert.equal(talk.gate.done.at(-1)?.outcome.code, "57014");
});

test("a lost target leaves what ran unknown, and nothing proven undone", async () => {
  const talk = await inTransaction();
  talk.gate.instant = true;
  talk.client.say(query("INSERT x"), query("COMMIT"));
  await talk.target.hears(query("INSERT x"));
  talk.target.say(complete("INSERT 0 1"), ready("T"));
  await talk.target.hears(query("COMMIT"));
  talk.target.stream.destroy();
  await talk.client.hears(complete("INSERT 0 1"), ready("T"));
  const error = await talk.client.report();
  assert.deepEqual([error.get("S"), error.get("C")], ["FATAL", "08006"]);
  await talk.client.isClosed();
  const { outcome, undone, lasted } = talk.gate.done.at(-1)!.outcome;
  assert.deepEqual([outcome, undone, lasted], ["unknown", [], []]);
  talk.client.stream.end();
  assert.equal((await talk.served).reason, "the target closed the connection");
  assert.equal(talk.gate.listeners, 0);
});

test("what waits for its record when the session ends is known never to have run", async () => {
  const talk = await Talk.opened();
  talk.gate.instant = false;
  talk.client.say(query("INSERT x"));
  await talk.target.hearsNothing();
  talk.target.stream.end();
  await talk.client.hearsNothing();
  talk.gate.sync();
  await talk.client.isClosed();
  talk.client.stream.end();
  await talk.served;
  const done = talk.gate.done.filter(({ text }) => text === "INSERT x");
  assert.deepEqual(
    done.map(({ outcome: { outcome, code, shown, undone } }) => ({ outcome, code, shown, undone: undone.length })),
    [{ outcome: "error", code: "57P01", shown: false, undone: 1 }],
  );
});

test("a session that must end asks nothing more: FATAL 57P01 at its next message", async () => {
  const talk = await Talk.opened();
  talk.wire.session.ending = "the Grant has ended";
  talk.client.say(query("SELECT 1"));
  const error = await talk.client.report();
  assert.deepEqual([error.get("S"), error.get("C"), error.get("M")], ["FATAL", "57P01", "the Grant has ended"]);
  await talk.target.isClosed();
  await talk.client.isClosed();
});

test("a prepared read and its pipeline pass byte for byte", async () => {
  const talk = await Talk.opened();
  const batch = [parse("s", "SELECT 1"), bind({ portal: "", statement: "s" }), execute(""), sync()];
  talk.client.say(...batch);
  await talk.target.hears(...batch);
  const answer = [parseComplete, bindComplete, dataRow("1"), complete("SELECT 1"), ready("I")];
  talk.target.say(...answer);
  await talk.client.hears(...answer);
  await talk.bye();
  assert.deepEqual(
    talk.gate.done.map(({ text, outcome }) => [text, outcome.outcome, outcome.rows]),
    [
      ["SELECT 0", "ok", 0],
      ["SELECT 1", "ok", 1],
    ],
  );
});
