/**
 * What all steps of a chain agree in (group-by). A scalar is a set of one; sets agree when they share a member, URIs by
 * overlap: URIs form a tree, so pairwise overlap has a common narrowest member, and meeting one by one is exact.
 */
import type { ChainRule, GroupKey } from "../../infra/rules/rule-set.ts";
import type { Clusters } from "./cluster.ts";
import { shared } from "./links.ts";
import { fieldTexts, type Step } from "./step.ts";

/** Fields whose members are URIs. */
const uriFields: ReadonlySet<string> = new Set(["resource", "reads", "writes", "ends"]);
/** Stands for "has no such field" where the rule permits it; no field's text can be this. */
const missing = "\u0000";

/** One list of members per key of `groupBy`. */
export type Agreement = readonly (readonly string[])[];

const none: Agreement = [];
/** Comparing so many pairs is cheaper than making a set. */
const pairsMax = 64;

export function isUri(key: GroupKey): boolean {
  return key.kind === "lineage" || (key.kind === "field" && key.fields.some((field) => uriFields.has(field)));
}

/** @param field name under which this event has the key, or null for the key's own kind */
function members(key: GroupKey, field: string, step: Step, clusters: Clusters, lineage = lineageOf): readonly string[] {
  if (key.kind === "lineage") return lineage(step);
  if (key.kind === "field") return fieldTexts(step, field);
  return step.subject.identity === undefined ? [] : [clusters.rootOf(step.subject.identity)];
}

function lineageOf(step: Step): readonly string[] {
  return step.lineage;
}

/** @returns what a step brings to each key of the rule, or null when one is missing that may not be */
export function bring(
  rule: ChainRule,
  at: number,
  step: Step,
  clusters: Clusters,
  lineage = lineageOf,
): Agreement | null {
  return bringBy(rule, step, clusters, (key) => (key.kind === "field" ? (key.fields[at] ?? key.name) : ""), lineage);
}

export function bringBy(
  rule: ChainRule,
  step: Step,
  clusters: Clusters,
  fieldOf: (key: GroupKey, index: number) => string,
  lineage = lineageOf,
): Agreement | null {
  if (rule.groupBy.length === 0) return none;
  const agreement: (readonly string[])[] = [];
  for (const [index, key] of rule.groupBy.entries()) {
    const found = members(key, fieldOf(key, index), step, clusters, lineage);
    if (found.length === 0 && !rule.groupNull) return null;
    agreement.push(found.length === 0 ? [missing] : found);
  }
  return agreement;
}

/** @returns what both agree in, or null */
export function meet(rule: ChainRule, one: Agreement, other: Agreement): Agreement | null {
  if (rule.groupBy.length === 0) return one;
  const met: (readonly string[])[] = [];
  for (const [index, key] of rule.groupBy.entries()) {
    const [left, right] = [one[index] ?? [], other[index] ?? []];
    const both = isUri(key) ? shared(left, right) : common(left, right);
    if (both.length === 0) return null;
    met.push(both);
  }
  return met;
}

function common(left: readonly string[], right: readonly string[]): readonly string[] {
  if (left.length * right.length <= pairsMax) return left.filter((text) => right.includes(text));
  const known = new Set(right);
  return left.filter((text) => known.has(text));
}

/** Every choice of one member per key. */
export function* choices(agreement: Agreement): Generator<Agreement> {
  const [members, ...rest] = agreement;
  if (members === undefined) yield none;
  else for (const member of members) for (const choice of choices(rest)) yield [[member], ...choice];
}
