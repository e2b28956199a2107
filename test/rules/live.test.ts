import assert from "node:assert/strict";
import { test } from "node:test";
import { loadRules } from "../../infra/rules/load.ts";
import type { Effect } from "../../schemas/command.ts";
import { command } from "./ask.ts";

type Said = Parameters<typeof command>[0];

const [no, maybe, yes] = [0, 1, 2];

function ask(selection: string, said: Said, condition = "s"): number | undefined {
  const text = `title: t\nlogsource: { product: throughline }\ndetection:\n  s: ${selection}\n  condition: ${condition}\n`;
  return loadRules([{ name: "t.yml", text }]).detections[0]?.test(command(said));
}

const late = { rows: 500, outcome: "ok", bytes: 1, durationUs: 2, shown: true, tag: "SELECT 500", code: null };

test("what comes later counts as neither true nor false until the command has finished", () => {
  assert.equal(ask("{ rows|gte: 100 }", {}), maybe);
  assert.equal(ask("{ rows|gte: 100 }", {}, "not s"), maybe);
  assert.equal(ask("{ rows|neq: 100 }", {}), maybe);
  assert.equal(ask("{ rows: null }", {}), maybe);
  assert.equal(ask("{ rows|exists: true }", {}), maybe);
  assert.equal(ask("{ rows|fieldref: bytes }", {}), maybe);
  assert.equal(ask("{ rows|gte: 100 }", { late }), yes);
  assert.equal(ask("{ rows|lt: 100 }", { late }), no);
  assert.equal(ask("{ code: null }", { late }), yes);
  assert.equal(ask("{ account: a, rows|gte: 100 }", { subject: { account: "b" } }), no);
});

test("an opaque command may be anything that its account could do, and nothing of it is certain", () => {
  const opaque: Said = { opaque: true, tags: () => ["pii"], subject: { account: "a" } };
  for (const selection of [
    "{ operation: delete }",
    "{ operation|neq: read }",
    "{ destroys: true }",
    "{ resource|contains: customers }",
    "{ reads: null }",
    "{ tags: pii }",
    "{ tags|neq: pii }",
    "{ tags: null }",
    "{ tags|exists: false }",
    "{ tags|contains: pi }",
    "{ tags: [a, b, pii, c] }",
    "{ tags|fieldref: account }",
    "{ account: a, operation: read }",
  ])
    assert.notEqual(ask(selection, opaque), selection.includes("fieldref") ? yes : no, selection);
  for (const selection of ["{ tags: pii }", "{ tags|neq: pii }", "{ tags: null }", "{ tags: [a, b, pii, c] }"])
    assert.equal(ask(selection, opaque), maybe, selection);
  assert.equal(ask("{ tags: card }", opaque), no);
  assert.equal(ask("{ opaque: true }", opaque), yes);
  assert.equal(ask("{ operation|exists: true }", opaque), yes);
});

test("tags that may have gone back are possible, not certain", () => {
  const said: Said = { tags: () => ["pii"], tagsMayBeGone: true };
  assert.equal(ask("{ tags: pii }", said), maybe);
  assert.equal(ask("{ tags: pii }", said, "not s"), maybe);
  assert.equal(ask("{ tags|neq: pii }", said), maybe);
  assert.equal(ask("{ tags: null }", said), maybe);
  assert.equal(ask("{ tags: card }", said), no);
});

test("fields of a command: its subject, its effect, its tags, its time", () => {
  const effects: Partial<Effect> = { operation: "transform", reads: ["db/a.b"] as never, writes: ["db/c.d"] as never };
  const said: Said = {
    subject: { account: "load", clientaddress: "10.1.2.3:5432", onbehalfof: "i1 i2" },
    kind: "query",
    effects,
    tags: () => ["pii", "pii.email"],
    timeMs: Date.UTC(2026, 0, 4, 22, 5),
  };
  for (const selection of [
    "{ account: LOAD }",
    "{ address: 10.1.2.3 }",
    "{ address|cidr: 10.0.0.0/8 }",
    "{ clientaddress|cidr: 10.0.0.0/8 }",
    "{ onBehalfOf: i2 }",
    "{ operation: transform }",
    "{ resource|all: [db/a.b, db/c.d] }",
    "{ reads: db/a.b, writes: db/c.d, ends: null }",
    "{ tags|all: [pii, pii.email] }",
    "{ time|hour|gte: 22 }",
    "{ time|startswith: '2026-01-04T22:05' }",
    "{ destroys: false }",
    "{ undoable: true }",
    "[nothing, c.d]",
    "['pii.*']",
  ])
    assert.equal(ask(selection, said), yes, selection);
  for (const selection of ["{ ends|exists: true }", "{ task|exists: true }", "{ content: x }", "{ kind: execute }"])
    assert.equal(ask(selection, said), no, selection);
  assert.equal(ask("{ time|hour: 3 }", { kind: "query" }), maybe, "where the log's time is not known");
});

test("keywords find no ids and nothing that is known only later", () => {
  const said: Said = { subject: { session: "s-77", command: "c-77", grantid: "g-77", account: "a" }, late };
  for (const word of ["s-77", "c-77", "g-77", "SELECT 500"]) assert.notEqual(ask(`[${word}]`, said), yes, word);
});
