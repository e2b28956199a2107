/**
 * `absent`, `until` and `not` as SQL (DETECTION §6): nobody outside the chain did this in between, or nobody at all in the time
 * frame, for one choice of the key.
 */
import type { Absence, ChainRule } from "../rules/rule-set.ts";
import { actorSql, groupTexts, isUriKey } from "./group-sql.ts";
import type { Tables } from "./tables.ts";
import { insideSql } from "./text.ts";

/** @param group prefix of the columns that hold what the chain agrees in: `g`, or `sg` for strong evidence */
export function absenceSql(t: Tables, rule: ChainRule, absence: Absence, at: string, group: "g" | "sg"): string {
  const places = rule.steps.map((_, place) => place);
  const ends = (absence.between ?? places).map((place) => `a${place}`);
  const [after, before] =
    ends.length === 1 ? [ends[0], ends[0]] : [`least(${ends.join(", ")})`, `greatest(${ends.join(", ")})`];
  const times = places.map((place) => `t${place}`);
  const newest = times.length === 1 ? times[0] : `greatest(${times.join(", ")})`;
  const insiders = places.map((place) => `p${place}`).join(", ");
  const agrees = rule.groupBy.map((key, index) => {
    const [choice, theirs] = [`c${index}`, `q.${index + 4}`];
    if (key.kind === "actor") return `(notEmpty(${theirs}) AND ${actorSql(choice, `${theirs}[1]`, at)})`;
    if (!isUriKey(key)) return `has(${theirs}, ${choice})`;
    return `arrayExists(z -> ${insideSql("z", choice)} OR ${insideSql(choice, "z")}, ${theirs})`;
  });
  const when =
    absence.scope === "window"
      ? [`q.1 <= ${at}`, `${newest} - q.3 <= ${rule.timespanMs}`]
      : [`q.1 > ${after}`, `q.1 < ${before}`, `NOT has([${insiders}], q.2)`];
  const offends = [...when, ...agrees].join(" AND ");
  const free = `NOT arrayExists(q -> ${offends}, ${offendersSql(t, rule, absence)})`;
  return rule.groupBy.reduceRight(
    (inner, _, index) => `arrayExists(c${index} -> ${inner}, ${group}${index})`,
    `(${free})`,
  );
}

function offendersSql(t: Tables, rule: ChainRule, { detection, fields }: Absence): string {
  const keys = rule.groupBy.map((key, index) => groupTexts(rule, key, fields[index], "", "lin"));
  return `(SELECT groupArray(tuple(${["at", "identity", "ms", ...keys].join(", ")})) FROM ${t.steps}
    WHERE NOT opaque AND at IN (SELECT at FROM ${t.matched} WHERE detection = ${detection.index} AND sure))`;
}
