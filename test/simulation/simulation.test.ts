/**
 * Many machines under bad luck, in virtual time: a handful of plays keep every promise, the same seed gives the same play,
 * and each bug that is planted is found. `make simulate` plays more.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Bug } from "./bugs.ts";
import { type Act, type Fault, type Plan, randomPlan } from "./plan.ts";
import { playOut } from "./play.ts";
import { history, shrink } from "./shrink.ts";

const seconds = 15;
const runs = Number(process.env.SIMULATE_RUNS ?? 6);

/** From which seed on it is looked for, so that the first find comes soon; and in how many plays it must be found. */
const planted: readonly {
  readonly bug: Bug;
  readonly promise: number;
  readonly from: number;
  readonly within: number;
  /** Instead of the seed's own bad luck. */
  readonly faults?: (seed: number) => Fault[];
}[] = [
  { bug: "forwards-unrecorded", promise: 1, from: 1, within: 5 },
  { bug: "shows-unrecorded", promise: 1, from: 1, within: 5 },
  { bug: "uses-at-once", promise: 3, from: 36, within: 40 },
  { bug: "ships-before-sync", promise: 5, from: 1, within: 20, faults: crashInSync },
  { bug: "reader-repeats", promise: 5, from: 1, within: 3 },
  { bug: "shipper-skips", promise: 6, from: 1, within: 3 },
  { bug: "answers-stale", promise: 7, from: 1, within: 10 },
  { bug: "tags-unawaited", promise: 9, from: 2, within: 10 },
  { bug: "ignores-staleness", promise: 9, from: 14, within: 40 },
  { bug: "old-rules", promise: 2, from: 3, within: 10, faults: newRules },
];

/** Early, so that there is work under the new ones while some gateways still have the old. */
function newRules(): Fault[] {
  return [{ kind: "new rules", who: "all", atMs: 1_500, forMs: 0, byMs: 0 }];
}

/** A disk that takes its time, and a crash meanwhile. */
function crashInSync(seed: number): Fault[] {
  const about = { who: "g0", byMs: 2_500 };
  return [0, 1, 2].flatMap((index) => {
    const atMs = 3_000 + index * 5_000;
    return [
      { ...about, kind: "slow disk" as const, atMs, forMs: 3_500 },
      { ...about, kind: "crash" as const, atMs: atMs + 1_000 + ((seed * 370) % 2_000), forMs: 500 },
    ];
  });
}

function planOf(acts: readonly Act[], faults: readonly Fault[]): Plan {
  return { seed: 1, gateways: 2, correlators: 1, seconds: 20, acts, faults };
}

const job = (atMs: number, account: string, gateway: number): Act => ({
  kind: "job",
  atMs,
  identity: "i0",
  account,
  task: "task0",
  gateways: [gateway],
  apartMs: 0,
  statements: [
    {
      text: "statement",
      effects: [{ operation: "write", reads: [], writes: ["t/s.d"], ends: [], destroys: false } as never],
      opaque: false,
      kind: "none",
      fails: false,
      thinkMs: 1,
    },
  ],
});

describe("many machines, simulated", () => {
  it(`keep every promise in ${runs} plays`, async () => {
    for (let seed = 1; seed <= runs; seed += 1) {
      const plan = randomPlan(seed, seconds);
      const outcome = await playOut(plan);
      assert.deepEqual(outcome.breaches, [], `seed ${seed}:\n${history(plan, outcome)}`);
    }
  });

  it("play the same seed the same way", async () => {
    const [one, other] = [await playOut(randomPlan(5, seconds)), await playOut(randomPlan(5, seconds))];
    assert.equal(one.digest, other.digest);
    assert.ok(one.facts > 0 && one.held > 0, "nothing happened");
  });

  it("keep every promise when rules change while there is work", async () => {
    for (let seed = 1; seed <= runs; seed += 1) {
      const plan = { ...randomPlan(seed, seconds), faults: newRules() };
      const outcome = await playOut(plan);
      assert.deepEqual(outcome.breaches, [], `seed ${seed}:\n${history(plan, outcome)}`);
    }
  });

  it("shrink a broken play to what breaks it", async () => {
    const plan = randomPlan(2, seconds);
    const small = await shrink(plan, 1, ["forwards-unrecorded"]);
    assert.ok(small.outcome.breaches.some(({ promise }) => promise === 1));
    assert.equal(small.plan.acts.length, 1);
    assert.equal(small.plan.faults.length, 0);
  });

  it("do not let one gateway's clock end a block for all", async () => {
    const clock = { kind: "clock" as const, atMs: 4_000, who: "g0", forMs: 0, byMs: 3_600_000 };
    const block = { kind: "block" as const, atMs: 5_000, account: "acc0", forMs: 60_000 };
    const plan = planOf([job(3_000, "acc0", 1), block, job(14_000, "acc0", 1)], [clock]);
    const { breaches, facts } = await playOut(plan);
    assert.deepEqual([breaches, facts], [[], 1]);
  });

  for (const { bug, promise, from, within, faults } of planted)
    it(`a gate, a log or a correlator that ${bug.replaceAll("-", " ")} is found out`, async () => {
      let found = false;
      for (let seed = from; !found && seed < from + within; seed += 1) {
        const plan = randomPlan(seed, seconds);
        const { breaches } = await playOut(faults === undefined ? plan : { ...plan, faults: faults(seed) }, [bug]);
        found = breaches.some((breach) => breach.promise === promise);
      }
      assert.ok(found, `not found in ${within} plays`);
    });
});
