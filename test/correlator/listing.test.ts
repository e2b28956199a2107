/** The engine's lists of steps against the plainest list there is: also of steps that have left, or were evicted, and come back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Alikes, unclassed } from "../../services/correlator/alike.ts";
import { makeStep } from "../../services/correlator/compact.ts";
import { Listing } from "../../services/correlator/listing.ts";
import type { Step } from "../../services/correlator/step.ts";
import { seeded } from "./dice.ts";

function stepAt(at: number): Step {
  const identity = `i${at % 3}`;
  return makeStep({
    ...{ id: `e${at}`, at, atMs: at, subject: { identity }, command: `c${at}`, source: "g", kind: "query" },
    ...{ opaque: false, undoable: true, commit: false, effects: [], more: null, details: null, decidedAt: at },
    ...{ finishedAt: at, lostAt: Number.POSITIVE_INFINITY, late: null, settled: false, lineage: [] },
    ...{ hits: [0], sure: [0], alike: null },
  });
}

test("a list holds what came and has not left, in log order, whoever leaves and comes back", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const dice = seeded(seed * 7_919);
    const alikes = new Alikes();
    alikes.reload([]);
    const listing = new Listing();
    const steps: Step[] = [];
    let expected: Step[] = [];
    let next = 1;
    const keep = (step: Step) => {
      step.alike = unclassed;
      listing.add(step);
      expected = [...expected, step].sort((one, other) => one.at - other.at);
    };
    for (let turn = 0; turn < 150; turn += 1) {
      const what = dice(10);
      const one = steps[Math.max(0, steps.length - 1 - dice(20))];
      if (what < 6 || one === undefined) {
        const step = stepAt(next);
        next += 1 + dice(2);
        steps.push(step);
        keep(step);
      } else if (what === 6) {
        const beforeMs = next - dice(40);
        for (const step of listing.cut(beforeMs)) {
          alikes.leave(step);
          step.alike = null;
        }
        expected = expected.filter(({ atMs }) => atMs >= beforeMs);
      } else if (what === 7 && one.alike !== null) {
        const { alike } = one;
        alikes.leave(one);
        one.alike = null;
        listing.forget(one, alike);
        expected = expected.filter((step) => step !== one);
      } else if (one.alike === null) keep(one);
      const said = `seed ${seed}, turn ${turn}`;
      assert.deepEqual(
        listing.live().map(({ at }) => at),
        expected.map(({ at }) => at),
        said,
      );
      assert.equal(listing.size, expected.length, said);
      assert.equal(listing.first?.at, expected[0]?.at, said);
      const latest = listing.latestOfEach(next, 0, alikes);
      if (latest === null) continue;
      const byIdentity = new Map(expected.map((step) => [step.subject.identity, step.at]));
      assert.deepEqual(latest.map(({ at }) => at).sort(), [...byIdentity.values()].sort(), said);
    }
  }
});
