import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../schemas/limits.ts";
import { playChange, playChangedReplicas } from "./changed-rules.ts";
import { seeded } from "./dice.ts";
import { catalog, chainRule, steps, usual } from "./play.ts";
import { Changing, startOn } from "./refolding.ts";
import { seedOf } from "./rounds.ts";

const night = `
  0s   extract    read       orders/public.customers
  60s  transform  transform  orders/public.customers -> orders/public.staging
`;
const last = "9m load delete orders/public.staging";

const other = `title: Other
name: other
logsource: { product: throughline, category: command }
detection:
  selection: { account: nobody }
  condition: selection
x-chain: { gate: { action: hold, approvers: [owners] } }
`;
const before = { "rules/other.yml": other, "catalog.yaml": catalog };
const after = { ...before, "rules/steps.yml": steps, "rules/z.yml": chainRule(usual) };
const few = { digestRecordsEvery: 7 };
const traffic = Array.from({ length: 100 }, (_, at) => `${61 + at}s busy read orders/public.t${at}`).join("\n");

/** A night, and then more than is kept for rules to come. */
function busyNight(): Changing {
  const changing = new Changing(before, few);
  changing.run(night);
  changing.run(traffic);
  return changing;
}

test("a new rule holds what was begun before it came, whatever traffic there was in between", () => {
  const changing = busyNight();
  changing.propose(after);
  assert.equal(changing.ask(last).ruling, "allow", "the old rules answer meanwhile");
  assert.equal(changing.takeOver(), true);
  const { ruling, enforced } = changing.ask("10m load delete orders/public.staging");
  assert.equal(ruling, "hold");
  assert.deepEqual(
    enforced[0]?.steps.map(({ account }) => account),
    ["extract", "transform", "load"],
  );
});

test("a new tag counts for what was read before it came, and what has it by travel is told", () => {
  const changing = new Changing({ ...after, "catalog.yaml": "[]" }, few);
  changing.run(night);
  changing.run(traffic);
  changing.propose(after);
  assert.equal(changing.ask(last).ruling, "allow");
  const told = () => changing.outputs.flatMap((one) => (one.type === "resource.tagged" ? one.data.resource : []));
  assert.deepEqual(told(), []);
  changing.takeOver();
  assert.deepEqual(told(), ["orders/public.staging"]);
  assert.equal(changing.ask("10m load delete orders/public.staging").ruling, "hold");
});

test("rules that go, other modes and words, and a shorter window, take over at once", () => {
  const changing = new Changing({ ...after, "rules/z.yml": chainRule(`mode: observe\n${usual}`) }, few);
  changing.run(night);
  changing.run(traffic);
  changing.propose({ ...after, "rules/z.yml": chainRule(usual).replace("24h", "12h") });
  assert.equal(changing.correlator.refold, null);
  assert.equal(changing.ask(last).ruling, "hold");
  changing.propose({ "rules/other.yml": other, "catalog.yaml": catalog });
  assert.equal(changing.correlator.refold, null);
  assert.equal(changing.ask("10m load delete orders/public.staging").ruling, "allow");
});

test("what takes over at once is said too, once", () => {
  const changing = new Changing(after, few);
  const policy = changing.entries[0]?.id;
  assert.deepEqual(changing.correlator.announcement, { policy, digest: "d" });
  changing.takeOver();
  assert.equal(changing.correlator.announcement, null);
});

test("the latest of several policies wins, and a bad one after it replaces nothing", () => {
  const changing = busyNight();
  const first = changing.propose(after);
  changing.read();
  const given = changing.correlator.refold;
  const mild = { ...after, "rules/z.yml": chainRule(`mode: observe\n${usual}`) };
  changing.propose(mild, "mild");
  assert.equal(given?.dropped, true);
  changing.say({ type: "rules.switched", role: "correlator", data: { policy: first, digest: "d" } });
  assert.notEqual(changing.correlator.refold, null, "a switch to what was given up is none");
  changing.propose({ "rules/z.yml": "title: broken\n" }, "bad");
  assert.match(changing.correlator.problem ?? "", /rule\.invalid/);
  changing.takeOver();
  const { ruling, observed } = changing.ask(last);
  assert.deepEqual([ruling, observed.map(({ rule }) => rule)], ["allow", ["chain"]]);
});

test("the same policy proposed again while it waits begins nothing anew", () => {
  const changing = busyNight();
  changing.propose(after);
  changing.read();
  const { refold } = changing.correlator;
  changing.propose(after);
  assert.equal(changing.correlator.refold, refold);
  changing.propose({ ...after, "rules/z.yml": chainRule(`mode: observe\n${usual}`) });
  assert.notEqual(changing.correlator.refold, refold, "other files under the same digest are others");
});

test("a policy that goes back to the one in force takes over at once, and the other is given up", () => {
  const changing = busyNight();
  changing.propose(after);
  changing.propose(before, "back");
  assert.equal(changing.correlator.refold, null);
});

test("a switch of another digest, or to a policy that does not wait, changes nothing", () => {
  const changing = busyNight();
  const policy = changing.propose(after);
  changing.read();
  changing.say({ type: "rules.switched", role: "correlator", data: { policy, digest: "other" } });
  changing.say({ type: "rules.switched", role: "correlator", data: { policy: "said 1", digest: "d" } });
  assert.equal(changing.ask(last).ruling, "allow");
  assert.notEqual(changing.correlator.refold, null);
});

