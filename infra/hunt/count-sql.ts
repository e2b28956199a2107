/**
 * A counting correlation as one SELECT (DETECTION §6): per completing event and group, what is counted over the matching
 * events of the group inside the window, and whether the condition holds of it.
 */
import { limits } from "../../schemas/limits.ts";
import { type ChainRule, type Count, canBeLast, gates, isWeakGroup } from "../rules/rule-set.ts";
import { actorSql, groupTexts, isUriKey } from "./group-sql.ts";
import { standsSql } from "./strength-sql.ts";
import type { Tables } from "./tables.ts";
import { insideSql, meetSql, quoted } from "./text.ts";

/** @returns a SELECT as that of chainSql: one row per group that fires, events in log order */
export function countSql(t: Tables, rule: ChainRule, count: Count): string {
  const places = rule.steps.map((_, place) => place);
  const keys = rule.groupBy.map((_, index) => `c${index}`);
  const lineages = rule.groupBy.filter(({ kind }) => kind === "lineage").slice(0, 1);
  const order = `arraySort(r -> r.1, groupArray(tuple(x.at, x.id, x.opaque, x.v${lineages.map(() => ", x.s")})))`;
  const agrees = places.map((place) => `(x.m${place} AND ${agreementSql(rule, place)})`).join(" OR ");
  const near = `SELECT *, floor(ms / ${Math.max(1, rule.timespanMs)}) + arrayJoin([0, 1]) AS bucket FROM (${eventsSql(t, rule, count)})`;
  const shown = `arraySlice(counted, -least(${limits.countedNamedMax}, toInt64(length(counted))))`;
  const strong = [
    isWeakGroup(rule) ? "0" : "1",
    "arrayAll(r -> r.3 = 0, counted)",
    ...standsSql(t, rule, "r.1", rule.steps).map((stands) => `arrayAll(r -> ${stands}, counted)`),
    ...lineages.map(() => `notEmpty(arrayFold((m, r) -> ${meetSql("m", "r.5", true)}, counted, counted[1].5))`),
  ];
  return `SELECT at, class, ${strong.join(" AND ")} AS strong, strong AS blocks, arrayMap(r -> r.1, ${shown}) AS places, arrayMap(r -> r.2, ${shown}) AS ids
    FROM (SELECT e.at AS at, max(e.held) AS class, any(e.v) AS own, ${order} AS counted
      FROM (${completingSql(t, rule, count)}) AS e INNER JOIN (${near}) AS x ON x.bucket = e.b
      WHERE x.at <= e.at AND e.ms - x.ms <= ${rule.timespanMs} AND (${agrees})
      GROUP BY ${["e.at", ...keys.map((key) => `e.${key}`)].join(", ")})
    WHERE ${holdsSql(count)}`;
}

/** Every event of the rule once, with the places where it matches (m) and the values that are counted (v). */
function eventsSql(t: Tables, rule: ChainRule, { fields }: Count): string {
  const matching = rule.steps.map(({ index }, place) => {
    return `at IN (SELECT at FROM ${t.matched} WHERE detection = ${index}) AS m${place}`;
  });
  const texts = fields.map((names) => {
    const each = names.map((name, place) => `if(m${place}, keys[${quoted(name)}], [])`);
    return `arrayDistinct(arrayConcat(${each.join(", ")}))`;
  });
  const groups = rule.steps.flatMap((_, place) =>
    rule.groupBy.map((key, index) => {
      const field = key.kind === "field" ? key.fields[place] : undefined;
      return `${groupTexts(rule, key, field, "", "lin")} AS g${place}_${index}`;
    }),
  );
  const any = rule.steps.map((_, place) => `m${place}`).join(" OR ");
  const strong = rule.groupBy.flatMap((key) =>
    key.kind === "lineage" ? `${groupTexts(rule, key, undefined, "", "slin")} AS s` : [],
  );
  return `SELECT at, ms, id, opaque, identity, ${[...matching, `${valuesSql(texts)} AS v`, ...groups, ...strong.slice(0, 1)].join(", ")}
    FROM ${t.steps} WHERE ${any}`;
}

