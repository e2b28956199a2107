/** Which steps stand only by tags that opaque commands moved, as SQL: they are weak evidence (DETECTION §2.6). */
import { type ChainRule, comparesTags, type Detection, readsTags } from "../rules/rule-set.ts";
import type { Tables } from "./tables.ts";

/** @returns conditions under which the event at a position is strong as any of these steps of a rule */
export function standsSql(t: Tables, rule: ChainRule, at: string, steps: readonly Detection[]): string[] {
  const asked = steps.some((detection) => detection.firing !== null || readsTags(detection));
  const indexes = steps.map(({ index }) => index).join(", ");
  return [
    ...(asked ? [`${at} IN (SELECT at FROM ${t.matched} WHERE detection IN (${indexes}) AND strong)`] : []),
    ...(comparesTags(rule) ? [`${at} NOT IN (SELECT at FROM ${t.acts} WHERE length(tags) != length(stags))`] : []),
  ];
}
