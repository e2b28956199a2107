/** Who loses steps when there is no more room: found without looking at everybody, and always the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByHash } from "../../services/correlator/by-hash.ts";
import { makeStep } from "../../services/correlator/compact.ts";
import { Owners } from "../../services/correlator/owners.ts";
import type { Step } from "../../services/correlator/step.ts";
import { crowd } from "../bench/correlator-stream.ts";
import { seeded } from "./dice.ts";
import { chainRule, play, usual } from "./play.ts";

function stepOf(identity: string, at: number): Step {
  return makeStep({
    ...{ id: `e${at}`, at, atMs: at, subject: { identity }, command: `c${at}`, source: "", kind: "", opaque: false },
    ...{ undoable: true, commit: false, effects: [], more: null, details: null, decidedAt: at, finishedAt: at },
    ...{ lostAt: Number.POSITIVE_INFINITY, late: null, settled: true, lineage: [], hits: [], sure: [] },
    alike: { key: "", steps: 0 },
  });
}

/** Looks at everybody. */
function fullestOf(steps: readonly Step[]): readonly Step[] | null {
  const byIdentity = Map.groupBy(steps, ({ subject }) => subject.identity ?? "");
  const most = Math.max(1, ...[...byIdentity.values()].map(({ length }) => length));
  return most === 1 ? null : ([...byIdentity.values()].find(({ length }) => length === most) ?? null);
}

test("the identity that keeps most is found, among equals the one whose oldest step is the oldest", () => {
  const dice = seeded(11);
  for (let round = 0; round < 40; round += 1) {
    const owners = new Owners();
    let kept: Step[] = [];
    const people = 1 + dice(12);
    for (let at = 1; at < 200; at += 1) {
      const step = stepOf(`p${dice(people)}`, at);
      kept.push(step);
      owners.add(step);
      for (let out = dice(3); out > 0 && kept.length > 0; out -= 1) {
        const gone = kept[dice(2) === 0 ? 0 : dice(kept.length)]!;
        kept = kept.filter((other) => other !== gone);
        owners.delete(gone);
      }
      assert.deepEqual(owners.fullest(), fullestOf(kept));
    }
  }
});

test("values kept by hash are found, replaced and taken out as in a map, also where tables grow and places are taken", () => {
  const dice = seeded(3);
  const [table, map] = [new ByHash<number>(), new Map<string, number>()];
  for (let round = 0; round < 60_000; round += 1) {
    const text = `https://id.example|${dice(9_000)}`;
    if (dice(3) === 0) {
      table.delete(text);
      map.delete(text);
    } else {
      table.set(text, round);
      map.set(text, round);
    }
    assert.equal(table.get(text), map.get(text));
  }
  for (let number = 0; number < 9_000; number += 1) {
    const text = `https://id.example|${number}`;
    assert.equal(table.get(text), map.get(text));
  }
});

test("of a crowd of whom each has one step the oldest goes, and whoever keeps several goes before them", () => {
  const played = play(chainRule(usual), {
    catalog: '[{ resource: "orders/public.t1_pii", tags: [pii] }]',
    limits: { stepsKeptMax: 2_000 },
  });
  for (let at = 0; at < 3_000; at += 1) for (const record of crowd(at)) played.fold(record);
  const evicted = () =>
    played.outputs.flatMap((output) => (output.type === "state.evicted" ? [output.data.identity] : []));
  assert.deepEqual(
    evicted(),
    Array.from({ length: 1_000 }, (_, at) => `https://id.example|crowd${at}`),
  );
  for (let at = 0; at < 40; at += 1) played.run(`${60 + at}m mallory read orders/public.t1_pii`);
  assert.equal(new Set(evicted().slice(1_002)).size, 1, "from his second on they are mallory's");
});
