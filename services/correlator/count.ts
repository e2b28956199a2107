/** Counting correlations (DETECTION §6): over all matching steps of the completing step's group inside the window. */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import type { Ground } from "./ground.ts";
import { type Agreement, bring, choices, meet } from "./group.ts";
import { lastUnder } from "./order.ts";
import { fieldTexts, type Step } from "./step.ts";

/** @returns the steps counted, in log order, for the first group that fires; null when none does */
export function findCount(
  ground: Ground,
  rule: ChainRule,
  last: Step,
  places: readonly number[],
): readonly Step[] | null {
  if (rule.count === null) return null;
  const tried = new Set<string>();
  for (const place of places) {
    const brought = bring(rule, place, last, ground.clusters);
    for (const group of brought === null ? [] : choices(brought)) {
      const key = JSON.stringify(group);
      if (tried.has(key)) continue;
      tried.add(key);
      const counted = membersOf(ground, rule, last, group);
      if (rule.count.holds(countOf(counted, rule.count.field))) return counted;
    }
  }
  return null;
}

function countOf(steps: readonly Step[], field: string | null): number {
  return field === null ? steps.length : new Set(steps.flatMap((step) => fieldTexts(step, field))).size;
}

function membersOf(ground: Ground, rule: ChainRule, last: Step, group: Agreement): readonly Step[] {
  const found = new Set<Step>(last.commit ? [] : [last]);
  const sinceMs = last.atMs - rule.timespanMs;
  for (const [place, detection] of rule.steps.entries()) {
    const list = ground.steps.of(detection);
    for (let index = lastUnder(list, last.at); index >= 0; index -= 1) {
      const step = list[index];
      if (step === undefined || step.atMs < sinceMs) break;
      ground.budget.left -= 1;
      if (ground.budget.left < 0) {
        ground.budget.spent = true;
        return [];
      }
      // A COMMIT is the same act as the commands that it makes lasting: it is not counted twice.
      if (step.commit || !step.hits.includes(detection.index)) continue;
      const brought = bring(rule, place, step, ground.clusters);
      if (brought !== null && meet(rule, group, brought) !== null) found.add(step);
    }
  }
  return [...found].sort((a, b) => a.at - b.at);
}