test("nobody folds past a switch before the log has been folded for it", () => {
  const changing = busyNight();
  const policy = changing.propose(after);
  const entry = { ...changing.entries.at(-1), type: "rules.switched", data: { policy, digest: "d" } } as never;
  assert.equal(changing.correlator.isReadyFor(entry), false);
  assert.throws(() => changing.correlator.fold(entry), { code: "internal.bug" });
  changing.read();
  assert.equal(changing.correlator.isReadyFor(entry), true);
});

test("whoever reads the log late, or in small pieces, meets what is folded meanwhile without a gap", () => {
  for (const piece of [1, 3, 1_000]) {
    const changing = busyNight();
    changing.propose(after);
    const { refold } = changing.correlator;
    const early = changing.entries.slice(0, 50);
    for (const entry of early) refold?.take([entry]);
    changing.run("170s load2 read orders/public.elsewhere\n171s load3 read orders/public.elsewhere");
    assert.equal(refold?.joined, false);
    changing.read(piece);
    assert.equal(refold?.joined, true);
    changing.run("172s load4 transform orders/public.staging -> orders/public.copy");
    changing.takeOver();
    assert.equal(changing.ask("10m load delete orders/public.copy").ruling, "hold");
  }
});

test("a process that starts on the log has the same state and nothing new to say", () => {
  const changing = busyNight();
  changing.propose(after);
  changing.ask(last);
  changing.takeOver();
  changing.run("11m x transform orders/public.staging -> orders/public.copy");
  changing.ask("12m load delete orders/public.copy");
  const started = startOn(changing.entries, few);
  assert.deepEqual(started.said, []);
  assert.equal(started.correlator.digest(), changing.correlator.digest());
});

test("what this replica said under the old rules, and the log took behind the switch, does not stop it when it starts again", () => {
  const changing = busyNight();
  changing.propose(after);
  assert.equal(changing.ask(last).ruling, "allow");
  const answer = changing.entries.at(-1)!;
  assert.equal(answer.type, "command.answered");
  changing.takeOver();
  const { switchGraceMs } = limits;
  const start = (waitMs: number) => {
    const late = { ...answer, atMs: changing.entries.at(-1)!.atMs + waitMs };
    return startOn([...changing.entries.filter((entry) => entry !== answer), late], {}, "correlator/c");
  };
  assert.deepEqual(start(switchGraceMs).said, []);
  assert.throws(() => start(switchGraceMs + 1), { code: "log.digest_differs" });
});

test("a process that is killed while new rules fold the log folds them again and comes to the same", () => {
  const changing = busyNight();
  changing.propose(after);
  changing.correlator.refold?.take(changing.entries.slice(0, 40));
  const started = startOn(changing.entries, few);
  assert.deepEqual(started.said, []);
  started.correlator.refold?.take(changing.entries);
  // The first record that comes meets the two.
  changing.run("9m x read orders/public.elsewhere");
  for (const entry of changing.entries.slice(-3)) started.correlator.fold(entry);
  started.correlator.refold?.take(changing.entries);
  assert.deepEqual(started.correlator.announcement, { policy: changing.correlator.refold?.ruled.policy, digest: "d" });
  changing.takeOver();
  started.correlator.fold(changing.entries.at(-1)!);
  assert.equal(started.correlator.digest(), changing.correlator.digest());
});

test("what was kept while new rules fold the log knows that they wait", () => {
  const changing = busyNight();
  changing.propose(after);
  const kept = [...changing.correlator.keep()];
  const restored = startOn([], few).correlator;
  restored.restore(kept);
  assert.equal(restored.refold?.ruled.policy, changing.correlator.refold?.ruled.policy);
  for (const one of [changing.correlator, restored]) one.refold?.take(changing.entries);
  const tick = { ...changing.entries[0], type: "clock.ticked", id: "tick", data: {} } as never;
  for (const one of [changing.correlator, restored]) {
    one.fold(tick);
    one.refold?.take([...changing.entries, tick]);
  }
  const switched = { ...changing.entries[0], type: "rules.switched", id: "s", data: restored.announcement ?? {} };
  for (const one of [changing.correlator, restored]) one.fold(switched as never);
  assert.equal(restored.digest(), changing.correlator.digest());
});

const seed = Number(process.env.THROUGHLINE_SEED ?? Date.now() % 2 ** 31);

test(`from the switch on new rules say what they would have said had they been there from the first step (seed ${seed})`, () => {
  let compared = 0;
  for (let stream = 0; stream < 60; stream += 1) compared += playChange(seeded(seedOf(seed, stream)));
  assert.ok(compared > 60, `only ${compared} answers: too few to mean anything`);
});

test(`replicas of a log in which the rules change, killed anywhere, say the same bytes (seed ${seed})`, () => {
  let compared = 0;
  for (let stream = 0; stream < 15; stream += 1) compared += playChangedReplicas(seeded(seedOf(seed, stream)));
  assert.ok(compared > 15, `only ${compared} outputs: too few to mean anything`);
});
