/** Promise 3: what is refused never reaches the target, the session lives, and both agree about the transaction. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bind,
  describe,
  errorResponse,
  execute,
  parse,
  query,
  sync,
} from "../../services/gateway/postgres/messages.ts";
import { block } from "./doubles.ts";
import { bindComplete, complete, frame, parseComplete, ready, Talk } from "./talk.ts";

const substituteQuery = query("refused_by_throughline");
const substituteParse = parse("throughline:refused", "refused_by_throughline");
const syntaxError = errorResponse({ severity: "ERROR", code: "42601", message: "syntax error" });

async function opened(options: Parameters<typeof Talk.opened>[0] = {}): Promise<Talk> {
  const talk = await Talk.opened(options);
  talk.gate.verdict = (command) => (command.text.startsWith("DELETE") ? block : { ...block, ruling: "allow" });
  return talk;
}

async function refused(talk: Talk): Promise<void> {
  const error = await talk.client.report();
  assert.equal(error.get("S"), "ERROR");
  assert.equal(error.get("C"), "42501");
  assert.equal(error.get("M"), block.sentence);
  assert.match(error.get("D")!, /no-deletes.*Command c\d+/);
  assert.ok(error.get("H"));
}

test("a refused Query is replaced by one that cannot parse; its error is ours, its state the target's", async () => {
  const talk = await opened();
  talk.client.say(query("DELETE everything"));
  await talk.target.hears(substituteQuery);
  talk.target.say(syntaxError, ready("E"));
  await refused(talk);
  await talk.client.hears(ready("E"));
  talk.client.say(query("SELECT 1"));
  await talk.target.hears(query("SELECT 1"));
  talk.target.say(complete("SELECT 0"), ready("E"));
  await talk.client.hears(complete("SELECT 0"), ready("E"));
  assert.ok(!talk.gate.done.some(({ text }) => text.startsWith("DELETE")));
  await talk.bye();
});

test("a refused Execute in the middle of a pipeline: what came before is answered, what follows is skipped to Sync", async () => {
  const talk = await opened();
  const before = [parse("", "SELECT 1"), bind({ portal: "", statement: "" }), execute("")];
  const refusedBatch = [parse("", "DELETE x"), bind({ portal: "", statement: "" })];
  const after = [parse("", "SELECT 2"), bind({ portal: "", statement: "" }), execute("")];
  talk.client.say(...before, ...refusedBatch, execute(""), ...after, sync());
  await talk.target.hears(...before, ...refusedBatch, substituteParse, sync());
  const answers = [parseComplete, bindComplete, complete("SELECT 1"), parseComplete, bindComplete];
  talk.target.say(...answers, syntaxError, ready("I"));
  await talk.client.hears(...answers);
  await refused(talk);
  await talk.client.hears(ready("I"));
  assert.ok(!talk.gate.judged.some(({ command }) => command.text === "SELECT 2"));
  await talk.bye();
});

test("what is skipped because something before it failed is reported as never run", async () => {
  const talk = await opened();
  const batch = (text: string): Buffer[] => [parse("", text), bind({ portal: "", statement: "" }), execute("")];
  talk.client.say(...batch("SELECT boom"), ...batch("SELECT 2"), sync());
  await talk.target.hears(...batch("SELECT boom"), ...batch("SELECT 2"), sync());
  const error = errorResponse({ severity: "ERROR", code: "22012", message: "division by zero" });
  talk.target.say(parseComplete, bindComplete, error, ready("I"));
  await talk.client.hears(parseComplete, bindComplete, error, ready("I"));
  const skipped = talk.gate.done.find(({ text }) => text === "SELECT 2")!;
  const { outcome, shown, undone } = skipped.outcome;
  assert.deepEqual([outcome, shown, undone], ["error", false, [skipped.id]]);
  await talk.bye();
});

test("an error before the substitute is the target's own, and the refusal is never said", async () => {
  const talk = await opened();
  const batch = [parse("", "SELECT boom"), bind({ portal: "", statement: "" }), execute("")];
  const doomed = [parse("", "DELETE x"), bind({ portal: "", statement: "" })];
  talk.client.say(...batch, ...doomed, execute(""), sync());
  await talk.target.hears(...batch, ...doomed, substituteParse, sync());
  const error = errorResponse({ severity: "ERROR", code: "22012", message: "division by zero" });
  talk.target.say(parseComplete, bindComplete, error, ready("I"));
  await talk.client.hears(parseComplete, bindComplete, error, ready("I"));
  await talk.bye();
});

test("Parse, Bind and Describe are refused in their place", async () => {
  const talk = await opened();
  talk.gate.preview_ = (command) => (command.text.startsWith("DELETE") ? block : { ...block, ruling: "allow" });
  talk.client.say(parse("s", "DELETE x"), bind({ portal: "", statement: "s" }), describe("P", ""), execute(""), sync());
  await talk.target.hears(substituteParse, sync());
  talk.target.say(syntaxError, ready("I"));
  await refused(talk);
  await talk.client.hears(ready("I"));
  talk.gate.preview_ = () => ({ ...block, ruling: "allow" });
  talk.client.say(parse("s", "DELETE x"), sync());
  await talk.target.hears(parse("s", "DELETE x"), sync());
  talk.target.say(parseComplete, ready("I"));
  await talk.client.hears(parseComplete, ready("I"));
  talk.gate.preview_ = () => block;
  for (const message of [bind({ portal: "p", statement: "s" }), describe("S", "s")]) {
    talk.client.say(message, sync());
    await talk.target.hears(substituteParse, sync());
    talk.target.say(syntaxError, ready("I"));
    await refused(talk);
    await talk.client.hears(ready("I"));
  }
  await talk.bye();
});

test("the refusal of a Parse waits for its record", async () => {
  const talk = await opened();
  talk.gate.sync(); // what came before is durable
  talk.gate.instant = false;
  talk.gate.preview_ = () => block;
  talk.client.say(parse("s", "DELETE x"), sync());
  await talk.target.hears(substituteParse, sync());
  talk.target.say(syntaxError, ready("I"));
  await talk.client.hearsNothing();
  talk.gate.sync();
  await refused(talk);
  await talk.client.hears(ready("I"));
  await talk.bye();
});

test("a refused Parse of the unnamed statement makes the target forget the old one, as it would have", async () => {
  const talk = await opened();
  talk.gate.preview_ = (command) => (command.text.startsWith("DELETE") ? block : { ...block, ruling: "allow" });
  talk.client.say(parse("", "DELETE x"), sync());
  await talk.target.hears(parse("", "refused_by_throughline"), sync());
  talk.target.say(syntaxError, ready("I"));
  await refused(talk);
  await talk.client.hears(ready("I"));
  await talk.bye();
});

test("a refused Parse of the unnamed statement is forgotten here too", async () => {
  const talk = await opened();
  talk.client.say(parse("", "SELECT old"), sync());
  await talk.target.hears(parse("", "SELECT old"), sync());
  talk.target.say(parseComplete, ready("I"));
  await talk.client.hears(parseComplete, ready("I"));
  talk.gate.preview_ = (command) => (command.text.startsWith("DELETE") ? block : { ...block, ruling: "allow" });
  talk.client.say(parse("", "DELETE x"), sync(), bind({ portal: "", statement: "" }), execute(""), sync());
  await talk.target.hears(parse("", "refused_by_throughline"), sync());
  await talk.target.hears(bind({ portal: "", statement: "" }), execute(""), sync());
  assert.notEqual(talk.gate.judged.at(-1)?.command.reading.opaque, null);
  talk.drop();
});

test("a refused FunctionCall becomes a call of no function", async () => {
  const talk = await opened();
  talk.gate.verdict = () => block;
  const call = frame("F", Buffer.from([0, 0, 4, 1, 0, 0, 0, 0, 0, 0]));
  talk.client.say(call);
  await talk.target.hears(frame("F", Buffer.alloc(10)));
  talk.target.say(errorResponse({ severity: "ERROR", code: "42883", message: "no function" }), ready("I"));
  await refused(talk);
  await talk.client.hears(ready("I"));
  assert.equal(talk.gate.judged.at(-1)?.command.reading.opaque !== null, true);
  await talk.bye();
});

test("a refusal whose substitute did not fail ends the session: then we know nothing", async () => {
  const talk = await opened();
  talk.client.say(query("DELETE everything"));
  await talk.target.hears(substituteQuery);
  talk.target.say(complete("DELETE 5"));
  const error = await talk.client.report();
  assert.equal(error.get("S"), "FATAL");
  await talk.client.isClosed();
});

test("a refused Execute whose substitute succeeds ends the session as well", async () => {
  const talk = await opened();
  talk.client.say(parse("", "DELETE x"), bind({ portal: "", statement: "" }), execute(""), sync());
  await talk.target.hears(parse("", "DELETE x"), bind({ portal: "", statement: "" }), substituteParse, sync());
  talk.target.say(parseComplete, bindComplete);
  await talk.client.hears(parseComplete, bindComplete);
  talk.target.say(parseComplete);
  assert.equal((await talk.client.report()).get("S"), "FATAL");
});

test("a statement over the limit is refused unread, and the session lives", async () => {
  const talk = await opened({ bounds: { statementBytesMax: 1000 } });
  const huge = query(`SELECT '${"x".repeat(5000)}'`);
  for (let at = 0; at < huge.length; at += 700) talk.client.say(huge.subarray(at, at + 700));
  await talk.target.hears(substituteQuery);
  talk.target.say(syntaxError, ready("I"));
  assert.equal((await talk.client.report()).get("C"), "54000");
  await talk.client.hears(ready("I"));
  const parseHuge = parse("", `SELECT '${"x".repeat(5000)}'`);
  talk.client.say(parseHuge, bind({ portal: "", statement: "" }), sync());
  await talk.target.hears(substituteParse, sync());
  talk.target.say(syntaxError, ready("I"));
  assert.equal((await talk.client.report()).get("C"), "54000");
  await talk.client.hears(ready("I"));
  await talk.bye();
});

test("while the target skips to Sync, nothing more is judged or forwarded until Sync", async () => {
  const talk = await opened();
  talk.client.say(parse("", "SELECT boom"), frame("H"));
  await talk.target.hears(parse("", "SELECT boom"), frame("H"));
  talk.target.say(syntaxError);
  await talk.client.hears(syntaxError);
  assert.equal(talk.gate.failed.length, 1);
  talk.client.say(bind({ portal: "", statement: "" }), execute(""), query("SELECT 2"), sync());
  await talk.target.hears(sync());
  talk.target.say(ready("I"));
  await talk.client.hears(ready("I"));
  await talk.bye();
});

test("names of the gateway's own cannot be used", async () => {
  const talk = await opened();
  talk.client.say(parse("throughline:ask", "SELECT 1"), sync());
  await talk.target.hears(substituteParse, sync());
  talk.target.say(syntaxError, ready("I"));
  assert.equal((await talk.client.report()).get("C"), "42939");
  await talk.client.hears(ready("I"));
  await talk.bye();
});
