/** The ways round that DETECTION §2 closes, each tried by an insider who has read it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { chainRule, type Played, play, usual } from "./play.ts";

const start = Date.UTC(2026, 0, 1);
const [customers, staging, reporting] = ["customers", "staging", "reporting"].map((name) => `orders/public.${name}`);
const lastStep = "9m load delete orders/public.staging";

type Effect = { operation: string; reads?: string[]; writes?: string[]; ends?: string[]; destroys?: boolean };

/** One record of a command. */
function say(played: Played, type: string, command: string, account: string, data: object): void {
  const subject = { session: account, command, identity: account, account, target: "orders" };
  const id = `${type} ${command} ${played.entries.length}`;
  played.fold({ type, id, atMs: start, source: "gateway/g", role: "gateway", subject, data } as unknown as Entry);
}

function decide(played: Played, command: string, account: string, effects: Effect[], more: object = {}): void {
  const whole = effects.map((effect) => ({ reads: [], writes: [], ends: [], destroys: false, ...effect }));
  const facts = { kind: "query", effects: whole, opaque: null, undoable: true, transaction: { kind: "none" } };
  say(played, "command.decided", command, account, {
    ...facts,
    ...more,
    ruling: "allow",
    approval: null,
    intent: null,
  });
}

function finish(played: Played, command: string, account: string, more: object = {}): void {
  const data = { outcome: "ok", rows: 1, bytes: 1, tag: "", code: null, durationUs: 0, shown: true };
  say(played, "command.finished", command, account, { ...data, undone: [], lasted: [], ...more });
}

const night = () => play(chainRule(usual));
const reads: Effect = { operation: "read", reads: [customers ?? ""] };
const copy = (from = customers ?? "", to = staging ?? ""): Effect => ({
  operation: "transform",
  reads: [from],
  writes: [to],
});

test("read and roll back: what was shown has been read", () => {
  const ask = (shown: boolean) => {
    const played = night();
    decide(played, "r", "extract", [reads]);
    finish(played, "r", "extract", shown ? {} : { outcome: "error", shown: false });
    decide(played, "back", "extract", [], { transaction: { kind: "rollback" } });
    finish(played, "back", "extract", { undone: ["r"] });
    played.run("2m transform transform orders/public.customers -> orders/public.staging");
    return played.ask(lastStep).ruling;
  };
  assert.equal(ask(true), "hold");
  assert.equal(ask(false), "allow", "nothing of it reached the client");
});

test("delete first, let others build the chain, commit last: COMMIT asks", () => {
  const played = night();
  played.run("0s load begin\n1s load delete orders/public.staging");
  played.run(
    "2s extract read orders/public.customers\n3s transform transform orders/public.customers -> orders/public.staging",
  );
  assert.equal(played.ask("4s load commit").ruling, "hold");
});

test("what BEGIN and COMMIT leave behind that nobody began: COMMIT still makes the copy a step", () => {
  const control = (played: Played, command: string, kind: string, finished = {}) => {
    decide(played, command, "transform", [], { transaction: { kind } });
    finish(played, command, "transform", finished);
  };
  const rule = chainRule(usual.replace("by: [flow, lineage]", "by: [lineage]"));
  const committed = (before: (played: Played) => void, after: (played: Played) => void) => {
    const played = play(rule);
    before(played);
    decide(played, "copy", "transform", [copy()]);
    finish(played, "copy", "transform");
    after(played);
    played.run("1s extract read orders/public.customers");
    control(played, "last", "commit", { lasted: ["copy"] });
    return played.ask(lastStep).ruling;
  };
  const begin = (played: Played) => control(played, "begin", "begin");
  assert.equal(
    committed(begin, (played) => control(played, "again", "begin")),
    "hold",
    "a second BEGIN is a warning",
  );
  const chained = (played: Played) => {
    begin(played);
    control(played, "chain", "commit");
  };
  assert.equal(
    committed(chained, () => {}),
    "hold",
    "COMMIT AND CHAIN begins the next",
  );
  const failed = (played: Played) => {
    control(played, "failed", "commit", { outcome: "error" });
    control(played, "back", "rollback_to");
  };
  assert.equal(committed(begin, failed), "hold", "a COMMIT that the target skipped ends nothing");
  const lasts = (played: Played) => finish(played, "copy", "transform", { lasted: ["copy"] });
  assert.equal(
    committed(() => {}, lasts),
    "allow",
    "what lasted before is no part of it",
  );
});

