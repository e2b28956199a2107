/** The proof itself: it would say so if anything differed, and makes what differs small. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { fromLines, toLines } from "../../services/correlator/graph.ts";
import { type Kept, workedOutAgain } from "../../services/correlator/kept.ts";
import type { Dice } from "./dice.ts";
import { Disagreement, shrunk } from "./disagreement.ts";
import { livePlay } from "./plays.ts";
import { playRound, seedOf } from "./rounds.ts";
import { tight } from "./scenery.ts";
import { Library } from "./tested.ts";

/** Wrong as soon as a six comes after a one. */
function playBroken(dice: Dice): number {
  const thrown = Array.from({ length: 5 + dice(30) }, () => dice(7));
  const one = thrown.indexOf(1);
  if (one === -1 || !thrown.includes(6, one)) return thrown.length;
  throw new Disagreement("no rule", thrown.map(String), "a six after a one");
}

test("a disagreement is found, and what is shown of it is as small as it gets", async () => {
  const seeds = Array.from({ length: 50 }, (_, round) => seedOf(1, round));
  const played = await Promise.all(seeds.map((seed) => playRound(seed, playBroken)));
  const wrong = played.findIndex((found) => found instanceof Disagreement);
  assert.notEqual(wrong, -1);
  const small = await shrunk(playBroken, seeds[wrong] ?? 0);
  assert.equal(small?.message, "a six after a one");
  assert.equal(small?.events.length, 5, "the shortest that there can be");
  assert.deepEqual(
    small?.events.filter((event) => event !== "0"),
    ["1", "6"],
  );
});

test("what breaks for another reason is no disagreement and is not hidden", async () => {
  const broken = () => {
    throw new Error("a bug");
  };
  await assert.rejects(playRound(1, broken), /a bug/);
});

/** Some of what a snapshot holds; what the trace holds is compared in snapshot.test.ts. */
const needed = ["steps", "lineage", "timeline", "clusters", "pipelines", "outputs", "horizon"] as const;
const rounds = 2_000;

for (const member of needed)
  test(`the proof finds a snapshot that has lost its ${member}`, async () => {
    const empty = fromLines(createCorrelator({ limits: tight, emit() {} }).keep()) as Kept;
    class Forgetful extends Library {
      protected override carried(lines: Iterable<string>): Iterable<string> {
        return toLines({ ...(fromLines(lines) as Kept), [member]: empty[member] }, workedOutAgain);
      }
    }
    const play = livePlay(Forgetful);
    for (let round = 0; round < rounds; round += 1)
      if ((await playRound(seedOf(7, round), play)) instanceof Disagreement) return;
    assert.fail(`nothing differs in ${rounds} rounds`);
  });
