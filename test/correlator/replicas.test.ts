import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "./dice.ts";
import { playKilled } from "./plays.ts";
import { seedOf } from "./rounds.ts";

const streams = 40;
const seed = Number(process.env.THROUGHLINE_SEED ?? Date.now() % 2 ** 31);

test(`one log through one, two and four replicas that are killed anywhere gives the same bytes (seed ${seed})`, async () => {
  let compared = 0;
  for (let stream = 0; stream < streams; stream += 1) compared += await playKilled(seeded(seedOf(seed, stream)));
  assert.ok(compared > streams, `only ${compared} outputs in ${streams} streams: too few to mean anything`);
});
