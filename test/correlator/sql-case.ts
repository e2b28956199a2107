/** One random stream of plain events, asked twice: by the engine and by SQL in ClickHouse (in this process). */
import assert from "node:assert/strict";
import { createCatalog } from "../../infra/catalog.ts";
import { hunt, prepareHunt } from "../../infra/hunt/hunt.ts";
import { createStatements, dropStatements, tablesOf } from "../../infra/hunt/tables.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { openChdb } from "../../infra/store/chdb.ts";
import { type Engine, openEngine } from "../../infra/store/engine.ts";
import type { Firing } from "../../schemas/rule.ts";
import { runRules } from "../../services/correlator/offline.ts";
import type { Dice } from "./dice.ts";
import { fillPlain, type PlainLine } from "./plain-store.ts";
import { randomEffects } from "./random-effects.ts";
import { randomRule } from "./random-rule.ts";
import { catalogs } from "./simulation.ts";

export interface PlainCase {
  readonly rules: string;
  readonly catalog: readonly { readonly resource: string; readonly tags: readonly string[] }[];
  readonly lines: readonly PlainLine[];
}

const tables = tablesOf("proof");

/** @param folder for the engine's files; its own, empty */
export async function openHunter(folder: string): Promise<Engine> {
  return openEngine({ connection: await openChdb(folder) });
}

export function randomPlainCase(dice: Dice): PlainCase {
  const catalog = catalogs[dice(catalogs.length)] ?? [];
  const count = 5 + dice(36);
  let ms = Date.UTC(2026, 0, 1);
  const lines = Array.from({ length: count }, (_, index) => {
    ms += [0, 0, 400, 1_000, 2_500][dice(5)] ?? 0;
    return randomLine(dice, `e${index}`, ms);
  });
  return { rules: randomRule(dice).text, catalog, lines };
}

function randomLine(dice: Dice, id: string, ms: number): PlainLine {
  return {
    id,
    time: new Date(ms).toISOString(),
    identity: `i${dice(3)}`,
    account: `acc${dice(3)}`,
    task: `task${dice(4)}`,
    effects: randomEffects(dice),
    ...(dice(8) === 0 ? { parentTask: `task${dice(4)}` } : {}),
    ...(dice(8) === 0 ? { onBehalfOf: [`i${dice(3)}`] } : {}),
    ...(dice(10) === 0 ? { opaque: true } : {}),
    ...(dice(6) === 0 ? { outcome: "error", ...(dice(2) === 0 ? { rows: 3 } : {}) } : {}),
  };
}

export async function engineFirings({ rules, catalog, lines }: PlainCase): Promise<Firing[]> {
  const run = runRules({
    rules: [{ name: "r.yml", text: rules }],
    catalog: { name: "catalog.yaml", text: JSON.stringify(catalog) },
    events: lines.map((line) => JSON.stringify(line)),
  });
  const firings: Firing[] = [];
  for await (const firing of run) firings.push(firing);
  return firings;
}

export async function sqlFirings(engine: Engine, { rules, catalog, lines }: PlainCase): Promise<Firing[]> {
  for (const statement of [...dropStatements(tables), ...createStatements(tables, "Memory")])
    await engine.command(statement);
  await fillPlain(engine, tables, lines);
  await prepareHunt(engine, tables, createCatalog(catalog));
  const found = await hunt(engine, tables, loadRules([{ name: "r.yml", text: rules }], { logs: "any" }));
  return found.map(({ rule, event, action, chain }) => ({ rule, event, action, chain }));
}

export interface Compared {
  /** Answers: one per event and rule. */
  readonly cases: number;
  readonly found: number;
}

/** @throws AssertionError where SQL and engine differ */
export async function playSqlCase(engine: Engine, dice: Dice): Promise<Compared> {
  const one = randomPlainCase(dice);
  const [expected, found] = [await engineFirings(one), await sqlFirings(engine, one)];
  assert.deepEqual(found, expected);
  return { cases: one.lines.length, found: found.length };
}
