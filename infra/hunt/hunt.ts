/**
 * A hunt: what rules would have found in commands that are kept in ClickHouse, by SQL made from the rules. The third
 * implementation of DETECTION §6 beside the engine and the oracle, and the one that reads ninety days.
 *
 * Pure SQL but for three small things that are worked out here, because they are about names and not about commands:
 * the catalog's tags, which identities are one actor, and which tasks belong together.
 */
import { limits } from "../../schemas/limits.ts";
import { type Catalog, containersOf } from "../catalog.ts";
import {
  actionOf,
  type ChainRule,
  type Detection,
  formsOf,
  type LinkPair,
  type RuleSet,
  readsTags,
} from "../rules/rule-set.ts";
import type { Engine } from "../store/engine.ts";
import { chainSql } from "./chain-sql.ts";
import { countSql } from "./count-sql.ts";
import { detectionSql } from "./detection-sql.ts";
import { actorTies, type Tie, taskTies } from "./kin.ts";
import {
  flowStatements,
  labelStatements,
  moveStatements,
  presentStatements,
  roundStatement,
  stepStatements,
} from "./lineage-sql.ts";
import type { Tables } from "./tables.ts";
import { quoted, quotedList } from "./text.ts";

/** One completing event of one rule. */
export interface Found {
  readonly rule: string;
  readonly at: number;
  readonly event: string;
  readonly action: "hold" | "block" | "alert";
  /** Ids in step order. */
  readonly chain: readonly string[];
}

/** Data that is copied round and round ends after as many rounds as there are places; this is more than anybody has. */
const roundsMax = 1_000;
/** A rule whose steps match nearly everything joins nearly everything. */
const bounded = `SETTINGS max_execution_time = ${limits.huntSecondsMax}`;
/** Rows per INSERT of names. */
const namesAtOnce = 2_000;

/** Works out lineage and tags once, for all rules. `commands`, `effects`, `merges`, `parents` are filled. */
export async function prepareHunt(engine: Engine, t: Tables, catalog: Catalog): Promise<void> {
  await nameResources(engine, t, catalog);
  for (const statement of moveStatements(t)) await engine.command(statement);
  await closeOver(engine, t, "facts");
  for (const statement of [...presentStatements(t), ...stepStatements(t)]) await engine.command(statement);
  const merges = await engine.ask<{ at: number; identities: string[] }>(
    `SELECT min(at) AS at, identities FROM ${t.merges} GROUP BY identities ORDER BY at`,
  );
  await insertTies(engine, t.same, actorTies(merges));
  const parents = await engine.ask<{ at: number; task: string; parent: string }>(
    `SELECT min(at) AS at, task, parent FROM ${t.parents} GROUP BY task, parent ORDER BY at`,
  );
  await insertTies(engine, t.related, taskTies(parents));
}

/** @returns completions in log order, then in the order of the rules */
export async function hunt(engine: Engine, t: Tables, rules: RuleSet): Promise<Found[]> {
  // A correlation inside another stands after what it is made from.
  for (const detection of rules.detections) await matchAll(engine, t, detection);
  const found: (Found & { readonly index: number })[] = [];
  for (const rule of rules.rules)
    for (const { at, places, ids, class: held, blocks } of await huntRule(engine, t, rule, false)) {
      const event = ids[places.indexOf(at)] ?? "";
      const wanted = held === 1 ? actionOf(rule) : "alert";
      const action = wanted === "block" && blocks === 0 ? "hold" : wanted;
      found.push({ rule: rule.name, at, event, action, chain: ids, index: rule.index });
    }
  return found.sort((a, b) => a.at - b.at || a.index - b.index).map(({ index: _, ...one }) => one);
}

async function matchAll(engine: Engine, t: Tables, detection: Detection): Promise<void> {
  const { index, tree, firing } = detection;
  const now = detectionSql(tree, { beforeItRan: false });
  const strongly = readsTags(detection) ? detectionSql(tree, { beforeItRan: false, strongOnly: true }) : "1";
  const fired = firing === null ? null : await huntRule(engine, t, firing, true);
  const among = (rows: readonly Row[]) => `at IN [${rows.map(({ at }) => at).join(", ")}]`;
  if (fired?.length === 0) return;
  const strong =
    fired === null ? "max(ifNull(now, 1) AND ifNull(strongly, 1))" : among(fired.filter((row) => row.strong === 1));
  await engine.command(
    `INSERT INTO ${t.matched} SELECT ${index}, at, max(ifNull(now, 0)), ${strong} FROM (SELECT at, ${now} AS now, ${strongly} AS strongly FROM ${t.acts}
     ${fired === null ? "" : `WHERE ${among(fired)}`}) GROUP BY at HAVING max(ifNull(now, 1))`,
  );
}

