/**
 * A chain rule as one SELECT (DETECTION §6): every completing event with its latest admissible chain. The steps are joined
 * one by one from the last place backwards; a bucket of the timespan's length keeps each join inside the window.
 *
 * Existence, not consumption: nothing is used up. What a rule says weighs nothing here unless it is asked: strong chains
 * are told from weak ones only where the action depends on it.
 */
import type { LinkKind } from "../../schemas/chain.ts";
import { type ChainRule, canBeLast, type GroupKey, gates, isWeakGroup, type LinkPair } from "../rules/rule-set.ts";
import { absenceSql } from "./absence-sql.ts";
import { actorSql, groupTexts, isUriKey } from "./group-sql.ts";
import { standsSql } from "./strength-sql.ts";
import type { Tables } from "./tables.ts";
import { meetSql, quoted, sharesSql } from "./text.ts";

/** Kinds of evidence that may tie but never block. */
const weakKinds: ReadonlySet<string> = new Set(["address", "trace", "content"]);

/**
 * @returns a SELECT of `at` (of the completing event), `class` (0 told, 1 held), `blocks` (a strong chain is shown), `strong`
 * (there is one; 0 where that was not asked), and of the chain `places` (positions) and `ids` in step order: the latest one
 */
export function chainSql(t: Tables, rule: ChainRule, wantsStrong: boolean): string {
  const last = rule.steps.length - 1;
  let joined = firstSql(t, rule, last);
  for (let place = last - 1; place >= 0; place -= 1) joined = nextSql(t, rule, place, joined);
  const places = rule.steps.map((_, place) => place);
  const all = (letter: string) => places.map((place) => `${letter}${place}`).join(", ");
  const at = places.length === 1 ? "a0" : `greatest(${all("a")})`;
  const conditions = [
    ...actorConditions(rule, at),
    ...rule.links.map((pair) => `(${pair.by.map((kind) => tieSql(t, pair, kind, at, "0")).join(" OR ")})`),
    ...distinctConditions(rule),
    ...rule.absences.map((absence) => absenceSql(t, rule, absence, at, "g")),
    isAnyOf(
      places.filter((place) => canBeLast(rule, place)),
      at,
    ),
  ];
  const held = isAnyOf(
    places.filter((place) => gates(rule, place)),
    at,
  );
  const strong = wantsStrong ? strongSql(t, rule, at) : "0";
  const order = places.toReversed().map((place) => `a${place}`);
  // Only who blocks looks for a strong chain first.
  const first = rule.gate?.action === "block" ? `if(${held} AND ${strong}, 1, 0)` : "0";
  const rank = `tuple(${[`if(${held}, 1, 0)`, first, ...order].join(", ")})`;
  return `SELECT ${at} AS at, max(${rank}) AS best, best.1 AS class, best.2 AS blocks, max(if(${strong}, 1, 0)) AS strong, argMax([${all("a")}], ${rank}) AS places,
    argMax([${all("i")}], ${rank}) AS ids FROM (${joined}) WHERE ${conditions.join(" AND ")} GROUP BY at`;
}

/** Whether the event at a position stands at one of these places. */
function isAnyOf(places: readonly number[], at: string): string {
  return places.length === 0 ? "0" : `(${places.map((place) => `a${place} = ${at}`).join(" OR ")})`;
}

function candidates(t: Tables, rule: ChainRule, place: number): string {
  return `SELECT * FROM ${t.steps} WHERE at IN (SELECT at FROM ${t.matched} WHERE detection = ${rule.steps[place]?.index ?? -1})`;
}

const carried = (place: number, from: string) =>
  [
    `${from}at AS a${place}`,
    `${from}ms AS t${place}`,
    `${from}id AS i${place}`,
    `${from}identity AS p${place}`,
    `${from}opaque AS o${place}`,
    `${from}keys AS k${place}`,
    `${from}touches AS u${place}`,
    `${from}lin AS l${place}`,
    `${from}slin AS s${place}`,
  ].join(", ");

const spanOf = (rule: ChainRule) => Math.max(1, rule.timespanMs);

function firstSql(t: Tables, rule: ChainRule, place: number): string {
  const groups = rule.groupBy.flatMap((key, index) => [
    `${groupTexts(rule, key, key.kind === "field" ? key.fields[place] : undefined, "", "lin")} AS g${index}`,
    `${groupTexts(rule, key, key.kind === "field" ? key.fields[place] : undefined, "", "slin")} AS sg${index}`,
  ]);
  const there = rule.groupBy.map((_, index) => `notEmpty(g${index})`);
  return `SELECT ${[carried(place, ""), `floor(ms / ${spanOf(rule)}) AS b`, ...groups].join(", ")}
    FROM (${candidates(t, rule, place)})${there.length > 0 ? ` WHERE ${there.join(" AND ")}` : ""}`;
}

