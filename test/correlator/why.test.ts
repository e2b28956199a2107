/** `throughline rules explain`: a rule in words, and why it fires at an event or what it misses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explainEvent, explainRules } from "../../services/correlator/why.ts";
import { chainRule, steps, usual } from "./play.ts";

const rules = [
  { name: "steps.yml", text: steps },
  { name: "z.yml", text: chainRule(`${usual}\nabsent: { rule: announced, between: [pii_transform, destructive] }`) },
];
const catalog = { name: "catalog.yaml", text: "[{ resource: orders/public.customers, tags: [pii] }]" };
const customers = "orders/public.customers";
const staging = "orders/public.staging";
const line = (id: string, minute: number, account: string, what: object) =>
  JSON.stringify({
    id,
    time: Date.UTC(2026, 0, 1, 0, minute),
    identity: account,
    account,
    reads: [],
    writes: [],
    ...what,
  });
const lines = [
  line("e1", 0, "extract", { operation: "read", reads: [customers] }),
  line("e2", 1, "extract", { operation: "transform", reads: [customers], writes: [staging] }),
  line("e3", 2, "extract", { operation: "delete", writes: [staging] }),
  line("e4", 3, "load", { operation: "delete", writes: [staging] }),
  line("e5", 4, "load", { operation: "delete", writes: ["orders/public.other"] }),
  line("e6", 5, "desk", { operation: "execute" }),
  line("e7", 6, "load", { operation: "delete", writes: [staging] }),
  line("e8", 7 + 24 * 60, "load", { operation: "delete", writes: [staging] }),
];
const why = (event: string) => explainEvent({ rules, catalog, events: lines }, event, "chain");

test("a rule is told in words: steps, ties, and what happens then", () => {
  const text = explainRules(rules, "chain").join("\n");
  assert.match(
    text,
    /3 events in this order, within 1 d:\n {2}1\. pii_read: pii_read\n +\{operation: read, tags: pii\}\n/,
  );
  assert.match(text, /step 2 and step 3: the data went on to \(flow\), or both carry data of \(lineage\)/);
  assert.match(text, /at least 2 different values of account/);
  assert.match(text, /nobody outside does announced between step 2 and step 3\n +\{operation: execute\}\n/);
  assert.match(text, /held before it runs: destructive/);
});

test("a step that is a correlation is told as well, and what selections stand for; a step by itself is no rule", () => {
  const text = `title: parts
name: parts
logsource: { product: throughline, category: command }
detection: { big: { "rows|gte": 5 }, not_mine: { account: [a, "b c"] }, condition: big and not not_mine }
---
title: many
name: many
correlation: { type: event_count, rules: [parts], group-by: [task], timespan: 1h, condition: { gte: 3 } }
---
title: outer
name: outer
correlation: { type: temporal, rules: [many, parts], timespan: 2h }
`;
  const file = [{ name: "r.yml", text }];
  const parts = "big {rows|gte: 5}, not_mine {account: [a, b c]}, condition big and not not_mine";
  assert.deepEqual(explainRules(file, "outer").slice(1, 7), [
    "  2 events in any order, within 2 h:",
    "  1. many: many",
    "       counts parts within 1 h: how many ≥ 3",
    `            ${parts}`,
    "       all in one task",
    "  2. parts: parts",
  ]);
  assert.throws(() => explainRules(file, "many"), { code: "not.found", message: "many is a step: ask about outer" });
});

test("an event is told why a rule fires at it, or which one demand it misses", async () => {
  assert.deepEqual(await why("e4"), ["chain fires: e1 → e2 → e4"]);
  assert.deepEqual(await why("e3"), [
    "chain does not fire. It would,",
    "  with at least 2 different values of account",
  ]);
  assert.deepEqual(await why("e5"), [
    "chain does not fire. It would,",
    "  if pii_transform and destructive were tied by flow or lineage",
  ]);
  assert.deepEqual(await why("e7"), ["chain does not fire. It would,", "  without announced in between"]);
  assert.deepEqual(await why("e2"), ["chain does not fire: the event is no destructive, which completes it"]);
  assert.deepEqual(await why("e8"), ["chain does not fire: a step before it was not seen"]);
});

test("a name that no rule has, and an id that no event has, are errors", async () => {
  assert.throws(() => explainRules(rules, "nothing"), /no rule is called nothing; rules here: /);
  await assert.rejects(why("e99"), /no event of the [0-9]+ lines has the id e99/);
});
