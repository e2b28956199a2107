/** Enough people, each once: against trying every way to seat them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Approver, humansOf, isMet, mayAnswer, mergeNeeds } from "../../infra/policy/quorum.ts";
import type { Need } from "../../schemas/verdict.ts";

const group = fc.constantFrom("a", "b", "c");
const need = fc.record({ approvers: fc.uniqueArray(group, { minLength: 1 }), humans: fc.integer({ min: 1, max: 2 }) });
const approver: fc.Arbitrary<Approver> = fc.record({
  human: fc.constantFrom("h1", "h2", "h3", "h4"),
  kind: fc.constantFrom("person" as const, "person" as const, "agent" as const),
  groups: fc.uniqueArray(group),
});

/** Tries every human for every place. */
function seatable(places: readonly Need[], humans: readonly Approver[]): boolean {
  const [first, ...rest] = places;
  if (first === undefined) return true;
  return humans.some(
    (one, at) => first.approvers.some((name) => one.groups.includes(name)) && seatable(rest, humans.toSpliced(at, 1)),
  );
}

describe("a quorum", () => {
  it("is met exactly when every place can have its own human", () => {
    fc.assert(
      fc.property(fc.array(need, { maxLength: 3 }), fc.array(approver, { maxLength: 6 }), (needs, approvers) => {
        const people = approvers.filter((one) => one.kind === "person");
        const humans = [...new Map(people.map((one) => [one.human, one])).values()];
        const places = needs.flatMap((one) => Array.from({ length: one.humans }, () => one));
        assert.equal(isMet(needs, approvers), seatable(places, humans));
      }),
      { numRuns: 2_000 },
    );
  });

  it("has no place for agents, workloads and strangers", () => {
    const needs = [{ approvers: ["dba"], humans: 1 }];
    assert.equal(mayAnswer(needs, { human: "h", kind: "person", groups: ["dba"] }), true);
    assert.equal(mayAnswer(needs, { human: "h", kind: "agent", groups: ["dba"] }), false);
    assert.equal(mayAnswer(needs, { human: "h", kind: "person", groups: ["ops"] }), false);
  });

  it("asks the same people once, for the larger number", () => {
    const merged = mergeNeeds([
      { approvers: ["dba", "ops"], humans: 1 },
      { approvers: ["ops", "dba"], humans: 2 },
      { approvers: ["security"], humans: 1 },
    ]);
    assert.equal(humansOf(merged), 3);
    assert.equal(merged.length, 2);
  });
});
