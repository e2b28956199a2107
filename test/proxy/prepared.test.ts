/** Statements and portals: whatever way they were made, running one has the effects of what it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, close, errorResponse, execute, parse, query, sync } from "../../services/gateway/postgres/messages.ts";
import { Prepared } from "../../services/gateway/postgres/prepared.ts";
import { effect, reading } from "./doubles.ts";
import { bindComplete, complete, dataRow, parseComplete, portalSuspended, ready, Talk } from "./talk.ts";

test("each Execute of a portal is a Command with the bound values; binary values keep their bytes", async () => {
  const talk = await Talk.opened();
  const values = bind({
    portal: "p",
    statement: "s",
    parameterFormats: [0, 1, 0],
    parameters: [Buffer.from("x"), Buffer.from([0, 255]), null],
  });
  talk.client.say(parse("s", "SELECT $1"), values, execute("p", 1), execute("p", 1), sync());
  await talk.target.hears(parse("s", "SELECT $1"), values, execute("p", 1), execute("p", 1), sync());
  const two = talk.gate.judged.slice(-2).map(({ command }) => command);
  assert.notEqual(two[0]!.id, two[1]!.id);
  for (const { parameters } of two) assert.deepEqual(parameters, ["x", "\\b:AP8=", null]);
  talk.target.say(parseComplete, bindComplete, dataRow("1"), portalSuspended, complete("SELECT 0"), ready("I"));
  await talk.client.hears(parseComplete, bindComplete, dataRow("1"), portalSuspended, complete("SELECT 0"), ready("I"));
  await talk.bye();
});

test("values that differ in their bytes differ in the record", async () => {
  const talk = await Talk.opened();
  const values = [Buffer.from([0xff]), Buffer.from([0xfe]), Buffer.from("\\b:AP8="), Buffer.from("é")];
  const message = bind({ portal: "", statement: "s", parameters: values });
  talk.client.say(parse("s", "SELECT $1"), message, execute(""), sync());
  await talk.target.hears(parse("s", "SELECT $1"), message, execute(""), sync());
  assert.deepEqual(talk.last.parameters, ["\\b:/w==", "\\b:/g==", "\\b:XGI6QVA4PQ==", "é"]);
  talk.drop();
});

test("what a session prepares without end is not remembered beyond a bound, and is known again when it has closed others", () => {
  const prepared = new Prepared(100_000);
  const text = { value: `SELECT '${"x".repeat(30_000)}'`, ascii: true, valid: true };
  const statement = () => ({ text, parameterTypes: [], columns: null });
  const known = () => ["a", "b", "c", "d"].filter((name) => prepared.statement(name) !== null);
  for (const name of ["a", "b", "c", "d"]) prepared.setStatement(name, statement());
  assert.deepEqual(known(), ["a", "b", "c"]);
  prepared.setStatement("a", null);
  prepared.setStatement("d", statement());
  assert.deepEqual(known(), ["b", "c", "d"]);
  const undo = prepared.setStatement("c", { ...statement(), text: { ...text, value: "x".repeat(90_000) } });
  assert.deepEqual(known(), ["b", "d"]); // the target has another one now: the old one must not stand for it
  undo();
  assert.deepEqual(known(), ["b", "c", "d"]);
  for (let i = 0; i < 10; i++) prepared.setStatement("", statement());
  assert.notEqual(prepared.statement(""), null);
});

test("a session whose memory is full looks at it only now and then", () => {
  let looks = 0;
  const text = { value: "x".repeat(1_000), ascii: true, valid: true };
  const statement = () => ({
    get text() {
      looks++;
      return text;
    },
    parameterTypes: [],
    columns: null,
  });
  const prepared = new Prepared(2_000_000);
  for (let i = 0; i < 5_000; i++) prepared.setStatement(`s${i}`, statement());
  assert.ok(prepared.statement("s999") !== null && prepared.statement("s4999") === null);
  assert.ok(looks < 4_000 * 200, `${looks} looks`);
});

test("a statement the gateway never saw, or one closed, is opaque", async () => {
  const talk = await Talk.opened();
  talk.client.say(parse("s", "SELECT 1"), close("S", "s"), bind({ portal: "", statement: "s" }), execute(""), sync());
  await talk.target.hears(
    parse("s", "SELECT 1"),
    close("S", "s"),
    bind({ portal: "", statement: "s" }),
    execute(""),
    sync(),
  );
  assert.notEqual(talk.last.reading.opaque, null);
  talk.drop();
});

test("a portal whose names mean something else by the time it runs is opaque", async () => {
  const talk = await Talk.opened();
  talk.client.say(parse("", "SELECT v"), bind({ portal: "", statement: "" }), sync());
  await talk.target.hears(parse("", "SELECT v"), bind({ portal: "", statement: "" }), sync());
  talk.target.say(parseComplete, bindComplete, ready("T"));
  await talk.client.hears(parseComplete, bindComplete, ready("T"));
  talk.reader.texts.set("SELECT v", reading({ effects: [effect("read", "orders/public.other")], resolution: "r2" }));
  talk.client.say(execute(""), sync());
  await talk.target.hears(execute(""), sync());
  assert.notEqual(talk.last.reading.opaque, null);
  talk.drop();
});

test("a Parse the target refuses is forgotten: the statement it had stays", async () => {
  const talk = await Talk.opened();
  talk.client.say(parse("s", "SELECT old"), sync());
  await talk.target.hears(parse("s", "SELECT old"), sync());
  talk.target.say(parseComplete, ready("I"));
  talk.client.say(parse("s", "INSERT new"), sync());
  await talk.target.hears(parse("s", "INSERT new"), sync());
  const exists = errorResponse({ severity: "ERROR", code: "42P05", message: "exists" });
  talk.target.say(exists, ready("I"));
  await talk.client.hears(parseComplete, ready("I"), exists, ready("I"));
  talk.client.say(bind({ portal: "", statement: "s" }), execute(""), sync());
  await talk.target.hears(bind({ portal: "", statement: "s" }), execute(""), sync());
  assert.equal(talk.last.text, "SELECT old");
  talk.drop();
});

test("names are the target's: equal in their first 63 bytes is equal", async () => {
  const talk = await Talk.opened();
  const long = "n".repeat(63);
  talk.client.say(parse(`${long}x`, "INSERT a"), bind({ portal: "", statement: `${long}y` }), execute(""), sync());
  await talk.target.message();
  await talk.target.message();
  await talk.target.message();
  assert.equal(talk.last.text, "INSERT a");
  talk.drop();
});

test("EXECUTE of SQL has the effects of what was prepared, FETCH those of its cursor; unknown ones are opaque", async () => {
  const talk = await Talk.opened();
  const prepare = { kind: "prepare", name: "q", text: "INSERT y", parameters: null } as const;
  const run = { kind: "execute", name: "q", text: null, parameters: ["1"] } as const;
  const declare = { kind: "declare", name: "c", text: "SELECT secret", parameters: null } as const;
  const fetch = { kind: "fetch", name: "c", text: null, parameters: null } as const;
  talk.reader.texts.set("PREPARE q", reading({ handle: prepare, changes: ["prepared"] }));
  talk.reader.texts.set("EXECUTE q", reading({ handle: run, statements: ["EXECUTE"] }));
  talk.reader.texts.set("DECLARE c", reading({ handle: declare, effects: [effect("read")] }));
  talk.reader.texts.set("FETCH c", reading({ handle: fetch, statements: ["FETCH"] }));
  talk.reader.texts.set("FETCH other", reading({ handle: { ...fetch, name: "other" }, statements: ["FETCH"] }));
  await talk.runs("PREPARE q");
  await talk.runs("EXECUTE q");
  assert.deepEqual([talk.last.reading.effects[0]?.operation, talk.last.parameters], ["write", ["1"]]);
  await talk.runs("DECLARE c");
  await talk.runs("FETCH c");
  assert.equal(talk.last.reading, talk.reader.texts.get("SELECT secret"));
  talk.client.say(query("FETCH other"));
  await talk.target.hears(query("FETCH other"));
  assert.notEqual(talk.last.reading.opaque, null);
  talk.drop();
});

test("after an opaque command only what the target confirms is still known", async () => {
  const talk = await Talk.opened();
  talk.client.say(parse("kept", "SELECT kept"), parse("gone", "SELECT gone"), sync());
  await talk.target.hears(parse("kept", "SELECT kept"), parse("gone", "SELECT gone"), sync());
  talk.target.say(parseComplete, parseComplete, ready("I"));
  await talk.client.hears(parseComplete, parseComplete, ready("I"));
  await talk.runs("DO magic");
  talk.client.say(bind({ portal: "", statement: "kept" }), execute(""), sync());
  await talk.namesAndMore([
    ["kept", "SELECT kept"],
    ["gone", "DELETE instead"],
  ]);
  await talk.target.hears(bind({ portal: "", statement: "kept" }), execute(""), sync());
  assert.equal(talk.last.reading.opaque, null);
  talk.target.say(bindComplete, complete("SELECT 1"), ready("I"));
  talk.client.say(bind({ portal: "", statement: "gone" }), execute(""), sync());
  await talk.target.hears(bind({ portal: "", statement: "gone" }), execute(""), sync());
  assert.notEqual(talk.last.reading.opaque, null);
  talk.drop();
});

test("a command says which parameter types its Parse gave, and what a name in it stands for", async () => {
  const talk = await Talk.opened();
  const typed = parse("s", "SELECT f($1)", [25]);
  talk.client.say(typed, bind({ portal: "", statement: "s" }), execute(""), sync());
  await talk.target.hears(typed, bind({ portal: "", statement: "s" }), execute(""), sync());
  assert.deepEqual(talk.last.parameterTypes, [25]);
  talk.target.say(parseComplete, bindComplete, complete("SELECT 1"), ready("I"));
  await talk.client.hears(parseComplete, bindComplete, complete("SELECT 1"), ready("I"));
  for (const type of ["int", "text"]) {
    const [made, used] = [`PREPARE p (${type}) AS SELECT f($1)`, "EXECUTE p (1)"];
    const handle = { name: "p", parameters: ["1"] };
    const inner = "SELECT f($1)";
    talk.reader.texts.set(made, reading({ handle: { kind: "prepare", text: inner, ...handle } }));
    talk.reader.texts.set(used, reading({ handle: { kind: "execute", text: null, ...handle } }));
    await talk.runs(made);
    await talk.runs(used);
    assert.ok(talk.last.uses?.includes(made), "the whole PREPARE, with the types it declares");
  }
  await talk.bye();
});
