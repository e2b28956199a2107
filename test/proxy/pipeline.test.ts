/** Pipelines, COPY, broken peers, and that the cut of the bytes never matters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  bind,
  describe,
  errorResponse,
  execute,
  parse,
  query,
  sync,
} from "../../services/gateway/postgres/messages.ts";
import { FakeHeld, hold } from "./doubles.ts";
import {
  bindComplete,
  complete,
  copyInResponse,
  dataRow,
  frame,
  noData,
  parseComplete,
  ready,
  rowDescription,
  Talk,
} from "./talk.ts";

test("a pipelined COMMIT is judged when what it commits is known", async () => {
  const talk = await Talk.opened();
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

test("INSERTs whose values stand in their texts are one effect of their COMMIT, unless a trace tells them apart", async () => {
  const talk = await Talk.opened();
  const traced = `INSERT 3 /*traceparent='00-${"a".repeat(32)}-${"b".repeat(16)}-01'*/`;
  for (const text of ["BEGIN", "INSERT 1", "INSERT 2", traced]) await talk.runs(text, "T");
  await talk.runs("COMMIT");
  const commits = talk.gate.judged.at(-1)?.commits.map(({ command }) => command);
  assert.deepEqual(
    talk.gate.judged.filter(({ command }) => commits?.includes(command.id)).map(({ command }) => command.text),
    ["INSERT 2", traced],
  );
  await talk.bye();
});

const one = (text: string): Buffer[] => [parse("", text), bind({ portal: "", statement: "" }), execute("")];
const duplicate = errorResponse({ severity: "ERROR", code: "23505", message: "duplicate key" });

/** What came of a text, as it was reported. */
function reported(talk: Talk, text: string) {
  const done = talk.gate.done.filter((one) => one.text === text);
  return done.map(({ outcome: { outcome, code, shown, undone } }) => ({ outcome, code, shown, undone: undone.length }));
}

test("what waits for its record while something before it in its batch fails is skipped, as the target skips it", async () => {
  const talk = await Talk.opened();
  talk.gate.instant = false;
  talk.client.say(...one("SELECT 1"), ...one("INSERT x"), sync());
  await talk.target.hears(...one("SELECT 1"), ...one("INSERT x").slice(0, 2));
  talk.target.say(parseComplete, bindComplete, duplicate);
  await talk.target.hearsNothing();
  talk.gate.sync();
  await talk.client.hears(parseComplete, bindComplete, duplicate);
  await talk.target.hears(sync());
  talk.target.say(ready("I"));
  await talk.client.hears(ready("I"));
  assert.deepEqual(reported(talk, "INSERT x"), [{ outcome: "error", code: "25P02", shown: false, undone: 1 }]);
  talk.gate.instant = true;
  await talk.runs("SELECT 2");
  await talk.bye();
});

test("what is held while something before it in its batch fails is given up, and never runs", async () => {
  const talk = await Talk.opened();
  const waiting = new FakeHeld("wait");
  talk.gate.nextHeld = waiting;
  talk.gate.verdict = (command) => (command.text.startsWith("DELETE") ? hold : { ...hold, ruling: "allow" });
  talk.client.say(...one("SELECT 1"), ...one("DELETE x"), sync());
  await talk.target.hears(...one("SELECT 1"), ...one("DELETE x").slice(0, 2), frame("H"));
  await talk.client.report("N");
  talk.target.say(parseComplete, bindComplete, duplicate);
  await talk.client.hears(parseComplete, bindComplete, duplicate);
  await talk.target.hears(sync());
  assert.ok(waiting.gaveUp);
  talk.target.say(ready("I"));
  await talk.client.hears(ready("I"));
  await talk.runs("SELECT 2");
  await talk.bye();
});

test("COPY by Execute: the Sync sent with it is not answered, the one after CopyDone is", async () => {
  const talk = await Talk.opened();
  const batch = [parse("", "INSERT copy"), bind({ portal: "", statement: "" }), execute(""), sync()];
  talk.client.say(...batch);
  await talk.target.hears(...batch);
  talk.target.say(parseComplete, bindComplete, copyInResponse);
  await talk.client.hears(parseComplete, bindComplete, copyInResponse);
  talk.client.say(frame("d", Buffer.from("1\n")), frame("c"), sync());
  await talk.target.hears(frame("d", Buffer.from("1\n")), frame("c"), sync());
  talk.target.say(complete("COPY 1"), ready("I"));
  await talk.client.hears(complete("COPY 1"), ready("I"));
  await talk.runs("SELECT 1");
  await talk.bye();
});

test("a Sync while COPY takes data stays here, as the target would ignore it", async () => {
  const talk = await Talk.opened();
  talk.client.say(query("INSERT copy"));
  await talk.target.hears(query("INSERT copy"));
  talk.target.say(copyInResponse);
  await talk.client.hears(copyInResponse);
  talk.client.say(sync(), frame("H"), frame("d", Buffer.from("1\n")), frame("c"));
  await talk.target.hears(frame("d", Buffer.from("1\n")), frame("c"));
  talk.target.say(complete("COPY 1"), ready("I"));
  await talk.client.hears(complete("COPY 1"), ready("I"));
  await talk.runs("SELECT 1");
  await talk.bye();
});

test("another command where COPY data is due ends the session", async () => {
  const talk = await Talk.opened();
  talk.client.say(query("INSERT copy"));
  await talk.target.hears(query("INSERT copy"));
  talk.target.say(copyInResponse);
  await talk.client.hears(copyInResponse);
  talk.client.say(query("SELECT 1"));
  assert.equal((await talk.client.report()).get("C"), "08P01");
  assert.equal(talk.cancelled, 1);
});

test("garbage from either side ends the session with a clear error", async () => {
  const one = await Talk.opened();
  one.client.say(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  assert.equal((await one.client.report()).get("C"), "08P01");
  await one.client.isClosed();
  const two = await Talk.opened();
  two.target.say(complete("SELECT 1"));
  assert.equal((await two.client.report()).get("C"), "08P01");
  const three = await Talk.opened();
  three.client.say(frame("Q", Buffer.from("SELECT 1\0; DROP TABLE x\0")));
  assert.equal((await three.client.report()).get("C"), "08P01");
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
      const talk = await Talk.opened();
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
