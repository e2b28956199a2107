import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seeded } from "./dice.ts";
import { randomRule } from "./random-rule.ts";
import { catalogs } from "./scenery.ts";
import { Simulation } from "./simulation.ts";

const cases = Number(process.env.DIFFERENTIAL_CASES ?? 1_500);

test(`the engine agrees with the brute-force definition at every answer (${cases} random streams)`, () => {
  let found = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 4, max: 22 }), (seed, length) => {
      const dice = seeded(seed);
      const simulation = new Simulation(dice, randomRule(dice), catalogs[dice(catalogs.length)]!);
      for (let step = 0; step < length; step += 1) simulation.step();
      found += simulation.found;
    }),
    { numRuns: cases },
  );
  assert.ok(found > cases / 4, `only ${found} chains in ${cases} streams: too few to mean anything`);
});

test("what was found once stays mended: an effect does not feed itself by what is kept in short", () => {
  const dice = seeded(505112958);
  const simulation = new Simulation(dice, randomRule(dice), catalogs[dice(catalogs.length)]!);
  for (let step = 0; step < 14; step += 1) simulation.step();
  assert.ok(simulation.found > 0);
});
