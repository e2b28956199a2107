/** What names mean, what was prepared, and that the cut of the bytes never matters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  bind,
  close,
  describe,
  errorResponse,
  execute,
  parse,
  query,
  sync,
} from "../../services/gateway/postgres/messages.ts";
import { splitPath } from "../../services/gateway/postgres/names.ts";
import { effect, reading } from "./doubles.ts";
import {
  bindComplete,
  complete,
  copyInResponse,
  dataRow,
  frame,
  noData,
  parseComplete,
  portalSuspended,
  ready,
  rowDescription,
  Talk,
} from "./talk.ts";

async function opened(): Promise<Talk> {
  const talk = new Talk();
  talk.client.say(query("SELECT 0"));
  await talk.names();
  await talk.target.hears(query("SELECT 0"));
  talk.target.say(complete("SELECT 0"), ready("I"));
  await talk.client.hears(complete("SELECT 0"), ready("I"));
  return talk;
}

async function runs(talk: Talk, text: string, status: "I" | "T" = "I"): Promise<void> {
  talk.client.say(query(text));
  await talk.target.hears(query(text));
  talk.target.say(complete("OK"), ready(status));
  await talk.client.hears(complete("OK"), ready(status));
}

const last = (talk: Talk) => talk.gate.judged.at(-1)!.command;

test("after SET the target is asked again before the next command is read, and role and search_path are its answer", async () => {
  const talk = await opened();
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
  const talk = await opened();
  await runs(talk, "BEGIN", "T");
  await runs(talk, "SET search_path = x", "T");
  talk.client.say(query("ROLLBACK"));
  await talk.names({}, "T");
  await talk.target.hears(query("ROLLBACK"));
  talk.target.say(complete("ROLLBACK"), ready("I"));
  await talk.client.hears(complete("ROLLBACK"), ready("I"));
  talk.client.say(query("SELECT 1"));
  await talk.names();
  await talk.target.hears(query("SELECT 1"));
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("inside a pipeline it asks without a Sync of its own", async () => {
  const talk = await opened();
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
  talk.client.stream.destroy();
  talk.target.stream.destroy();
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
    assert.notEqual(last(talk).reading.opaque, null);
    talk.client.stream.destroy();
    talk.target.stream.destroy();
  }
  const talk = await opened();
  const invalid = frame("Q", Buffer.concat([Buffer.from("SELECT '"), Buffer.from([0xc3, 0x28]), Buffer.from("'\0")]));
  talk.client.say(invalid);
  await talk.target.hears(invalid);
  assert.notEqual(last(talk).reading.opaque, null);
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("definitions: told to the reader until they are in the catalog, which is read again before the next command", async () => {
  const talk = await opened();
  await runs(talk, "BEGIN", "T");
  await runs(talk, "CREATE VIEW v", "T");
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
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("each Execute of a portal is a Command with the bound values; binary values keep their bytes", async () => {
  const talk = await opened();
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
  const talk = await opened();
  const values = [Buffer.from([0xff]), Buffer.from([0xfe]), Buffer.from("\\b:AP8="), Buffer.from("é")];
  const message = bind({ portal: "", statement: "s", parameters: values });
  talk.client.say(parse("s", "SELECT $1"), message, execute(""), sync());
  await talk.target.hears(parse("s", "SELECT $1"), message, execute(""), sync());
  assert.deepEqual(last(talk).parameters, ["\\b:/w==", "\\b:/g==", "\\b:XGI6QVA4PQ==", "é"]);
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("a statement the gateway never saw, or one closed, is opaque", async () => {
  const talk = await opened();
  talk.client.say(parse("s", "SELECT 1"), close("S", "s"), bind({ portal: "", statement: "s" }), execute(""), sync());
  await talk.target.hears(
    parse("s", "SELECT 1"),
    close("S", "s"),
    bind({ portal: "", statement: "s" }),
    execute(""),
    sync(),
  );
  assert.notEqual(last(talk).reading.opaque, null);
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("a portal whose names mean something else by the time it runs is opaque", async () => {
  const talk = await opened();
  talk.client.say(parse("", "SELECT v"), bind({ portal: "", statement: "" }), sync());
  await talk.target.hears(parse("", "SELECT v"), bind({ portal: "", statement: "" }), sync());
  talk.target.say(parseComplete, bindComplete, ready("T"));
  await talk.client.hears(parseComplete, bindComplete, ready("T"));
  talk.reader.texts.set("SELECT v", reading({ effects: [effect("read", "orders/public.other")], resolution: "r2" }));
  talk.client.say(execute(""), sync());
  await talk.target.hears(execute(""), sync());
  assert.notEqual(last(talk).reading.opaque, null);
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("after an opaque command inside BEGIN the target is asked at once, and again when it has ended", async () => {
  const talk = await opened();
  await runs(talk, "BEGIN", "T");
  await runs(talk, "DO magic", "T");
  talk.client.say(query("SELECT 1"));
  await talk.namesAndMore([], "T");
  await talk.target.hears(query("SELECT 1"));
  const { names } = talk.reader.asked.at(-1)!;
  assert.deepEqual([names.definesPending, names.pending], [true, undefined]); // it may have defined anything
  talk.target.say(complete("SELECT 1"), ready("T"));
  await talk.client.hears(complete("SELECT 1"), ready("T"));
  await runs(talk, "COMMIT", "I");
  talk.client.say(query("SELECT 2"));
  await talk.namesAndMore([], "I", ["shadow"]);
  await talk.target.hears(query("SELECT 2"));
  assert.deepEqual(talk.reader.asked.at(-1)!.names.pending, ["orders/pg_temp.shadow"]);
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("a Parse the target refuses is forgotten: the statement it had stays", async () => {
  const talk = await opened();
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
  assert.equal(last(talk).text, "SELECT old");
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("names are the target's: equal in their first 63 bytes is equal", async () => {
  const talk = await opened();
  const long = "n".repeat(63);
  talk.client.say(parse(`${long}x`, "INSERT a"), bind({ portal: "", statement: `${long}y` }), execute(""), sync());
  await talk.target.message();
  await talk.target.message();
  await talk.target.message();
  assert.equal(last(talk).text, "INSERT a");
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("EXECUTE of SQL has the effects of what was prepared, FETCH those of its cursor; unknown ones are opaque", async () => {
  const talk = await opened();
  const prepare = { kind: "prepare", name: "q", text: "INSERT y", parameters: null } as const;
  const run = { kind: "execute", name: "q", text: null, parameters: ["1"] } as const;
  const declare = { kind: "declare", name: "c", text: "SELECT secret", parameters: null } as const;
  const fetch = { kind: "fetch", name: "c", text: null, parameters: null } as const;
  talk.reader.texts.set("PREPARE q", reading({ handle: prepare, changes: ["prepared"] }));
  talk.reader.texts.set("EXECUTE q", reading({ handle: run, statements: ["EXECUTE"] }));
  talk.reader.texts.set("DECLARE c", reading({ handle: declare, effects: [effect("read")] }));
  talk.reader.texts.set("FETCH c", reading({ handle: fetch, statements: ["FETCH"] }));
  talk.reader.texts.set("FETCH other", reading({ handle: { ...fetch, name: "other" }, statements: ["FETCH"] }));
  await runs(talk, "PREPARE q");
  await runs(talk, "EXECUTE q");
  assert.deepEqual([last(talk).reading.effects[0]?.operation, last(talk).parameters], ["write", ["1"]]);
  await runs(talk, "DECLARE c");
  await runs(talk, "FETCH c");
  assert.equal(last(talk).reading, talk.reader.texts.get("SELECT secret"));
  talk.client.say(query("FETCH other"));
  await talk.target.hears(query("FETCH other"));
  assert.notEqual(last(talk).reading.opaque, null);
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("after an opaque command only what the target confirms is still known", async () => {
  const talk = await opened();
  talk.client.say(parse("kept", "SELECT kept"), parse("gone", "SELECT gone"), sync());
  await talk.target.hears(parse("kept", "SELECT kept"), parse("gone", "SELECT gone"), sync());
  talk.target.say(parseComplete, parseComplete, ready("I"));
  await talk.client.hears(parseComplete, parseComplete, ready("I"));
  await runs(talk, "DO magic");
  talk.client.say(bind({ portal: "", statement: "kept" }), execute(""), sync());
  await talk.namesAndMore([
    ["kept", "SELECT kept"],
    ["gone", "DELETE instead"],
  ]);
  await talk.target.hears(bind({ portal: "", statement: "kept" }), execute(""), sync());
  assert.equal(last(talk).reading.opaque, null);
  talk.target.say(bindComplete, complete("SELECT 1"), ready("I"));
  talk.client.say(bind({ portal: "", statement: "gone" }), execute(""), sync());
  await talk.target.hears(bind({ portal: "", statement: "gone" }), execute(""), sync());
  assert.notEqual(last(talk).reading.opaque, null);
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("a pipelined COMMIT is judged when what it commits is known", async () => {
  const talk = await opened();
  const one = (text: string): Buffer[] => [parse("", text), bind({ portal: "", statement: "" }), execute("")];
  talk.client.say(...one("BEGIN"), ...one("INSERT x"), ...one("COMMIT"), sync());
  const done = (tag: string): Buffer[] => [parseComplete, bindComplete, complete(tag)];
  await talk.target.hears(...one("BEGIN"), ...one("INSERT x"), ...one("COMMIT").slice(0, 2), frame("H"));
  talk.target.say(...done("BEGIN"), ...done("INSERT 0 1"), parseComplete, bindComplete);
  await talk.target.hears(execute(""), sync());
  const insert = talk.gate.judged.at(-2)!.command.id;
  assert.deepEqual(
    talk.gate.judged.at(-1)!.commits.map(({ command }) => command),
    [insert],
  );
  talk.target.say(complete("COMMIT"), ready("I"));
  await talk.client.hears(...done("BEGIN"), ...done("INSERT 0 1"), ...done("COMMIT"), ready("I"));
  assert.deepEqual(talk.gate.done.at(-1)?.outcome.lasted, [insert]);
  await talk.bye();
});

test("COPY by Execute: the Sync sent with it is not answered, the one after CopyDone is", async () => {
  const talk = await opened();
  const batch = [parse("", "INSERT copy"), bind({ portal: "", statement: "" }), execute(""), sync()];
  talk.client.say(...batch);
  await talk.target.hears(...batch);
  talk.target.say(parseComplete, bindComplete, copyInResponse);
  await talk.client.hears(parseComplete, bindComplete, copyInResponse);
  talk.client.say(frame("d", Buffer.from("1\n")), frame("c"), sync());
  await talk.target.hears(frame("d", Buffer.from("1\n")), frame("c"), sync());
  talk.target.say(complete("COPY 1"), ready("I"));
  await talk.client.hears(complete("COPY 1"), ready("I"));
  await runs(talk, "SELECT 1");
  await talk.bye();
});

test("a Sync while COPY takes data stays here, as the target would ignore it", async () => {
  const talk = await opened();
  talk.client.say(query("INSERT copy"));
  await talk.target.hears(query("INSERT copy"));
  talk.target.say(copyInResponse);
  await talk.client.hears(copyInResponse);
  talk.client.say(sync(), frame("H"), frame("d", Buffer.from("1\n")), frame("c"));
  await talk.target.hears(frame("d", Buffer.from("1\n")), frame("c"));
  talk.target.say(complete("COPY 1"), ready("I"));
  await talk.client.hears(complete("COPY 1"), ready("I"));
  await runs(talk, "SELECT 1");
  await talk.bye();
});

test("another command where COPY data is due ends the session", async () => {
  const talk = await opened();
  talk.client.say(query("INSERT copy"));
  await talk.target.hears(query("INSERT copy"));
  talk.target.say(copyInResponse);
  await talk.client.hears(copyInResponse);
  talk.client.say(query("SELECT 1"));
  assert.equal((await talk.client.report()).get("C"), "08P01");
  assert.equal(talk.cancelled, 1);
});

test("garbage from either side ends the session with a clear error", async () => {
  const one = await opened();
  one.client.say(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  assert.equal((await one.client.report()).get("C"), "08P01");
  await one.client.isClosed();
  const two = await opened();
  two.target.say(complete("SELECT 1"));
  assert.equal((await two.client.report()).get("C"), "08P01");
  const three = await opened();
  three.client.say(frame("Q", Buffer.from("SELECT 1\0; DROP TABLE x\0")));
  assert.equal((await three.client.report()).get("C"), "08P01");
});

test("search_path is split as the target writes it", () => {
  assert.deepEqual(splitPath('"$user", public'), ["$user", "public"]);
  assert.deepEqual(splitPath('"a,b", "q""x", c'), ["a,b", 'q"x', "c"]);
  assert.deepEqual(splitPath('""'), [""]);
});

test("however both sides' bytes are cut, the conversation is the same (law)", async () => {
  const fromClient = Buffer.concat([
    query("SELECT 1"),
    parse("s", "SELECT $1"),
    describe("S", "s"),
    bind({ portal: "", statement: "s", parameters: [Buffer.from("v")] }),
    execute(""),
    sync(),
    query("INSERT x"),
    parse("", "BAD"),
    sync(),
  ]);
  const row = dataRow("abc", null, "d".repeat(50));
  const columns = rowDescription({ name: "a" }, { name: "b" }, { name: "c" });
  const error = errorResponse({ severity: "ERROR", code: "42601", message: "bad" });
  const answers = [
    [columns, row, row, row, complete("SELECT 3"), ready("I")],
    [parseComplete, noData, bindComplete, row, row, complete("SELECT 2"), ready("I")],
    [complete("INSERT 0 1"), ready("I"), error, ready("I")],
  ].map((messages) => Buffer.concat(messages));
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(sizes, sizes, async (client, target) => {
      const talk = await opened();
      for (const piece of cut(fromClient, client)) talk.client.stream.write(piece);
      await talk.target.hears(fromClient);
      for (const piece of cut(Buffer.concat(answers), target)) talk.target.stream.write(piece);
      await talk.client.hears(...answers);
      assert.deepEqual(
        talk.gate.done.map(({ text, outcome }) => [text, outcome.outcome, outcome.rows, outcome.lasted.length]),
        [
          ["SELECT 0", "ok", 0, 0],
          ["SELECT 1", "ok", 3, 0],
          ["SELECT $1", "ok", 2, 0],
          ["INSERT x", "ok", 0, 1],
        ],
      );
      await talk.bye();
    }),
    { numRuns: 60 },
  );
});

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield Buffer.from(bytes.subarray(at, at + size));
    at += size;
  }
}
