import assert from "node:assert/strict";
import { test } from "node:test";
import { overlaps } from "../../infra/catalog.ts";
import { shared } from "../../services/correlator/links.ts";
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
