/** Counting over detections and correlations together: what one event is counted for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Firing } from "../../schemas/rule.ts";
import { runRules } from "../../services/correlator/offline.ts";

const detection = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection: { s: { ${selection} }, condition: s }\n`;
const count = (name: string, rules: string, least: number, more = "") =>
  `title: ${name}\nname: ${name}\ncorrelation: { type: event_count, rules: [${rules}], timespan: 1m, condition: { gte: ${least} } }\n${more}`;

test("an event that matches one rule for certain is counted strongly, though a correlation beside it did not fire", async () => {
  const blocking = "x-chain: { gate: { action: block } }\n";
  for (const rules of ["thrice, anything", "anything, thrice"]) {
    const text = [
      detection("reads", "operation: read"),
      detection("anything", "identity|exists: true"),
      count("thrice", "reads", 3),
      count("outer", rules, 1, blocking),
    ].join("---\n");
    const line = JSON.stringify({
      id: "e1",
      time: "2026-01-01T00:00:00Z",
      identity: "i",
      account: "a",
      operation: "read",
    });
    const fired: Firing[] = [];
    for await (const each of runRules({ rules: [{ name: "r.yml", text }], catalog: null, events: [line] }))
      fired.push(each);
    assert.deepEqual(fired, [{ rule: "outer", event: "e1", action: "block", chain: ["e1"] }]);
  }
});
