/** What rules would have found in the commands of the store: tables of its own beside the store's, dropped at the end. */
import type { Catalog } from "../catalog.ts";
import type { RuleSet } from "../rules/rule-set.ts";
import type { Engine } from "../store/engine.ts";
import { hunt, prepareHunt } from "./hunt.ts";
import { storedStatements } from "./stored.ts";
import { createStatements, dropStatements, type Tables, tablesOf } from "./tables.ts";
import { quotedList } from "./text.ts";

export interface RetroStep {
  readonly event: string;
  readonly command: string;
  readonly atMs: number;
  readonly identity: string;
  readonly account: string;
}

export interface RetroFound {
  readonly rule: string;
  readonly title: string;
  readonly action: "hold" | "block" | "alert";
  readonly last: RetroStep;
  /** In step order. */
  readonly steps: readonly RetroStep[];
}

export interface RetroJob {
  readonly rules: RuleSet;
  readonly catalog: Catalog;
  /** Only what was completed since; steps and data may be older. */
  readonly sinceMs: number;
  /** Unique in the database: letters, digits, underscores. */
  readonly prefix: string;
}

/** Ids that are looked up at once. */
const idsAtOnce = 1_000;

/** @returns completions in log order, then in the order of the rules; @throws ThroughlineError `store.unavailable` */
export async function huntStore(engine: Engine, { rules, catalog, sinceMs, prefix }: RetroJob): Promise<RetroFound[]> {
  const tables = tablesOf(prefix);
  try {
    for (const statement of createStatements(tables, "MergeTree")) await engine.command(statement);
    for (const statement of storedStatements(tables)) await engine.command(statement);
    await prepareHunt(engine, tables, catalog);
    const found = await hunt(engine, tables, rules);
    const steps = await stepsOf(engine, tables, [...new Set(found.flatMap(({ chain }) => chain))]);
    const titles = new Map(rules.rules.map(({ name, title }) => [name, title]));
    return found.flatMap(({ rule, event, action, chain }) => {
      const last = steps.get(event);
      if (last === undefined || last.atMs < sinceMs) return [];
      return [
        { rule, title: titles.get(rule) ?? rule, action, last, steps: chain.flatMap((id) => steps.get(id) ?? []) },
      ];
    });
  } finally {
    for (const statement of dropStatements(tables)) await engine.command(statement);
  }
}

async function stepsOf(engine: Engine, t: Tables, ids: readonly string[]): Promise<ReadonlyMap<string, RetroStep>> {
  const found = new Map<string, RetroStep>();
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    const rows = await engine.ask<RetroStep>(
      `SELECT id AS event, fields['command'][1] AS command, ms AS atMs, fields['identity'][1] AS identity, fields['account'][1] AS account
       FROM ${t.commands} WHERE has(${quotedList(ids.slice(from, from + idsAtOnce))}, id)`,
    );
    for (const row of rows) found.set(row.event, row);
  }
  return found;
}