/** Array of Array(String): the combinations of one value of each field. */
function valuesSql(texts: readonly string[]): string {
  const [first, ...rest] = texts;
  if (first === undefined) return "emptyArrayString()";
  if (rest.length === 0) return first;
  const start = `arrayMap(v -> [v], ${first})`;
  const all = rest.reduce(
    (made, text) => `arrayFlatten(arrayMap(o -> arrayMap(v -> tuple(arrayPushBack(o, v)), ${text}), ${made}))`,
    start,
  );
  return `arrayMap(o -> toString(o), ${rest.length === 1 ? pairsSql(start, rest[0] ?? "") : all})`;
}

function pairsSql(made: string, text: string): string {
  return `arrayReduce('groupArrayArray', arrayMap(o -> arrayMap(v -> arrayPushBack(o, v), ${text}), ${made}))`;
}

/** Each completing event with each group that it is of, and whether the rule is asked for it. */
function completingSql(t: Tables, rule: ChainRule, count: Count): string {
  const keys = rule.groupBy.map((_, index) => `c${index}`);
  const each = rule.steps.flatMap((_, place) => {
    if (!canBeLast(rule, place)) return [];
    const members = rule.groupBy.map((_, index) => `arrayJoin(g${place}_${index}) AS c${index}`);
    return `SELECT ${["at", "ms", "identity", "v", `${gates(rule, place) ? 1 : 0} AS held`, ...members].join(", ")}
      FROM (${eventsSql(t, rule, count)}) WHERE m${place}`;
  });
  const columns = ["at", "ms", "identity", "v", ...keys];
  return `SELECT ${columns.join(", ")}, max(held) AS held, floor(ms / ${Math.max(1, rule.timespanMs)}) AS b
    FROM (${each.join(" UNION ALL ")}) GROUP BY ${columns.join(", ")}`;
}

function agreementSql(rule: ChainRule, place: number): string {
  const each = rule.groupBy.map((key, index) => {
    const [choice, theirs] = [`e.c${index}`, `x.g${place}_${index}`];
    if (key.kind === "actor") return `(notEmpty(${theirs}) AND ${actorSql(choice, `${theirs}[1]`, "e.at")})`;
    if (!isUriKey(key)) return `has(${theirs}, ${choice})`;
    return `arrayExists(z -> ${insideSql("z", choice)} OR ${insideSql(choice, "z")}, ${theirs})`;
  });
  return each.length === 0 ? "1" : each.join(" AND ");
}

const isNumber = "match(n, '^[+-]?([0-9]+\\\\.?[0-9]*|\\\\.[0-9]+)([eE][+-]?[0-9]+)?$')";

function holdsSql({ what, percentile, bounds }: Count): string {
  const values = "arrayFlatten(arrayMap(r -> r.4, counted))";
  // In log order, one after the other, so that the same events always give the same sum.
  const numbers = `arrayMap(n -> toFloat64OrZero(n), arrayFilter(n -> ${isNumber}, ${values}))`;
  const total = `arrayFold((sum, n) -> sum + n, ${numbers}, toFloat64(0))`;
  const within = (number: string) =>
    Object.entries(bounds)
      .map(([word, bound]) => `(${number}) ${words[word as keyof typeof words]} ${bound}`)
      .join(" AND ");
  switch (what) {
    case "events":
      return within("length(counted)");
    case "values":
      return within(`length(arrayDistinct(${values}))`);
    case "sum":
      return within(total);
    case "avg":
      return `notEmpty(${numbers}) AND ${within(`${total} / length(${numbers})`)}`;
    case "percentile": {
      const sorted = `arraySort(${numbers})`;
      const place = `((length(${numbers}) - 1) * ${percentile ?? 50} / 100)`;
      const under = `${sorted}[toUInt64(floor(${place})) + 1]`;
      const over = `${sorted}[toUInt64(ceil(${place})) + 1]`;
      return `notEmpty(${numbers}) AND ${within(`${under} + (${over} - ${under}) * (${place} - floor(${place}))`)}`;
    }
    case "share": {
      const having = "arrayCount(r -> notEmpty(r.4), counted)";
      return `${having} > 0 AND arrayExists(v -> ${within(`100 * arrayCount(o -> o = v, ${values}) / ${having}`)}, own)`;
    }
  }
}

const words = { gt: ">", gte: ">=", lt: "<", lte: "<=", eq: "=", neq: "!=" } as const;
