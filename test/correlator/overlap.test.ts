import assert from "node:assert/strict";
import { test } from "node:test";
import { overlaps } from "../../infra/catalog.ts";
import { shared } from "../../services/correlator/links.ts";
import { runRules } from "../../services/correlator/offline.ts";
import { seeded } from "./dice.ts";

test("what two long lists of places share is the same as for every pair by itself", () => {
  const dice = seeded(7);
  const name = () =>
    ["t", `t/s${dice(3)}`, `t/s${dice(3)}.a${dice(9)}`, `t/s${dice(3)}.a${dice(9)}#c${dice(3)}`][dice(4)]!;
  const list = () => [...new Set(Array.from({ length: 1 + dice(30) }, name))];
  for (let round = 0; round < 300; round += 1) {
    const [one, other] = [list(), list()];
    const pairs = one.flatMap((a) => other.filter((b) => overlaps(a, b)).map((b) => (a.length >= b.length ? a : b)));
    assert.deepEqual([...shared(one, other)].sort(), [...new Set(pairs)].sort());
  }
});

test("an event of ten thousand places against another is answered without looking at every pair", () => {
  const list = (table: string) => Array.from({ length: 10_000 }, (_, index) => `t/s.${table}${index}`);
  assert.deepEqual(shared(list("a"), [...list("b"), "t/s.a77#c"]), ["t/s.a77#c"]);
});

test("groups by place: events of ten thousand places are counted without comparing every pair", async () => {
  const rules = `title: s\nname: s\nlogsource: {}\ndetection: { s: { operation: read }, condition: s }\n---\ntitle: c\nname: c\ncorrelation: { type: event_count, rules: [s], timespan: 1h, group-by: [resource], condition: { gte: 2 } }\n`;
  const reads = (table: string) => Array.from({ length: 10_000 }, (_, index) => `t/s.${table}${index}`);
  const event = (id: string, names: readonly string[]) =>
    JSON.stringify({ id, time: 0, operation: "read", reads: names });
  const events = [event("e0", reads("a")), event("e1", reads("b")), event("e2", [...reads("c"), "t/s.a9999#x"])];
  const chains: string[][] = [];
  for await (const { chain } of runRules({ rules: [{ name: "r.yml", text: rules }], catalog: null, events }))
    chains.push([...chain]);
  assert.deepEqual(chains, [["e0", "e2"]]);
});
