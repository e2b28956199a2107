/** Lineage at its worst: everything copied to everything. What is counted is work, not time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCatalog } from "../../infra/catalog.ts";
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import { limits } from "../../schemas/limits.ts";
import { makeStep } from "../../services/correlator/compact.ts";
import { Lineage } from "../../services/correlator/lineage.ts";
import { movesOf } from "../../services/correlator/moves.ts";
import { runRules } from "../../services/correlator/offline.ts";
import type { Step } from "../../services/correlator/step.ts";
import { chainRule, play, steps, usual } from "./play.ts";

const many = 10_000;
const names = (kind: string, count: number) =>
  Array.from({ length: count }, (_, at) => `orders/public.${kind}${at}` as ResourceUri);

function step(at: number, effect: Partial<Effect>): Step {
  const whole: Effect = { operation: "transform", reads: [], writes: [], ends: [], destroys: false, ...effect };
  return makeStep({
    ...{ id: `e${at}`, at, atMs: at, subject: {}, command: `c${at}`, source: "", kind: "", opaque: false },
    ...{ undoable: true, commit: false, more: null, details: null, decidedAt: at, finishedAt: at },
    ...{ lostAt: Number.POSITIVE_INFINITY, late: null, settled: true, lineage: [], hits: [], sure: [], alike: null },
    effects: [{ effect: whole, of: `c${at}`, approved: [], withdrawn: false, tags: [] }],
  });
}

test("an event that copies ten thousand places to ten thousand is one move, and what follows from it is asked in one walk", () => {
  const lineage = new Lineage(createCatalog([{ resource: "orders/public.r7", tags: ["pii"] }]));
  const [reads, writes] = [names("r", many), names("w", many)];
  const copy = step(1, { reads, writes });
  assert.equal(movesOf(copy, copy.effects[0]!).length, 1);
  lineage.put(copy);
  lineage.last(step(2, { operation: "delete", writes: [writes[3]!], ends: [writes[3]!] }), 2);
  const before = lineage.work.looks;
  assert.deepEqual(lineage.taggedNow([writes[0]!]).members, ["orders/public.r7"]);
  assert.deepEqual(lineage.taggedNow([writes[3]!]).members, []);
  assert.deepEqual(lineage.taggedNow(writes).members, ["orders/public.r7"]);
  const looks = lineage.work.looks - before;
  assert.ok(looks < 20 * many, `${looks} places looked at`);
});

test("rules run answers after such an event", async () => {
  const [reads, writes] = [names("r", many), names("w", many)];
  const event = (id: string, who: string, operation: string, more: object) =>
    JSON.stringify({ id, time: `2026-01-01T00:00:0${id}Z`, identity: who, account: who, operation, ...more, rows: 1 });
  const firings = runRules({
    rules: [{ name: "r.yml", text: `${steps}---\n${chainRule(usual)}` }],
    catalog: { name: "catalog.yaml", text: "[{ resource: orders/public.r7, tags: [pii] }]" },
    events: [
      event("1", "one", "read", { reads: ["orders/public.r7"] }),
      event("2", "two", "transform", { reads, writes }),
      event("3", "three", "delete", { writes: [writes.at(-1)] }),
      event("4", "three", "delete", { writes }),
      event("5", "three", "delete", { writes: ["orders/public.other"] }),
    ],
  });
  const fired: (readonly string[])[] = [];
  for await (const { chain } of firings) fired.push(chain);
  assert.deepEqual(fired, [
    ["1", "2", "3"],
    ["1", "2", "4"],
  ]);
});

/** Everything copied to everything, each copy followed by the end of one of the columns it came to. */
function dense(lineage: Lineage, places: readonly ResourceUri[], rounds: number): number {
  let at = 1;
  for (let round = 0; round < rounds; round += 1)
    for (const from of places)
      for (const to of places) {
        if (from === to) continue;
        const column = `${to}#${at}` as ResourceUri;
        lineage.add(step(at, { reads: [from], writes: [to] }));
        lineage.last(step(at + 1, { operation: "delete", writes: [column], ends: [column] }), at + 1);
        at += 2;
      }
  return at;
}

