import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { seeded } from "./dice.ts";
import { playPlainCase } from "./plain-case.ts";

const cases = Number(process.env.DIFFERENTIAL_CASES ?? 500);

test(`rules run agrees with the brute-force definition on every line of random files (${cases} sets of rules)`, () => {
  const seen = { compared: 0, fired: 0 };
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const { compared, fired } = playPlainCase(seeded(seed));
      seen.compared += compared;
      seen.fired += fired;
    }),
    { numRuns: cases },
  );
  assert.ok(seen.fired > cases, `only ${seen.fired} firings in ${seen.compared} answers: too few to mean anything`);
});
