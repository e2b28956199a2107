/** A correlator that goes on from what it had kept is the same as one that has folded everything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { fromLines, toLines } from "../../services/correlator/graph.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { seeded } from "./dice.ts";
import { chainRule, play, usual } from "./play.ts";
import { randomRule } from "./random-rule.ts";
import { crowded, relived } from "./relived.ts";
import { catalogs, tight } from "./scenery.ts";
import { Simulation } from "./simulation.ts";

const bounds = { ...tight, digestRecordsEvery: 7 };

function fresh(some: Limits = bounds): { correlator: Correlator; said: Output[] } {
  const said: Output[] = [];
  return { correlator: createCorrelator({ limits: some, emit: (output) => said.push(output) }), said };
}

/** @returns what it is after the rest of the log, and what it says then */
function goOn(correlator: Correlator, said: Output[], rest: readonly Entry[]): readonly [string, readonly Output[]] {
  for (const entry of rest) correlator.fold(entry);
  correlator.goLive();
  return [correlator.digest(), said];
}

test("what was kept at any place and the rest of the log make the same state and say the same, to the byte", () => {
  for (let seed = 1; seed <= 90; seed += 1) {
    const dice = seeded(seed * 104_729);
    const simulation = new Simulation(dice, randomRule(dice), catalogs[dice(2)]!);
    for (let step = 0; step < 25; step += 1) simulation.step();
    const crowd = { ...crowded(dice), digestRecordsEvery: 7 };
    const entries = relived(simulation.entries, crowd);
    const cut = dice(entries.length);
    const whole = fresh(crowd);
    for (const entry of entries.slice(0, cut)) whole.correlator.fold(entry);
    const kept = [...whole.correlator.keep()];
    const restored = fresh(crowd);
    restored.correlator.restore(kept);
    assert.equal(restored.correlator.digest(), whole.correlator.digest(), `seed ${seed}, ${cut} of ${entries.length}`);
    // Not all that was said before the end has been heard.
    const rest = entries.slice(cut, entries.length - dice(4));
    assert.deepEqual(
      goOn(restored.correlator, restored.said, rest),
      goOn(whole.correlator, whole.said, rest),
      `seed ${seed}, ${cut} of ${entries.length}`,
    );
  }
});

test("what began before every window runs no more, for whoever goes on from a snapshot too", () => {
  const few = { sweepRecordsEvery: 8, digestRecordsEvery: 7 };
  const played = play(chainRule(usual), { limits: few });
  const [from, to] = ["orders/public.other", "orders/public.report"];
  const subject = { session: "s", command: "endless", identity: "etl", account: "etl", target: "orders" };
  const effects = [{ operation: "transform", reads: [from], writes: [to], ends: [], destroys: true }];
  const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" } };
  const data = { ...facts, ruling: "allow", approval: null, intent: null };
  const about = { id: "endless", atMs: Date.UTC(2026, 0, 1), source: "gateway/g", role: "gateway", subject };
  played.fold({ ...about, type: "command.decided", data } as never);
  for (let at = 0; at < 20; at += 1)
    played.run(`40d${at}s x ${at === 9 ? `transform orders/public.customers -> ${to}` : `read ${from}`}`);
  for (let cut = 0; cut < played.entries.length; cut += 1) {
    const first = fresh({ ...limits, ...few }).correlator;
    for (const entry of played.entries.slice(0, cut)) first.fold(entry);
    const { correlator, said } = fresh({ ...limits, ...few });
    correlator.restore(first.keep());
    // A digest that differs from the one in the log would stop it.
    const [digest] = goOn(correlator, said, played.entries.slice(cut));
    assert.deepEqual([digest, said], [played.correlator.digest(), []], `${cut} of ${played.entries.length}`);
  }
});

test("what another engine kept, or what is damaged, is not read", () => {
  const [first, ...more] = [...fresh().correlator.keep()];
  const other = (first ?? "").replace(/"engine","[^"]*"/, '"engine","0"');
  assert.throws(() => fresh().correlator.restore([other, ...more]), { code: "internal.bug" });
  assert.throws(() => fresh().correlator.restore(['["o","engine",[9]]']), { code: "log.damaged" });
  assert.throws(() => fresh().correlator.restore(['["x"]']), { code: "log.damaged" });
});

test("shared and circular objects stay so, and what has no place in a snapshot is a bug", () => {
  const shared = { many: [1, Number.POSITIVE_INFINITY, null, undefined, "x"] };
  const circle = { shared, map: new Map([[shared, new Set([shared])]]), self: null as unknown };
  circle.self = circle;
  const again = fromLines(toLines(circle, new Set())) as typeof circle;
  assert.equal(again.self, again);
  assert.equal([...again.map.keys()][0], again.shared);
  assert.deepEqual(again.shared, shared);
  assert.throws(() => [...toLines({ date: new Date() }, new Set())], { code: "internal.bug" });
  assert.throws(() => [...toLines({ call: () => 1 }, new Set())], { code: "internal.bug" });
});
