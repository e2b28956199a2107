/** What names mean: followed by asking the target, never by guessing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, execute, parse, query, sync } from "../../services/gateway/postgres/messages.ts";
import { durationMs, splitPath } from "../../services/gateway/postgres/names.ts";
import { effect, reading, uri } from "./doubles.ts";
import { bindComplete, complete, frame, parseComplete, ready, Talk } from "./talk.ts";

test("after SET the target is asked again before the next command is read, and role and search_path are its answer", async () => {
  const talk = await Talk.opened();
  talk.client.say(query("SET ROLE loader"), query("SELECT 1"));
  await talk.target.hears(query("SET ROLE loader"));
  await talk.target.hearsNothing();
  talk.target.say(complete("SET"), ready("I"));
  await talk.client.hears(complete("SET"), ready("I"));
  await talk.names({ role: "loader", search_path: 'a, "B c"' });
  await talk.target.hears(query("SELECT 1"));
  const { names } = talk.reader.asked.at(-1)!;
  assert.deepEqual([names.role, names.searchPath], ["loader", ["a", "B c"]]);
  assert.equal(talk.wire.session.role, "loader");
  talk.target.say(complete("SELECT 1"), ready("I"));
  await talk.client.hears(complete("SELECT 1"), ready("I"));
  await talk.bye();
});

test("a SET in a transaction is asked about again when the transaction ends", async () => {
  const talk = await Talk.opened();
  await talk.runs("BEGIN", "T");
  await talk.runs("SET search_path = x", "T");
  talk.client.say(query("ROLLBACK"));
  await talk.names({}, "T");
  await talk.target.hears(query("ROLLBACK"));
  talk.target.say(complete("ROLLBACK"), ready("I"));
  await talk.client.hears(complete("ROLLBACK"), ready("I"));
  talk.client.say(query("SELECT 1"));
  await talk.names();
  await talk.target.hears(query("SELECT 1"));
  talk.drop();
});

test("inside a pipeline it asks without a Sync of its own", async () => {
  const talk = await Talk.opened();
  const set = [parse("", "SET x"), bind({ portal: "", statement: "" }), execute("")];
  const select = [parse("", "SELECT 1"), bind({ portal: "", statement: "" }), execute("")];
  talk.client.say(...set, ...select, sync());
  await talk.target.hears(...set, frame("H"));
  talk.target.say(parseComplete, bindComplete, complete("SET"));
  await talk.names({}, null);
  await talk.target.hears(...select, sync());
  talk.target.say(parseComplete, bindComplete, complete("SELECT 1"), ready("I"));
  const one = [parseComplete, bindComplete, complete("SET")];
  await talk.client.hears(...one, parseComplete, bindComplete, complete("SELECT 1"), ready("I"));
  talk.client.say(query("SELECT 2")); // a SET LOCAL has fallen back at Sync
  await talk.names();
  await talk.target.hears(query("SELECT 2"));
  talk.drop();
});

test("a text the target would read otherwise is opaque: other encodings, other backslashes, invalid UTF-8", async () => {
  const cases = [
    [{ client_encoding: "SJIS" }, "SELECT 'ソ'"],
    [{ standard_conforming_strings: "off" }, "SELECT 'a\\'; DROP TABLE x; --'"],
  ] as const;
  for (const [settings, text] of cases) {
    const talk = new Talk();
    talk.client.say(query(text));
    await talk.names(settings);
    await talk.target.hears(query(text));
    assert.notEqual(talk.last.reading.opaque, null);
    talk.drop();
  }
  const talk = await Talk.opened();
  const invalid = frame("Q", Buffer.concat([Buffer.from("SELECT '"), Buffer.from([0xc3, 0x28]), Buffer.from("'\0")]));
  talk.client.say(invalid);
  await talk.target.hears(invalid);
  assert.notEqual(talk.last.reading.opaque, null);
  talk.drop();
});

test("definitions: told to the reader until they are in the catalog, which is read again before the next command", async () => {
  const talk = await Talk.opened();
  await talk.runs("BEGIN", "T");
  await talk.runs("CREATE VIEW v", "T");
  talk.client.say(query("SELECT 1"));
  await talk.names({}, "T");
  await talk.target.hears(query("SELECT 1"));
  const { names } = talk.reader.asked.at(-1)!;
  assert.deepEqual([names.definesPending, names.pending], [true, ["orders/public.v"]]);
  assert.equal(talk.reader.refreshed, 0);
  talk.target.say(complete("SELECT 1"), ready("T"));
  await talk.client.hears(complete("SELECT 1"), ready("T"));
  talk.client.say(query("COMMIT"), query("SELECT 2"));
  await talk.target.hears(query("COMMIT"));
  talk.target.say(complete("COMMIT"), ready("I"));
  await talk.names();
  await talk.target.hears(query("SELECT 2"));
  assert.equal(talk.reader.refreshed, 1);
  assert.equal(talk.reader.asked.at(-1)!.names.definesPending, false);
  talk.drop();
});

test("after an opaque command inside BEGIN the target is asked at once, and again when it has ended", async () => {
  const talk = await Talk.opened();
  await talk.runs("BEGIN", "T");
  await talk.runs("DO magic", "T");
  talk.client.say(query("SELECT 1"));
  await talk.namesAndMore([], "T");
  await talk.target.hears(query("SELECT 1"));
  const { names } = talk.reader.asked.at(-1)!;
  assert.deepEqual([names.definesPending, names.pending], [true, undefined]); // it may have defined anything
  talk.target.say(complete("SELECT 1"), ready("T"));
  await talk.client.hears(complete("SELECT 1"), ready("T"));
  await talk.runs("COMMIT", "I");
  talk.client.say(query("SELECT 2"));
  await talk.namesAndMore([], "I", ["shadow"]);
  await talk.target.hears(query("SELECT 2"));
  assert.deepEqual(talk.reader.asked.at(-1)!.names.pending, ["orders/pg_temp.shadow"]);
  talk.drop();
});

test("search_path is split as the target writes it", () => {
  assert.deepEqual(splitPath('"$user", public'), ["$user", "public"]);
  assert.deepEqual(splitPath('"a,b", "q""x", c'), ["a,b", 'q"x', "c"]);
  assert.deepEqual(splitPath('""'), [""]);
});

test("the client's own statement_timeout is known, in every way that SHOW writes it", async () => {
  const talk = await Talk.opened();
  assert.equal(talk.wire.session.statementMsMax, null);
  await talk.runs("SET statement_timeout = '5s'");
  talk.client.say(query("SELECT 1"));
  await talk.names({ statement_timeout: "5s" });
  await talk.target.hears(query("SELECT 1"));
  assert.equal(talk.wire.session.statementMsMax, 5_000);
  talk.drop();
  const written = { "0": null, "250ms": 250, "90s": 90_000, "2min": 120_000, "3h": 10_800_000, "1d": 86_400_000 };
  for (const [setting, ms] of Object.entries(written)) assert.equal(durationMs(setting), ms);
});

test("a temporary table that was read is told to the reader as made, by its own name; in records it carries the session", async () => {
  const talk = await Talk.opened();
  const made = uri("orders/pg_temp.scratch");
  const define = { ...effect("define"), writes: [made] };
  const text = "CREATE TEMP TABLE scratch (a int)";
  const statements = ["CREATE TABLE"];
  talk.reader.texts.set(text, reading({ effects: [define], changes: ["definitions"], statements, makes: [made] }));
  await talk.runs(text, "I");
  assert.deepEqual(talk.last.reading.effects[0]?.writes, [`orders/pg_temp.scratch@${talk.wire.session.id}`]);
  talk.client.say(query("SELECT 1"));
  await talk.names();
  await talk.target.hears(query("SELECT 1"));
  const { names } = talk.reader.asked.at(-1)!;
  assert.deepEqual([names.pending, names.made], [[made], [made]]);
  talk.drop();
});