test("where everything was copied to everything, with ends everywhere, a walk gives up order and ends after so many looks", () => {
  const places = names("d", 12);
  const catalog = createCatalog([{ resource: "orders/public.d0", tags: ["pii"] }]);
  const looksMax = 300;
  const lineage = new Lineage(catalog, looksMax);
  const at = dense(lineage, places, 2);
  const seen = { since: at, until: at };
  const before = lineage.work.looks;
  const reached = lineage.reach([places[5]!], seen);
  const looks = lineage.work.looks - before;
  assert.ok(looks <= looksMax + 2 * places.length ** 2, `${looks} places looked at`);
  assert.ok(reached.every(({ coarse }) => coarse));
  const exact = new Lineage(catalog);
  dense(exact, places, 2);
  const known = new Set(reached.map(({ resource }) => resource));
  const all = exact.reach([places[5]!], seen);
  assert.ok(all.length > 0 && all.every(({ resource }) => known.has(resource)), "never less than there is");
  assert.deepEqual(lineage.taggedAt([places[5]!], seen).members, ["orders/public.d0"]);
});

test("a walk that stops at its last place has looked everywhere in short, wherever the bound falls", () => {
  const places = names("p", 6);
  const looked = new Set<number>();
  for (let looksMax = 1; looksMax <= 40; looksMax += 1) {
    const lineage = new Lineage(createCatalog([{ resource: places[0]!, tags: ["pii"] }]), looksMax);
    for (let at = 1; at < places.length; at += 1)
      lineage.put(step(at, { reads: [places[at - 1]!], writes: [places[at]!] }));
    assert.deepEqual(lineage.taggedNow([places[5]!]).members, [places[0]], `at most ${looksMax} looks`);
    looked.add(lineage.work.looks);
  }
  assert.ok(looked.size > 3, "the bound was met at different places");
});

test("what a walk without order found ties weakly by lineage too: it holds, and blocks nobody", () => {
  const rule = (links: string) => chainRule(`${links}\ngate: { action: block, approvers: [x] }`);
  const copies = Array.from(
    { length: 8 },
    (_, at) => `${at + 1}s etl transform orders/public.p${at} -> orders/public.p${at + 1}`,
  );
  const answer = (links: string, lineageLooksMax: number) => {
    const played = play(rule(links).replace("[pii_read, pii_transform", "[pii_read"), { limits: { lineageLooksMax } });
    played.run(copies.join("\n"));
    played.run(
      "20s etl transform orders/public.customers -> orders/public.p8\n21s eve read orders/public.customers rows=1",
    );
    return played.ask("30s bob delete orders/public.p8").ruling;
  };
  const links = "links:\n  - { from: pii_read, to: destructive, by: [lineage] }";
  assert.equal(answer(links, 100_000), "block");
  assert.equal(answer(links, 6), "hold");
});

test("an effect that moves data both ways sees nothing of its own, wherever history is cut", () => {
  for (let horizon = 1; horizon <= 9; horizon += 1) {
    const lineage = new Lineage(createCatalog([{ resource: "orders/public.a#x", tags: ["pii"] }]));
    const [a, b] = ["orders/public.a", "orders/public.b"] as ResourceUri[];
    const both = step(3, {
      reads: [a!, b!],
      writes: [a!, b!],
      flows: [
        [a!, b!],
        [b!, a!],
      ],
    } as never);
    both.finishedAt = 6;
    lineage.add(both);
    lineage.close(both);
    const settled = { ...limits, flowsSettledEvery: 1 };
    for (const at of [horizon, horizon + 2]) lineage.forget(at, at, settled);
    assert.deepEqual(lineage.taggedNow([`${a}#y`]).members, [], `cut at ${horizon}`);
    assert.deepEqual(lineage.taggedNow([b!]).tags, ["pii"]);
  }
});
