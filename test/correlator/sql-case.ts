/** One random file of plain events, asked three times: the engine, the oracle, and SQL in ClickHouse (in this process). */
import { createCatalog } from "../../infra/catalog.ts";
import { hunt, prepareHunt } from "../../infra/hunt/hunt.ts";
import { createStatements, dropStatements, tablesOf } from "../../infra/hunt/tables.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { openChdb } from "../../infra/store/chdb.ts";
import { type Engine, openEngine } from "../../infra/store/engine.ts";
import type { Firing } from "../../schemas/rule.ts";
import { Offline } from "../../services/correlator/offline.ts";
import type { Dice } from "./dice.ts";
import { Disagreement, differenceOf, type Play } from "./disagreement.ts";
import { type PlainFile, randomFile, written } from "./plain-case.ts";
import { PlainOracle } from "./plain-oracle.ts";
import { randomRules } from "./plain-rules.ts";
import { fillPlain } from "./plain-store.ts";
import { randomEffects } from "./random-effects.ts";
import { randomRule } from "./random-rule.ts";
import { catalogs } from "./scenery.ts";

type Catalog = readonly { readonly resource: string; readonly tags: readonly string[] }[];

interface Case {
  readonly rules: string;
  readonly catalog: Catalog;
  readonly lines: readonly string[];
}

const tables = tablesOf("proof");

/** @param folder for the engine's files; its own, empty */
export async function openHunter(folder: string): Promise<Engine> {
  return openEngine({ connection: await openChdb(folder) });
}

/** Rules that hold and block over commands with several effects: what `random-rule.ts` makes for live records. */
function randomCommands(dice: Dice): Case {
  const catalog = catalogs[dice(catalogs.length)] ?? [];
  const { text: rules } = randomRule(dice);
  const count = 5 + dice(36);
  let ms = Date.UTC(2026, 0, 1);
  const lines = Array.from({ length: count }, (_, index) => {
    ms += [0, 0, 400, 1_000, 2_500][dice(5)] ?? 0;
    return JSON.stringify({
      id: `e${index}`,
      time: new Date(ms).toISOString(),
      identity: `i${dice(3)}`,
      account: `acc${dice(3)}`,
      task: `task${dice(4)}`,
      effects: randomEffects(dice),
      ...(dice(8) === 0 ? { parentTask: `task${dice(4)}` } : {}),
      ...(dice(8) === 0 ? { onBehalfOf: [`i${dice(3)}`] } : {}),
      ...(dice(10) === 0 ? { opaque: true } : {}),
      ...(dice(6) === 0 ? { outcome: "error", ...(dice(2) === 0 ? { rows: 3 } : {}) } : {}),
    });
  });
  return { rules, catalog, lines };
}

/** Asking costs the store more than the answer: so many files are one, an hour apart, with names of their own. */
const filesAtOnce = 8;

function randomFiles(dice: Dice): PlainFile {
  const files = Array.from({ length: filesAtOnce }, (_, number) => apart(randomFile(dice), `f${number}`, number));
  const events = files.flatMap((file) => file.events);
  return { catalog: files.flatMap((file) => file.catalog), events, lines: events.map((event) => written(event, dice)) };
}

function apart({ catalog, events }: PlainFile, name: string, hours: number): Omit<PlainFile, "lines"> {
  const own = <T extends string | undefined>(text: T) => (text === undefined ? text : `${name}${text}`) as T;
  const all = (texts: readonly string[]) => texts.map(own);
  return {
    catalog: catalog.map(({ resource, tags }) => ({ resource: own(resource), tags })),
    events: events.map((event) => ({
      ...event,
      id: own(event.id),
      time: event.time + hours * 3_600_000,
      identity: own(event.identity),
      ...(event.onBehalfOf ? { onBehalfOf: all(event.onBehalfOf) } : {}),
      ...(event.task ? { task: own(event.task) } : {}),
      ...(event.parentTask ? { parentTask: own(event.parentTask) } : {}),
      ...(event.effects
        ? {
            effects: event.effects.map((effect) => ({
              ...effect,
              reads: all(effect.reads),
              writes: all(effect.writes),
              ends: all(effect.ends),
              ...(effect.flows ? { flows: effect.flows.map(([from, to]) => [own(from), own(to)] as const) } : {}),
            })),
          }
        : {}),
    })),
  };
}

const load = (rules: string) => loadRules([{ name: "r.yml", text: rules }], { logs: "any" });

function engineFirings({ rules, catalog, lines }: Case): Firing[] {
  const engine = new Offline(load(rules), createCatalog(catalog));
  return lines.flatMap((line, index) =>
    engine.take(line, index + 1, (warning) => {
      throw new Error(warning);
    }),
  );
}

async function sqlFirings(engine: Engine, { rules, catalog, lines }: Case): Promise<Firing[]> {
  for (const statement of [...dropStatements(tables), ...createStatements(tables, "Memory")])
    await engine.command(statement);
  await fillPlain(
    engine,
    tables,
    lines.map((line) => JSON.parse(line)),
  );
  await prepareHunt(engine, tables, createCatalog(catalog));
  const found = await hunt(engine, tables, load(rules));
  return found.map(({ rule, event, action, chain }) => ({ rule, event, action, chain }));
}

async function compare(engine: Engine, one: Case, expected: readonly Firing[], by: string): Promise<void> {
  const told = (found: readonly unknown[]) => found.map((firing) => JSON.stringify(firing));
  const rules = `${one.rules}\ncatalog: ${JSON.stringify(one.catalog)}`;
  const found = await sqlFirings(engine, one).catch((error: unknown) => {
    throw new Disagreement(rules, one.lines, error instanceof Error ? (error.cause ?? error) : error);
  });
  const [mine, theirs] = [told(found), told(expected)];
  if (mine.join("\n") === theirs.join("\n")) return;
  const only = (some: readonly string[], others: readonly string[]) => some.filter((line) => !others.includes(line));
  throw new Disagreement(rules, one.lines, `SQL and ${by}:\n${differenceOf(only(mine, theirs), only(theirs, mine))}`);
}

/** Every firing that SQL finds against the engine's and, where it has one, the oracle's. One answer per event and rule. */
export function sqlPlay(engine: Engine): Play {
  return async (dice) => {
    if (dice(3) === 0) {
      const one = randomCommands(dice);
      await compare(engine, one, engineFirings(one), "engine");
      return one.lines.length;
    }
    const { text: rules, rules: oracleRules } = randomRules(dice);
    const { catalog, events, lines } = randomFiles(dice);
    const one = { rules, catalog, lines };
    const oracle = new PlainOracle(oracleRules, catalog);
    const expected = events.flatMap((event) => oracle.take(event) as Firing[]);
    const found = engineFirings(one);
    if (JSON.stringify(found) !== JSON.stringify(expected))
      throw new Disagreement(rules, lines, `engine and oracle:\n${differenceOf(found, expected)}`);
    await compare(engine, one, expected, "oracle");
    return lines.length * oracleRules.length;
  };
}