/** One completing event: the row of the chain that is shown. */
interface Row {
  readonly at: number;
  readonly class: number;
  readonly blocks: number;
  readonly strong: number;
  readonly places: readonly number[];
  readonly ids: readonly string[];
}

/** The best chain of each completing event, over all forms of the rule. @param inside another one, which asks whether it is strong */
async function huntRule(engine: Engine, t: Tables, rule: ChainRule, inside: boolean): Promise<Row[]> {
  const best = new Map<number, Row>();
  for (const form of formsOf(rule))
    for (const row of await huntForm(engine, t, form, inside)) {
      const other = best.get(row.at);
      const better = other === undefined || isBetter(rule, row, other) ? row : other;
      best.set(row.at, { ...better, strong: Math.max(row.strong, other?.strong ?? 0) });
    }
  return [...best.values()];
}

/** What is held before what is told; what blocks before what does not; then the latest, compared from the last step backwards. */
function isBetter({ gate }: ChainRule, one: Row, other: Row): boolean {
  if (one.class !== other.class) return one.class > other.class;
  if (gate?.action === "block" && one.class === 1 && one.blocks !== other.blocks) return one.blocks > other.blocks;
  for (let back = 1; back <= one.places.length || back <= other.places.length; back += 1) {
    const [left, right] = [one.places.at(-back) ?? -1, other.places.at(-back) ?? -1];
    if (left !== right) return left > right;
  }
  return false;
}

async function huntForm(engine: Engine, t: Tables, form: ChainRule, inside: boolean): Promise<Row[]> {
  const kin = `(SELECT groupArray(tuple(one, other, since)) FROM ${t.same}) AS same, (SELECT groupArray(tuple(one, other, since)) FROM ${t.related}) AS related`;
  if (form.count !== null) return engine.ask<Row>(`WITH ${kin} ${countSql(t, form, form.count)} ${bounded}`);
  const flows = form.links.filter(({ by }) => by.includes("flow"));
  if (flows.length > 0) await followFlows(engine, t, form, flows);
  const wantsStrong = inside || form.gate?.action === "block";
  return engine.ask<Row>(`WITH ${kin} ${chainSql(t, form, wantsStrong)} ${bounded}`);
}

async function followFlows(engine: Engine, t: Tables, { steps }: ChainRule, flows: readonly LinkPair[]): Promise<void> {
  await engine.command(`TRUNCATE TABLE ${t.labels}`);
  await engine.command(`TRUNCATE TABLE ${t.flows}`);
  const places = [...new Set(flows.flatMap(({ from, to }) => [from, to]))];
  const detections = places.map((place) => steps[place]?.index ?? -1);
  for (const statement of labelStatements(t, detections)) await engine.command(statement);
  await closeOver(engine, t, "labels");
  for (const statement of flowStatements(t, detections)) await engine.command(statement);
}

async function nameResources(engine: Engine, t: Tables, catalog: Catalog): Promise<void> {
  const named = await engine.ask<{ name: string }>(
    `SELECT DISTINCT arrayJoin(arrayConcat(reads, writes, ends, ended, moves.1, moves.2)) AS name FROM ${t.effects}`,
  );
  for (let from = 0; from < named.length; from += namesAtOnce) {
    const rows = named
      .slice(from, from + namesAtOnce)
      .map(
        ({ name }) =>
          `(${quoted(name)}, ${quotedList(catalog.tagsOf(name))}, ${quotedList([name, ...containersOf(name)])})`,
      );
    await engine.command(`INSERT INTO ${t.names} VALUES ${rows.join(", ")}`);
  }
}

async function closeOver(engine: Engine, t: Tables, table: "facts" | "labels"): Promise<void> {
  for (let round = 0; round < roundsMax; round += 1) {
    const [row] = await engine.ask<{ n: number }>(`SELECT count() AS n FROM ${t[table]} WHERE round = ${round}`);
    if (row === undefined || row.n === 0) return;
    await engine.command(roundStatement(t, table, round));
  }
}

async function insertTies(engine: Engine, table: string, ties: readonly Tie[]): Promise<void> {
  for (let from = 0; from < ties.length; from += namesAtOnce) {
    const rows = ties
      .slice(from, from + namesAtOnce)
      .map(({ one, other, since }) => `(${quoted(one)}, ${quoted(other)}, ${since})`);
    await engine.command(`INSERT INTO ${table} VALUES ${rows.join(", ")}`);
  }
}
