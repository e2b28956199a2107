/**
 * The judge of `make chaos`, on recorded histories: a good one has no findings, and one fault planted in it is found, each
 * under its own count. A checker that finds nothing would make every run look clean.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventType } from "../../schemas/event.ts";
import type { Attempt, Evidence, Logged } from "./evidence.ts";
import { type Findings, judge } from "./judge.ts";

const effect = (operation: string, reads: string[], writes: string[], destroys = false) => ({
  operation,
  reads: reads.map((name) => `orders/lot0001.${name}`),
  writes: writes.map((name) => `orders/lot0001.${name}`),
  ends: [],
  destroys,
});
const read = effect("read", ["customers#email"], []);
const copy = effect("transform", ["customers"], ["staging"]);
const destroy = effect("delete", [], ["staging"], true);

/** A log in the making: records get their positions, sequences and times in order. */
class History {
  readonly log: Logged[] = [];
  readonly attempts: Attempt[] = [];
  readonly given: { mark: string; atMs: number }[] = [];
  readonly #sequences = new Map<string, number>();

  say(source: string, type: EventType, data: unknown, subject: Partial<Logged["subject"]> = {}, marks: string[] = []) {
    const sequence = (this.#sequences.get(source) ?? 0) + 1;
    this.#sequences.set(source, sequence);
    const position = this.log.length + 1;
    const id = `${source}/s/${sequence}`;
    const who = { session: "s", command: "", identity: "", account: "", task: "", ...subject };
    const one: Logged = {
      ...{ position, atMs: position * 10, source, stream: "steps", sequence, digest: id, id, type },
      ...{ subject: who, data, marks },
    };
    this.log.push(one);
    return one;
  }

  /** A command that was asked, answered where it must be, recorded, run and finished. */
  command(account: string, effects: readonly object[], about: Partial<Attempt> & { approval?: string | null }) {
    const mark = `m1x${this.attempts.length + 1}`;
    const gateway = this.attempts.length % 2 === 0 ? "gateway/gw-a" : "gateway/gw-b";
    const subject = { command: `c${mark}`, identity: account, account, task: account };
    const { approval = null } = about;
    const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" } };
    const intent = about.completing
      ? this.say(gateway, "command.intended", { ...facts, commits: [] }, subject).id
      : null;
    if (approval !== null) {
      this.say("api/store", "approval.answered", { approval, answer: "approve" });
      this.say(gateway, "approval.used", { approval });
    }
    const isRefused = about.outcome === "refused";
    const said = { ...facts, ruling: isRefused ? "hold" : "allow", approval, intent };
    const decided = this.say(gateway, "command.decided", said, subject, [mark]);
    if (!isRefused) {
      this.given.push({ mark, atMs: decided.atMs + 2 });
      const finished = { outcome: "ok", shown: true, undone: [], lasted: [subject.command] };
      this.say(gateway, "command.finished", finished, subject);
    }
    this.attempts.push({
      ...{
        mark,
        lot: "lot0001",
        completing: false,
        shared: true,
        strict: false,
        relaxed: false,
        outcome: "ok",
        code: "",
      },
      ...{ because: "", receivedMs: decided.atMs + 5, leaked: false, ...about, approval },
    });
    return decided;
  }

  get evidence(): Evidence {
    const { log, attempts, given } = this;
    return { log, attempts, given, lasting: [], spools: log.slice(), timeline: log.map(({ id }) => id) };
  }
}

function night(): History {
  const history = new History();
  history.command("extract", [read], {});
  history.command("transform", [copy], { strict: true });
  history.command("load", [destroy], { completing: true, strict: true, outcome: "refused", code: "42501" });
  history.command("load", [destroy], { completing: true, strict: true, approval: "a1" });
  return history;
}

function found(evidence: Evidence): Partial<Record<keyof Findings, number>> {
  const { chains: _, ...rest } = judge(evidence);
  return Object.fromEntries(
    Object.entries(rest).flatMap(([name, lines]) => (lines.length > 0 ? [[name, lines.length]] : [])),
  );
}

const replaced = <T>(list: readonly T[], at: number, change: Partial<T>): T[] =>
  list.map((one, index) => (index === at ? { ...one, ...change } : one));

test("a night in which everything was as promised has no findings", () => {
  const { evidence } = night();
  assert.deepEqual(found(evidence), {});
  assert.equal(judge(evidence).chains, 2);
});

test("a last step that ran unapproved is found by what its client knew, and by the order of the log alone", () => {
  const history = night();
  history.command("load", [destroy], { completing: true, strict: true });
  assert.deepEqual(found(history.evidence), { unapproved: 2 });
  const { evidence } = history;
  const unknowing = evidence.attempts.map((one) => ({ ...one, completing: false }));
  assert.deepEqual(found({ ...evidence, attempts: unknowing }), { unapproved: 1 });
});

test("a last step that came into the log before the others is none; nor is one whose copy was rolled back", () => {
  const early = new History();
  early.command("load", [destroy], {});
  early.command("extract", [read], {});
  early.command("transform", [copy], {});
  assert.deepEqual(found(early.evidence), {});
  const undone = new History();
  undone.command("extract", [read], {});
  const { subject } = undone.command("transform", [copy], {});
  undone.say("gateway/gw-a", "command.finished", { outcome: "ok", shown: true, undone: [subject.command], lasted: [] });
  undone.command("load", [destroy], {});
  assert.deepEqual(found(undone.evidence), {});
});

test("a COMMIT that makes an unapproved last step last is found", () => {
  const history = new History();
  history.command("extract", [read], {});
  history.command("transform", [copy], {});
  const subject = { command: "commit", identity: "load", account: "load", task: "load" };
  const commits = [{ command: "earlier", effect: destroy }];
  const facts = { kind: "query", effects: [], opaque: null, undoable: true, transaction: { kind: "commit" } };
  const intent = history.say("gateway/gw-a", "command.intended", { ...facts, commits }, subject).id;
  history.say("gateway/gw-a", "command.decided", { ...facts, ruling: "allow", approval: null, intent }, subject, [
    "m9x9",
  ]);
  assert.deepEqual(found(history.evidence), { unapproved: 1 });
});

test("an approval that nobody gave, and one that two commands ran under, are found", () => {
  const { evidence } = night();
  const log = evidence.log.filter(({ type }) => type !== "approval.answered");
  assert.deepEqual(found({ ...evidence, log, spools: log }), { unapproved: 1 });
  const twice = night();
  twice.command("load", [destroy], { completing: true, strict: true, approval: "a1" });
  assert.deepEqual(found(twice.evidence), { unapproved: 2 });
});

test("a result, a refusal, an executed write and a row without a record are found", () => {
  const { evidence } = night();
  const { attempts, given, log } = evidence;
  const unmarked = (at: number) =>
    log.map((one) => (one.marks.includes(attempts[at]!.mark) ? { ...one, marks: [] } : one));
  assert.deepEqual(found({ ...evidence, log: unmarked(0) }), { unrecorded: 1 });
  assert.deepEqual(found({ ...evidence, log: unmarked(1) }), { unrecorded: 2 }, "the answer, and the execution");
  assert.deepEqual(found({ ...evidence, log: unmarked(2) }), { unrecorded: 1 });
  assert.deepEqual(found({ ...evidence, given: [...given, given[1]!] }), { unrecorded: 1 }, "executed twice");
  assert.deepEqual(found({ ...evidence, lasting: ["m7x7"] }), { unrecorded: 1 });
});

test("an answer, or an execution, that came before the shared log had the record is found", () => {
  const { evidence } = night();
  const { attempts, given } = evidence;
  const receivedMs = (attempts[0]?.receivedMs ?? 0) - 10;
  assert.deepEqual(found({ ...evidence, attempts: replaced(attempts, 0, { receivedMs }) }), { unrecorded: 1 });
  assert.deepEqual(found({ ...evidence, attempts: replaced(attempts, 0, { receivedMs, shared: false }) }), {});
  const atMs = (given[1]?.atMs ?? 0) - 10;
  assert.deepEqual(found({ ...evidence, given: replaced(given, 1, { atMs }) }), { unrecorded: 1 });
});

test("a record that only its spool has, or that is another in the archive, is lost", () => {
  const { evidence } = night();
  const extra = { source: "gateway/gw-a", stream: "steps" as const, sequence: 99, digest: "x" };
  assert.deepEqual(found({ ...evidence, spools: [...evidence.spools, extra] }), { lost: 1 });
  assert.deepEqual(found({ ...evidence, spools: replaced(evidence.spools, 0, { digest: "other" }) }), { lost: 1 });
});

test("a record twice in the archive, and an event twice in the timeline, are duplicates", () => {
  const { evidence } = night();
  const { log, timeline } = evidence;
  assert.deepEqual(found({ ...evidence, log: [...log, log[0]!] }), { duplicates: 1 });
  assert.deepEqual(found({ ...evidence, timeline: [...timeline, timeline[0]!] }), { duplicates: 1 });
});

test("a hole in a source's sequence is a gap, unless the log says so", () => {
  const { evidence } = night();
  const hole = evidence.log.findIndex(({ type, sequence }) => type === "command.finished" && sequence > 1);
  const { source, sequence } = evidence.log[hole]!;
  const log = evidence.log.filter((_, index) => index !== hole);
  assert.deepEqual(found({ ...evidence, log, spools: log }), { gaps: 1 });
  const told = new History();
  const data = {
    source,
    stream: "steps",
    from: String(sequence).padStart(16, "0"),
    until: String(sequence),
    count: 1,
    reason: "",
  };
  const gap = told.say("log/store", "log.gap", data);
  assert.deepEqual(found({ ...evidence, log: [...log, gap], spools: log }), {});
});

test("a value that was shown, and correlators that differ, are told besides", () => {
  const { evidence } = night();
  assert.deepEqual(found({ ...evidence, attempts: replaced(evidence.attempts, 0, { leaked: true }) }), { besides: 1 });
  const history = night();
  for (const [name, ruling] of [
    ["a", "hold"],
    ["b", "allow"],
  ]) {
    const one = history.say(`correlator/corr-${name}`, "command.answered", { ruling });
    history.log[history.log.length - 1] = { ...one, id: "the same" };
  }
  assert.deepEqual(found({ ...history.evidence, timeline: [] }), { besides: 1 });
});
