/** Holding: the client is told at once, the target hears nothing, and exactly what was approved runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Content } from "../../services/gateway/content.ts";
import {
  bind,
  copyFail,
  errorResponse,
  execute,
  parse,
  query,
  sync,
} from "../../services/gateway/postgres/messages.ts";
import { FakeHeld, hold, reading } from "./doubles.ts";
import { bindComplete, complete, copyInResponse, frame, parseComplete, ready, Talk } from "./talk.ts";

const substitute = query("refused_by_throughline");
const substituteParse = parse("throughline:refused", "refused_by_throughline");
const syntaxError = errorResponse({ severity: "ERROR", code: "42601", message: "syntax error" });

/** A DELETE that is held, up to the NOTICE. */
async function held(mode: "wait" | "retry" = "wait"): Promise<{ talk: Talk; waiting: FakeHeld }> {
  const talk = new Talk();
  const waiting = new FakeHeld(mode);
  talk.gate.nextHeld = waiting;
  talk.gate.verdict = (command) => (command.text.startsWith("DELETE") ? hold : { ...hold, ruling: "allow" });
  talk.client.say(query("DELETE x"));
  await talk.names();
  if (mode === "retry") return { talk, waiting };
  const notice = await talk.client.report("N");
  assert.deepEqual([notice.get("S"), notice.get("C")], ["NOTICE", "00000"]);
  assert.match(notice.get("M")!, /^Held by Throughline: It would complete a chain\./);
  assert.match(notice.get("D")!, /chain-rule.*Command c1/);
  assert.match(notice.get("H")!, /http:\/\/console\/approvals\/a1/);
  await talk.target.hearsNothing();
  return { talk, waiting };
}

async function refused(talk: Talk, code: string, message: RegExp): Promise<void> {
  await talk.target.hears(substitute);
  talk.target.say(syntaxError, ready("I"));
  const error = await talk.client.report();
  assert.equal(error.get("C"), code);
  assert.match(error.get("M")!, message);
  await talk.client.hears(ready("I"));
}

test("approved: read again with the catalog made anew, judged again, and then exactly it runs", async () => {
  const { talk, waiting } = await held();
  talk.gate.verdict = () => ({ ...hold, ruling: "allow" });
  talk.gate.instant = false;
  talk.gate.sync();
  waiting.answer("approved");
  await talk.target.hearsNothing(); // approval.used is not durable yet
  assert.equal(talk.reader.refreshed, 1);
  talk.gate.sync();
  await talk.target.hears(query("DELETE x"));
  assert.deepEqual(
    talk.gate.judged.map(({ command }) => command.id),
    ["c1", "c1"],
  );
  talk.target.say(complete("DELETE 3"), ready("I"));
  await talk.client.hears(complete("DELETE 3"), ready("I"));
  await talk.bye();
});

test("approved, but it means something else by now: held again", async () => {
  const { talk, waiting } = await held();
  talk.reader.texts.set("DELETE x", reading({ resolution: "r2" }));
  const second = new FakeHeld("wait");
  talk.gate.nextHeld = second;
  waiting.answer("approved");
  await talk.client.report("N");
  await talk.target.hearsNothing();
  assert.equal(talk.gate.judged[1]?.command.reading.resolution, "r2");
  second.answer("refused");
  await refused(talk, "42501", /^Refused by an approver/);
  await talk.bye();
});

test("refused by a human: 42501, the session lives", async () => {
  const { talk, waiting } = await held();
  waiting.answer("refused");
  await refused(talk, "42501", /^Refused by an approver: It would complete a chain\./);
  talk.client.say(query("SELECT 1"));
  await talk.target.hears(query("SELECT 1"));
  talk.target.say(complete("SELECT 0"), ready("I"));
  await talk.client.hears(complete("SELECT 0"), ready("I"));
  await talk.bye();
});

test("nobody answers: 42501 that says so, and where the approval still is", async () => {
  const { talk, waiting } = await held();
  waiting.answer("expired");
  await refused(talk, "42501", /^Nobody answered in time/);
  await talk.bye();
});

test("the client cancels: 57014, the hold is given up, the target is not disturbed", async () => {
  const { talk, waiting } = await held();
  assert.equal(talk.wire.onCancel?.(), true);
  await refused(talk, "57014", /canceling statement due to user request/);
  assert.ok(waiting.gaveUp);
  assert.equal(talk.wire.onCancel, null);
  await talk.bye();
});

test("the client goes away: the hold is given up, the command never runs", async () => {
  const { talk, waiting } = await held();
  talk.client.stream.end();
  await talk.target.hears(substitute, frame("X")); // a transaction around it fails, as for everybody who is refused
  assert.ok(waiting.gaveUp);
  talk.target.stream.end();
  assert.equal((await talk.served).reason, "the client went away");
});

