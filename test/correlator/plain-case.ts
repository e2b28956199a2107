/** One random case: rules, and a file of plain events that both the engine and the brute-force definition read. */
import assert from "node:assert/strict";
import { createCatalog } from "../../infra/catalog.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { Offline } from "../../services/correlator/offline.ts";
import type { Dice } from "./dice.ts";
import { Disagreement, differenceOf } from "./disagreement.ts";
import { type Catalog, type PlainEffect, type PlainLine, PlainOracle } from "./plain-oracle.ts";
import { randomRules } from "./plain-rules.ts";

const catalogs: readonly Catalog[] = [
  [{ resource: "t/s.a", tags: ["pii"] }],
  [
    { resource: "t/s.a#x", tags: ["pii.email"] },
    { resource: "t/s.b", tags: ["card"] },
  ],
  [
    { resource: "t/s.a", tags: ["pii.email", "card.number"] },
    { resource: "u/s.c", tags: ["pii"] },
  ],
];
const places = ["t/s.a", "t/s.b", "t/s.c", "u/s.c", "t/s.a#x", "t/s.a#y", "t/s.b#x", "t/s"];
const operations = [
  "read",
  "read",
  "write",
  "transform",
  "transform",
  "delete",
  "define",
  "grant",
  "execute",
  "connect",
];

function pick<T>(dice: Dice, all: readonly T[]): T {
  return all[dice(all.length)]!;
}

function effect(dice: Dice): PlainEffect {
  const operation = pick(dice, operations);
  const reads = operation === "delete" || operation === "define" ? [] : some(dice, 2);
  const writes = operation === "read" || operation === "connect" ? [] : some(dice, 2);
  const ends = dice(4) === 0 && writes.length > 0 ? [writes[0]!] : [];
  const pairs = reads.flatMap((from) => writes.map((to) => [from, to] as const));
  const flows = pairs.length > 1 && dice(3) === 0 ? pairs.filter(() => dice(2) === 0) : null;
  return {
    operation,
    reads,
    writes,
    ends,
    ...(dice(5) === 0 ? { destroys: dice(2) === 0 } : {}),
    ...(flows ? { flows } : {}),
  };
}

function some(dice: Dice, most: number): string[] {
  return [...new Set(Array.from({ length: dice(most + 1) }, () => pick(dice, places)))];
}

function line(dice: Dice, number: number, time: number): PlainLine {
  const person = dice(4);
  const isCommand = dice(12) > 0;
  return {
    id: `e${number}`,
    time,
    identity: `i${person}`,
    ...(dice(8) === 0 ? {} : { account: `a${dice(3)}` }),
    ...(dice(4) === 0 ? {} : { task: `k${dice(4)}`, ...(dice(5) === 0 ? { parentTask: `k${dice(4)}` } : {}) }),
    ...(dice(9) === 0 ? { onBehalfOf: [`i${dice(4)}`] } : {}),
    ...(isCommand && dice(10) === 0 ? { opaque: true } : {}),
    ...(dice(6) === 0 ? { outcome: "error" } : {}),
    ...(dice(2) === 0 ? { rows: dice(3) } : {}),
    ...(isCommand ? { effects: Array.from({ length: dice(6) === 0 ? 2 : 1 }, () => effect(dice)) } : {}),
    fields: {
      ...(dice(3) > 0 ? { region: pick(dice, ["eu", "us"]) } : {}),
      ...(dice(3) > 0 ? { zone: [...new Set([pick(dice, ["1", "2", "z"]), pick(dice, ["1", "2", "z"])])] } : {}),
      ...(dice(3) > 0 ? { level: dice(4) / pick(dice, [1, 2, 10]) } : {}),
      ...(dice(4) === 0 ? { trace: `x${dice(2)}` } : {}),
      ...(dice(4) === 0 ? { address: `10.0.0.${dice(2)}` } : {}),
    },
  };
}

/** As a file has it: one effect on the line itself, several or explicit flows in a list. */
export function written({ fields, effects, ...rest }: PlainLine, dice: Dice): string {
  const only = effects?.length === 1 ? effects[0] : undefined;
  const time = dice(2) === 0 ? rest.time : new Date(rest.time).toISOString();
  return JSON.stringify({ ...rest, time, ...fields, ...(only ?? (effects ? { effects } : {})) });
}

/** What both read: events as the oracle has them, and as lines. */
export interface PlainFile {
  readonly catalog: Catalog;
  readonly events: readonly PlainLine[];
  readonly lines: readonly string[];
}

export function randomFile(dice: Dice): PlainFile {
  const catalog = pick(dice, catalogs);
  const events: PlainLine[] = [];
  const lines: string[] = [];
  let time = Date.UTC(2026, 0, 1);
  for (let number = 0; number < 4 + dice(9); number += 1) {
    time += pick(dice, [0, 0, 500, 1_000, 1_000, 2_500, 12_000]);
    const event = line(dice, number, time);
    events.push(event);
    lines.push(written(event, dice));
  }
  return { catalog, events, lines };
}

/** Plays several files against one set of rules. @returns answers compared: one per rule and event. @throws Disagreement */
export function playPlainCase(dice: Dice, files = 4): { compared: number; fired: number } {
  const { text, rules } = randomRules(dice);
  const loaded = loadRules([{ name: "r.yml", text }], { logs: "any" });
  let compared = 0;
  let fired = 0;
  for (let file = 0; file < files; file += 1) {
    const { catalog, events, lines } = randomFile(dice);
    const engine = new Offline(loaded, createCatalog(catalog));
    const oracle = new PlainOracle(rules, catalog);
    for (const [number, event] of events.entries()) {
      const expected = oracle.take(event);
      const found = engine.take(lines[number] ?? "", number + 1, assert.fail);
      compared += rules.length;
      fired += expected.length;
      if (JSON.stringify(found) === JSON.stringify(expected)) continue;
      const catalogText = `catalog: ${JSON.stringify(catalog)}`;
      throw new Disagreement(`${text}\n${catalogText}`, lines.slice(0, number + 1), differenceOf(found, expected));
    }
  }
  return { compared, fired };
}
