/** A correlator that goes on from what it had kept is the same as one that has folded everything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import type { Limits } from "../../schemas/limits.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { fromLines, toLines } from "../../services/correlator/graph.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { seeded } from "./dice.ts";
import { randomRule } from "./random-rule.ts";
import { crowded, relived } from "./relived.ts";
import { catalogs, tight } from "./scenery.ts";
import { Simulation } from "./simulation.ts";

const bounds = { ...tight, digestRecordsEvery: 7 };

function fresh(limits: Limits = bounds): { correlator: Correlator; said: Output[] } {
  const said: Output[] = [];
  return { correlator: createCorrelator({ limits, emit: (output) => said.push(output) }), said };
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
    const limits = { ...crowded(dice), digestRecordsEvery: 7 };
    const entries = relived(simulation.entries, limits);
    const cut = dice(entries.length);
    const whole = fresh(limits);
    for (const entry of entries.slice(0, cut)) whole.correlator.fold(entry);
    const kept = [...whole.correlator.keep()];
    const restored = fresh(limits);
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