test("truncate and roll back to a savepoint: nothing has ended, and the copy is still tagged", () => {
  const played = night();
  played.run(
    "0s extract read orders/public.customers\n1s transform transform orders/public.customers -> orders/public.staging",
  );
  decide(played, "t", "load", [
    { operation: "delete", writes: [staging ?? ""], ends: [staging ?? ""], destroys: true },
  ]);
  finish(played, "t", "load");
  decide(played, "s", "load", [], { transaction: { kind: "rollback_to" } });
  finish(played, "s", "load", { undone: ["t"] });
  decide(played, "c", "load", [], { transaction: { kind: "commit" } });
  finish(played, "c", "load");
  assert.deepEqual(played.correlator.tagsOf(staging ?? ""), ["pii", "pii.email"]);
  assert.equal(played.ask(lastStep).ruling, "hold");
});

test("one DO block: it may be any step, and what it does besides what was read of it ends nothing", () => {
  const played = night();
  played.run(
    "0s extract read orders/public.customers\n1s transform transform orders/public.customers -> orders/public.staging",
  );
  const opaque = { opaque: "DO", undoable: false };
  const wide = { reads: ["orders"], writes: ["orders"], ends: ["orders"], destroys: true };
  decide(played, "do", "load", [{ operation: "delete", ...wide }], opaque);
  finish(played, "do", "load", { lasted: ["do"] });
  assert.deepEqual(played.correlator.tagsOf(staging ?? ""), ["pii", "pii.email"]);
  const answer = played.ask("9m load delete orders opaque=true");
  assert.deepEqual([answer.ruling, answer.enforced[0]?.strength], ["hold", "weak"]);
});

test("a clock that jumps is told, and moves no step out of order", () => {
  const played = night();
  played.run(
    "0s extract read orders/public.customers\n1s transform transform orders/public.customers -> orders/public.staging",
  );
  const tick = (id: string, atMs: number) =>
    played.fold({ type: "clock.ticked", id, atMs, source: "correlator/c", role: "correlator", subject: {}, data: {} });
  tick("one", start + 2_000);
  tick("two", start + 3_600_000);
  const kinds = played.outputs.flatMap((output) => (output.type === "alert.raised" ? [output.data.kind] : []));
  assert.deepEqual(kinds, ["clock.jumped"]);
  assert.equal(played.ask("2h load delete orders/public.staging").ruling, "hold");
});

test("a copy that waits for a lock: the step is what it was when it ended, and its place is tagged", () => {
  const rule = chainRule(usual.replace("by: [lineage, actor, task]", "by: [lineage]").replace("min: 2", "min: 3"));
  const waited = (loads: boolean) => {
    const played = play(rule);
    played.run("0s extract read orders/public.customers");
    decide(played, "copy", "transform", [copy(staging, reporting)]);
    if (loads) decide(played, "load", "extract", [copy()]);
    if (loads) finish(played, "load", "extract", { lasted: ["load"] });
    finish(played, "copy", "transform", { lasted: ["copy"] });
    if (!loads) decide(played, "load", "extract", [copy()]);
    return played;
  };
  const played = waited(true);
  assert.deepEqual(played.correlator.tagsOf(reporting ?? ""), ["pii", "pii.email"]);
  const { ruling, enforced } = played.ask("9m load delete orders/public.reporting");
  assert.equal(ruling, "hold");
  assert.equal(enforced[0]?.steps[1]?.command, "copy", "the copy that waited is the second step");
  assert.equal(waited(false).ask("9m load delete orders/public.reporting").ruling, "allow");
});

test("closing the connection of a copy that waits launders nothing", () => {
  const played = night();
  decide(played, "copy", "transform", [copy(staging, reporting)]);
  say(played, "session.closed", "none", "transform", { reason: "gone", commands: 1, clientBytes: 0, targetBytes: 0 });
  played.run(
    "0s extract read orders/public.customers\n1s extract transform orders/public.customers -> orders/public.staging",
  );
  assert.deepEqual(played.correlator.tagsOf(reporting ?? ""), ["pii", "pii.email"]);
});
