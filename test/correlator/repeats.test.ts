import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Entry } from "../../infra/log/entry.ts";
import { eventId } from "../../infra/log/record.ts";
import { Repeats } from "../../services/correlator/repeats.ts";
import { Runs } from "../../services/correlator/runs.ts";

function entry(source: string, id: string): Entry {
  return { type: "clock.ticked", id, atMs: 0, source, role: "gateway", subject: {}, data: {} } as Entry;
}

describe("what came before", () => {
  it("is known by its number in any order, with holes, and after a snapshot", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 40 }), { maxLength: 80 }), fc.nat({ max: 80 }), (numbers, cut) => {
        let runs = new Runs();
        const known = new Set<number>();
        for (const [index, number] of numbers.entries()) {
          if (index === cut) runs = Runs.of(runs.kept());
          assert.equal(runs.has(number), known.has(number));
          known.add(number);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes as many numbers in a row as come, and as little room", () => {
    const runs = new Runs();
    for (let number = 1; number <= 300_000; number += 1) assert.equal(runs.has(number), false);
    assert.equal(runs.has(1), true);
    assert.deepEqual(runs.kept(), [1, 300_000]);
  });

  it("takes no more room where numbers come out of order: a gap that is filled is none", () => {
    const runs = new Runs();
    for (let number = 1; number <= 2_000; number += 2) runs.has(number);
    for (let number = 2; number < 2_000; number += 2) assert.equal(runs.has(number), false);
    assert.deepEqual(runs.kept(), [1, 1_999]);
  });

  it("is bounded, whatever gaps a source leaves: the lowest is forgotten, the latest never", () => {
    const runs = new Runs();
    const many = 30_000;
    for (let number = 1; number <= many; number += 1) runs.has(2 * number);
    assert.ok(runs.kept().length <= 20_000);
    for (let number = many - 5_000; number <= many; number += 1) assert.equal(runs.has(2 * number), true);
  });

  it("is another's where the source is another, and may have any id", () => {
    const repeats = new Repeats();
    const entries = [
      entry("gateway/a", eventId("gateway/a", "steps", 7)),
      entry("gateway/b", eventId("gateway/b", "steps", 7)),
      entry("gateway/a", "0123456789abcdef0123456789ab"),
      entry("gateway/b", eventId("gateway/a", "steps", 7)),
      entry("gateway/a", eventId("gateway/a", "events", 7)),
    ];
    for (const one of entries) assert.equal(repeats.has(one), false);
    const again = new Repeats();
    again.restore(repeats.kept());
    for (const one of entries) assert.equal(again.has(one), true);
  });
});