test("the Grant ends while it waits: FATAL 57P01, the hold is given up", async () => {
  const { talk, waiting } = await held();
  talk.wire.session.ending = "the Grant was revoked";
  talk.wire.onEnding?.("the Grant was revoked");
  const error = await talk.client.report();
  assert.deepEqual([error.get("S"), error.get("C")], ["FATAL", "57P01"]);
  assert.ok(waiting.gaveUp);
  await talk.target.hears(frame("X"));
});

test("retry: refused at once, with the approval's address", async () => {
  const { talk } = await held("retry");
  await talk.target.hears(substitute);
  talk.target.say(syntaxError, ready("I"));
  const error = await talk.client.report();
  assert.equal(error.get("C"), "42501");
  assert.match(error.get("H")!, /approvals\/a1.*run the same statement again/);
  await talk.client.hears(ready("I"));
  await talk.bye();
});

test("what follows a held command waits behind it", async () => {
  const { talk, waiting } = await held();
  talk.client.say(query("SELECT 1"));
  await talk.target.hearsNothing();
  talk.gate.verdict = () => ({ ...hold, ruling: "allow" });
  waiting.answer("approved");
  await talk.target.hears(query("DELETE x"), query("SELECT 1"));
  assert.equal(talk.gate.judged.at(-1)?.command.text, "SELECT 1");
  talk.client.stream.destroy();
  talk.target.stream.destroy();
});

test("a held Execute: what its pipeline did before is shown while it waits", async () => {
  const talk = new Talk();
  const waiting = new FakeHeld("wait");
  talk.gate.nextHeld = waiting;
  talk.gate.verdict = (command) => (command.text.startsWith("DELETE") ? hold : { ...hold, ruling: "allow" });
  const batch = (text: string): Buffer[] => [parse("", text), bind({ portal: "", statement: "" })];
  talk.client.say(...batch("SELECT 1"), execute(""), ...batch("DELETE x"), execute(""), sync());
  await talk.names();
  await talk.target.hears(...batch("SELECT 1"), execute(""), ...batch("DELETE x"), frame("H"));
  await talk.client.report("N");
  const answers = [parseComplete, bindComplete, complete("SELECT 1"), parseComplete, bindComplete];
  talk.target.say(...answers);
  await talk.client.hears(...answers);
  assert.equal(talk.gate.judged.at(-1)?.inTransaction, true); // the implicit one keeps its locks
  talk.gate.verdict = () => ({ ...hold, ruling: "allow" });
  waiting.answer("approved");
  await talk.target.hears(execute(""), sync());
  talk.target.say(complete("DELETE 1"), ready("I"));
  await talk.client.hears(complete("DELETE 1"), ready("I"));
  await talk.bye();
});

test("the client goes away while it waits: what it sent behind it in the same batch does not last without it", async () => {
  const talk = new Talk();
  const waiting = new FakeHeld("wait");
  talk.gate.nextHeld = waiting;
  talk.gate.verdict = (command) => (command.text.startsWith("DELETE") ? hold : { ...hold, ruling: "allow" });
  const batch = (text: string): Buffer[] => [parse("", text), bind({ portal: "", statement: "" }), execute("")];
  talk.client.say(...batch("DELETE x"), ...batch("INSERT y"), sync());
  await talk.names();
  await talk.client.report("N");
  await talk.target.hears(...batch("DELETE x").slice(0, 2), frame("H"));
  talk.client.stream.end();
  await talk.target.hears(substituteParse, sync(), frame("X"));
  assert.ok(waiting.gaveUp);
  assert.deepEqual(
    talk.gate.judged.map(({ command }) => command.text),
    ["DELETE x"],
  );
  talk.drop();
});

test("held when the client is gone already: given up at once, it never runs", async () => {
  const { talk, waiting } = await held();
  const second = new FakeHeld("wait");
  talk.gate.nextHeld = second;
  talk.client.say(query("DELETE y"));
  talk.client.stream.end();
  await talk.target.hears(substitute, substitute, frame("X"));
  assert.ok(waiting.gaveUp && second.gaveUp);
  talk.target.stream.end();
  assert.equal((await talk.served).reason, "the client went away");
});

test("the end of a COPY that is held when its client goes: the target is told to give it up", async () => {
  const talk = await Talk.opened();
  const waiting = new FakeHeld("wait");
  talk.gate.nextHeld = waiting;
  talk.gate.verdict = ({ kind }) => (kind === "copy" ? hold : { ...hold, ruling: "allow" });
  const bringing = { value: () => {}, found: new Map(), row: () => {}, say: () => true };
  talk.gate.content = { bringing: () => bringing } as unknown as Content;
  const data = frame("d", Buffer.from("1\n"));
  talk.client.say(query("INSERT copy"));
  await talk.target.hears(query("INSERT copy"));
  talk.target.say(copyInResponse);
  await talk.client.hears(copyInResponse);
  talk.client.say(data, frame("c"));
  await talk.target.hears(data);
  await talk.client.report("N");
  talk.client.stream.end();
  await talk.target.hears(copyFail("refused by the gateway"), frame("X"));
  assert.ok(waiting.gaveUp);
  talk.target.stream.end();
  await talk.served;
});
