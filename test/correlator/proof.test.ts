/** The proof itself: it would say so if anything differed, and makes what differs small. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dice } from "./dice.ts";
import { Disagreement, shrunk } from "./disagreement.ts";
import { playRound, seedOf } from "./rounds.ts";

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
