/** A count that no events can fulfil makes a rule that never fires: it is refused when it is loaded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadRules } from "../../infra/rules/load.ts";

const detection =
  "title: r\nname: r\nlogsource: { product: throughline, category: command }\ndetection: { s: { operation: read }, condition: s }\n";

function load(type: string, condition: string) {
  const text = `${detection}---\ntitle: c\ncorrelation: { type: ${type}, rules: [r], timespan: 1h, condition: { ${condition} } }\n`;
  return loadRules([{ name: "r.yml", text }]);
}

test("bounds that no number meets are refused, with what the number may be", () => {
  const own =
    /^r\.yml:7: correlation\.condition: no number fulfils \{ .* \(the event that completes it counts itself: 1 is/;
  for (const never of ["eq: 0", "lt: 1", "lte: 0", "lt: 0.5"])
    assert.throws(() => load("event_count", never), { code: "rule.invalid", message: own }, never);
  const none = /^r\.yml:7: correlation\.condition: no number fulfils \{ [^(]*\}$/;
  for (const never of [
    "gte: 3, lte: 1",
    "gt: 2, lt: 3",
    "eq: 1.5",
    "gte: 1, lte: 1, neq: 1",
    "eq: 2, neq: 2",
    "eq: -1",
  ])
    assert.throws(() => load("event_count", never), { message: none }, never);
  for (const never of ["field: rows, lt: 0", "field: rows, gt: 2, lt: 3"])
    assert.throws(() => load("value_count", never), { message: none }, never);
  for (const never of ["field: rows, gt: 5, lte: 5", "field: rows, gte: 5, lte: 4", "field: rows, eq: 5, lt: 5"])
    for (const type of ["value_sum", "value_avg", "value_percentile"])
      assert.throws(() => load(type, never), { message: none }, never);
  for (const never of ["field: account, gt: 100", "field: account, lt: 0", "field: account, eq: 101"])
    assert.throws(() => load("value_percentile", never), { message: none }, never);
});

test("bounds that some number meets load", () => {
  for (const bounds of ["eq: 1", "lt: 2", "gte: 1", "neq: 1", "gt: 1, lt: 3", "gte: 1, lte: 2, neq: 1", "gte: 1.5"])
    assert.equal(load("event_count", bounds).rules.length, 1, bounds);
  for (const bounds of ["lt: 1", "eq: 0", "lte: 0"])
    assert.equal(load("value_count", `field: rows, ${bounds}`).rules.length, 1, bounds);
  for (const bounds of ["lt: -1", "gt: 2, lt: 3", "gt: 2, lt: 3, neq: 2.5", "neq: 0", "lte: 5, neq: 5", "eq: 0"])
    assert.equal(load("value_sum", `field: rows, ${bounds}`).rules.length, 1, bounds);
  for (const bounds of ["gte: 100", "lt: 1", "percentile: 50, gt: 100"])
    assert.equal(load("value_percentile", `field: rows, ${bounds}`).rules.length, 1, bounds);
});