function nextSql(t: Tables, rule: ChainRule, place: number, joined: string): string {
  const ordered = rule.type !== "temporal";
  const span = spanOf(rule);
  const near = ordered ? "[0, 1]" : "[-1, 0, 1]";
  const chosen = rule.steps.map((_, index) => index).filter((index) => index > place);
  const last = rule.steps.length - 1;
  const times = chosen.map((index) => `j.t${index}`);
  const conditions = [
    ...(ordered ? [`n.at < j.a${place + 1}`] : chosen.map((index) => `n.at != j.a${index}`)),
    ordered
      ? `j.t${last} - n.ms <= ${rule.timespanMs}`
      : `greatest(n.ms, ${times.join(", ")}) - least(n.ms, ${times.join(", ")}) <= ${rule.timespanMs}`,
  ];
  if (!ordered && rule.written[place] === rule.written[place + 1]) conditions.push(`n.at < j.a${place + 1}`);
  const groups = rule.groupBy.flatMap((key, index) => groupColumns(rule, key, index, place));
  const there = rule.groupBy.map((_, index) => `notEmpty(g${index})`);
  const outer = there.length > 0 ? ` WHERE ${there.join(" AND ")}` : "";
  const groupsBefore = rule.groupBy.flatMap((_, index) => [`g${index}`, `sg${index}`]);
  const kept = groupsBefore.length === 0 ? "j.*" : `j.* EXCEPT (${groupsBefore.join(", ")})`;
  return `SELECT * FROM (SELECT ${[kept, carried(place, "n."), ...groups].join(", ")} FROM (${joined}) AS j
    INNER JOIN (SELECT *, floor(ms / ${span}) + arrayJoin(${near}) AS bucket FROM (${candidates(t, rule, place)})) AS n ON n.bucket = j.b
    WHERE ${conditions.join(" AND ")})${outer}`;
}

function groupColumns(rule: ChainRule, key: GroupKey, index: number, place: number): string[] {
  if (key.kind === "actor") {
    // Who is the same is asked at the completing event's position: see actorConditions.
    const there = groupTexts(rule, key, undefined, "n.", "lin");
    return [`if(notEmpty(${there}), j.g${index}, []) AS g${index}`, `j.sg${index} AS sg${index}`];
  }
  const field = key.kind === "field" ? key.fields[place] : undefined;
  const by = isUriKey(key);
  return [
    `${meetSql(`j.g${index}`, groupTexts(rule, key, field, "n.", "lin"), by)} AS g${index}`,
    `${meetSql(`j.sg${index}`, groupTexts(rule, key, field, "n.", "slin"), by)} AS sg${index}`,
  ];
}

function actorConditions(rule: ChainRule, at: string): string[] {
  if (!rule.groupBy.some(({ kind }) => kind === "actor")) return [];
  const last = rule.steps.length - 1;
  const others = rule.steps.map((_, place) => place).filter((place) => place !== last);
  return others.map((place) => actorSql(`p${place}[1]`, `p${last}[1]`, at));
}

function distinctConditions(rule: ChainRule): string[] {
  if (rule.distinct === null) return [];
  const field = quoted(rule.distinct.field);
  const values = rule.steps.map((_, place) => `k${place}[${field}]`).join(", ");
  return [`length(arrayDistinct(arrayConcat(${values}))) >= ${rule.distinct.min}`];
}

/** @param lane of flows and lineage: 0 everything, 1 what was read completely */
function tieSql(t: Tables, { from, to }: LinkPair, kind: LinkKind, at: string, lane: "0" | "1"): string {
  const lineage = lane === "0" ? "l" : "s";
  const name = quoted(kind);
  switch (kind) {
    case "flow":
      return `((least(a${from}, a${to}), greatest(a${from}, a${to})) IN (SELECT source, target FROM ${t.flows} WHERE strong = ${lane}))`;
    case "lineage":
      return sharesSql(`${lineage}${from}`, `${lineage}${to}`, true);
    case "resource":
      return sharesSql(`u${from}`, `u${to}`, true);
    case "actor":
      return `(notEmpty(p${from}) AND notEmpty(p${to}) AND ${actorSql(`p${from}[1]`, `p${to}[1]`, at)})`;
    case "task":
      return `(notEmpty(k${from}[${name}]) AND notEmpty(k${to}[${name}]) AND (k${from}[${name}][1] = k${to}[${name}][1] OR arrayExists(r -> r.1 = k${from}[${name}][1] AND r.2 = k${to}[${name}][1] AND r.3 <= ${at}, related)))`;
    default:
      return `hasAny(k${from}[${name}], k${to}[${name}])`;
  }
}

/** No opaque step, none by tags that one moved, every link by strong evidence, and a group that strong lineage agrees in too. */
function strongSql(t: Tables, rule: ChainRule, at: string): string {
  if (isWeakGroup(rule)) return "0";
  const links = rule.links.map((pair) => {
    const ties = pair.by.filter((kind) => !weakKinds.has(kind)).map((kind) => tieSql(t, pair, kind, at, "1"));
    return ties.length === 0 ? "0" : `(${ties.join(" OR ")})`;
  });
  const standing = rule.steps.flatMap((detection, place) => standsSql(t, rule, `a${place}`, [detection]));
  return [
    ...rule.steps.map((_, place) => `NOT o${place}`),
    ...standing,
    ...links,
    ...rule.groupBy.map((_, index) => `notEmpty(sg${index})`),
    ...rule.absences.map((absence) => absenceSql(t, rule, absence, at, "sg")),
  ].join(" AND ");
}
