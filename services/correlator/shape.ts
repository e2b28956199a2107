/**
 * What rules have in common: rules that differ only in timespan, in how many different values they ask for, or in their
 * gate are asked as one, with the loosest of these. Where that finds nothing, none of them has a chain.
 */
import { type ChainRule, canBeLast, formsOf } from "../../infra/rules/rule-set.ts";

export interface Shape {
  /** In rule order. */
  readonly rules: readonly ChainRule[];
  /** Finds a chain wherever one of the rules does; null where there is only one rule. */
  readonly loosest: ChainRule | null;
}

/** Shapes by the detection that can be their last step. */
export type Endings = ReadonlyMap<number, readonly Shape[]>;

export function endingsOf(rules: readonly ChainRule[]): Endings {
  const endings = new Map<number, Shape[]>();
  for (const shape of shapesOf(rules.flatMap(formsOf))) {
    const rule = shape.rules[0];
    if (rule === undefined) continue;
    const last = rule.steps.filter((_, place) => canBeLast(rule, place));
    for (const index of new Set(last.map((step) => step.index))) {
      const shapes = endings.get(index);
      if (shapes === undefined) endings.set(index, [shape]);
      else shapes.push(shape);
    }
  }
  return endings;
}

function shapesOf(rules: readonly ChainRule[]): readonly Shape[] {
  const shapes = new Map<string, ChainRule[]>();
  for (const rule of rules) {
    const { type, steps, written, groupBy, groupNull, links, absences, count } = rule;
    const absent = absences.map(({ scope, detection, between, fields }) => [scope, detection.index, between, fields]);
    const alone = count === null ? null : rule.index;
    const key = JSON.stringify([
      alone,
      type,
      steps.map(({ index }) => index),
      written,
      groupBy,
      groupNull,
      links,
      absent,
    ]);
    const alike = shapes.get(key);
    if (alike === undefined) shapes.set(key, [rule]);
    else alike.push(rule);
  }
  return [...shapes.values()].map((alike) => ({ rules: alike, loosest: loosen(alike) }));
}

function loosen(alike: readonly ChainRule[]): ChainRule | null {
  const first = alike[0];
  if (first === undefined || alike.length === 1) return null;
  const fields = new Set(alike.map(({ distinct }) => distinct?.field));
  const min = Math.min(...alike.map(({ distinct }) => distinct?.min ?? 0));
  const distinct = fields.size === 1 && first.distinct !== null ? { field: first.distinct.field, min } : null;
  return { ...first, unless: [], distinct, timespanMs: Math.max(...alike.map(({ timespanMs }) => timespanMs)) };
}
