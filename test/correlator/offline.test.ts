import assert from "node:assert/strict";
import { test } from "node:test";
import type { Firing } from "../../schemas/rule.ts";
import { runRules } from "../../services/correlator/offline.ts";
import { chainRule, steps, usual } from "./play.ts";

const tags = { name: "catalog.yaml", text: '[{ resource: "orders/public.customers", tags: [pii] }]' };
const rules = [
  { name: "s.yml", text: steps },
  { name: "z.yml", text: chainRule(usual) },
];

const line = (id: string, minute: number, account: string, operation: string, more: object) =>
  JSON.stringify({
    id,
    time: `2026-01-01T00:${String(minute).padStart(2, "0")}:00Z`,
    identity: account,
    account,
    task: "t",
    operation,
    reads: [],
    writes: [],
    ends: [],
    outcome: "ok",
    ...more,
  });

async function run(events: readonly string[], files = rules): Promise<{ firings: Firing[]; warnings: string[] }> {
  const warnings: string[] = [];
  const firings: Firing[] = [];
  for await (const firing of runRules({
    rules: files,
    catalog: tags,
    events,
    warn: (warning) => warnings.push(warning),
  }))
    firings.push(firing);
  return { firings, warnings };
}

const night = [
  line("e1", 0, "extract", "read", { reads: ["orders/public.customers"], rows: 500 }),
  line("e2", 1, "transform", "transform", { reads: ["orders/public.customers"], writes: ["orders/public.staging"] }),
  line("e3", 9, "load", "delete", { writes: ["orders/public.staging"] }),
];

test("one line per firing: rule, event, action, chain in step order", async () => {
  const { firings } = await run([...night, line("e4", 10, "load", "delete", { writes: ["orders/public.staging"] })]);
  assert.deepEqual(
    firings.map((firing) => JSON.stringify(firing)),
    [
      '{"rule":"chain","event":"e3","action":"hold","chain":["e1","e2","e3"]}',
      '{"rule":"chain","event":"e4","action":"hold","chain":["e1","e2","e4"]}',
    ],
  );
});

test("at one event, firings come in the order of the rules; an observed rule alerts", async () => {
  const files = [...rules, { name: "zz.yml", text: chainRule(`mode: observe\n${usual}`, "", "second") }];
  const firings = (await run(night, [...files.slice(0, 1), ...files.slice(1).reverse()])).firings;
  assert.deepEqual(
    firings.map(({ rule, action }) => `${rule} ${action}`),
    ["second alert", "chain hold"],
  );
});

test("an error withdraws writes, and reads unless rows came", async () => {
  const failed = (index: number, more: object) =>
    night.map((text, at) => (at === index ? JSON.stringify({ ...JSON.parse(text), outcome: "error", ...more }) : text));
  assert.equal((await run(failed(0, { rows: 0 }))).firings.length, 0);
  assert.equal((await run(failed(0, { rows: 3 }))).firings.length, 1);
  assert.equal((await run(failed(1, { rows: 3 }))).firings.length, 0);
  assert.equal((await run(failed(2, {}))).firings.length, 0);
});

test("time that goes back is read as the line before it, with a warning; an id counts once", async () => {
  const back = line("e2b", 0, "extract", "read", { reads: ["orders/public.customers"] });
  const { firings, warnings } = await run([...night.slice(0, 2), back, night[1] ?? "", night[2] ?? ""]);
  assert.deepEqual(warnings, [
    "line 3: its time is before the line before it and is read as that",
    "line 4: e2 was read before and is left out",
  ]);
  assert.deepEqual(
    firings.map(({ chain }) => chain),
    [["e1", "e2", "e3"]],
  );
});

test("times: a zone or none, numbers, and fractions finer than a millisecond", async () => {
  const files = [
    {
      name: "t.yml",
      text: "title: t\nname: s\nlogsource: {}\ndetection:\n  s: { operation: read }\n  condition: s\n---\ntitle: two\nname: two\ncorrelation:\n  type: event_count\n  rules: [s]\n  timespan: 1s\n  condition: { gte: 2 }\n",
    },
  ];
  const read = (id: string, time: unknown) => JSON.stringify({ id, time, operation: "read", reads: ["x/y.z"] });
  const both = async (one: unknown, other: unknown) =>
    (await run([read("e1", one), read("e2", other)], files)).firings.length;
  assert.equal(await both("2026-01-01T00:00:00", "2026-01-01T00:00:01Z"), 1);
  assert.equal(await both("2026-01-01 01:00:00+01:00", "2026-01-01 00:00:01 UTC"), 1);
  assert.equal(await both("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:01.000001Z"), 1);
  assert.equal(await both("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:01.000002Z"), 0);
  assert.equal(await both(Date.UTC(2026, 0, 1), "2026-01-01T00:00:01.000Z"), 1);
  assert.equal(await both(0.5, 1000.75), 0);
});

test("further fields match by name", async () => {
  const rule =
    "title: t\nname: t\nlogsource: { category: command }\ndetection:\n  s: { region: eu, rows|gte: 3 }\n  condition: s\n";
  const files = [{ name: "t.yml", text: rule }];
  const event = (id: string, more: object) => line(id, 0, "a", "read", { reads: ["x/y"], region: "EU", ...more });
  const { firings } = await run([event("e1", { rows: 3 }), event("e2", { rows: 2 }), event("e3", {})], files);
  assert.deepEqual(firings, [{ rule: "t", event: "e1", action: "alert", chain: ["e1"] }]);
});

test("a line that is no event is an error with its number", async () => {
  await assert.rejects(run(["{"]), { code: "request.invalid", message: "line 1: is not a JSON object" });
  await assert.rejects(
    run(['{"id":"e1","time":"2026-01-01T00:00:00Z","operation":"erase","writes":["x/y"]}']),
    /line 1: operation is one of read/,
  );
  await assert.rejects(run(['{"id":"e1","time":"soon","operation":"read"}']), /line 1: has no time/);
});

test("another product's fields that have the names of ours are matched as they are", async () => {
  const rule = (name: string, selection: string) =>
    `title: t\nname: ${name}\nlogsource: { product: okta }\ndetection:\n  s: ${selection}\n  condition: s\n`;
  const rules = [
    rule("inside", "{ account.name: ana }"),
    rule("listed", "{ target: ana }"),
    rule("members", "{ target.displayName: ana }"),
    rule("operation", "{ operation: NetrJobAdd, kind: Job }"),
    rule("command", "{ command|exists: true }"),
    rule("nobody", "{ account: null, marker: x }"),
  ];
  const event = (id: string, more: object) => JSON.stringify({ id, time: "2026-01-01T00:00:00Z", ...more });
  const lines = [
    event("e1", { account: { name: "ana" } }),
    event("e2", { target: ["ana", "bob"] }),
    event("e3", { target: [{ displayName: "ana" }] }),
    event("e4", { operation: "NetrJobAdd", kind: "Job" }),
    event("e5", { command: "ls" }),
    event("e6", { account: ["ana"], marker: "x" }),
    event("e7", { marker: "x" }),
  ];
  const { firings } = await run(lines, [{ name: "t.yml", text: rules.join("---\n") }]);
  assert.deepEqual(
    firings.map(({ rule: name, event: id }) => `${name} ${id}`),
    ["inside e1", "listed e2", "members e3", "operation e4", "command e5", "nobody e7"],
  );
});
