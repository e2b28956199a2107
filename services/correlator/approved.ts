/** Whether people have already answered for what a COMMIT completes. */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import { type Asking, budgetOf, groundOf } from "./asking.ts";
import { findChain } from "./match.ts";
import { matchedBy, type Step, type StepEffect } from "./step.ts";

/**
 * A COMMIT whose effects ran under approvals is not asked again, unless the chain found now differs in a step before the
 * last, or an effect that nobody approved completes it too. Steps of the very transaction that commits are not such a
 * difference (who approves a DELETE knows that its transaction goes on), as long as nobody else's step in that chain came
 * after what was approved, and without them the chain is the approved one.
 */
export function wasApproved(
  asking: Asking,
  rule: ChainRule,
  last: Step,
  found: readonly Step[],
  places: readonly number[],
): boolean {
  if (!last.commit) return false;
  if (rule.count !== null) return wasCountApproved(rule, last, found, places);
  const completing = completingOf(rule, last, places);
  const isCovered = (steps: readonly Step[]) => {
    const before = steps.filter((step) => step !== last).map(({ id }) => id);
    return completing.every(({ approved }) =>
      approved.some((chain) => chain.rule === rule.name && sameIds(chain.before, before)),
    );
  };
  if (isCovered(found)) return true;
  const apart = new Set(last.effects.map(({ of }) => of));
  const others = found.filter((step) => step !== last && !apart.has(step.command));
  if (others.length === found.length - 1) return false;
  const approvedAt = Math.min(...completing.map(({ of }) => placeOf(asking, rule, places, of)));
  if (others.some(({ at }) => at > approvedAt)) return false;
  const without = findChain(groundOf(asking, budgetOf(asking)), { rule, last, places, apart });
  return without !== null && isCovered(without);
}

/** Where a command that is committed now stood when it ran; before everything when that is not kept. */
function placeOf({ steps }: Asking, rule: ChainRule, places: readonly number[], command: string): number {
  const kept = places.flatMap((place) => (rule.steps[place] ? steps.of(rule.steps[place]) : []));
  return kept.find((step) => step.command === command)?.at ?? Number.NEGATIVE_INFINITY;
}

function sameIds(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id, index) => id === other[index]);
}

/** A count is not asked again where all that it counts was counted when it was approved, or belongs to the transaction. */
function wasCountApproved(rule: ChainRule, last: Step, found: readonly Step[], places: readonly number[]): boolean {
  const apart = new Set(last.effects.map(({ of }) => of));
  const own = new Set(found.filter(({ command }) => apart.has(command)).map(({ id }) => id));
  const now = found.filter((step) => step !== last && !own.has(step.id)).map(({ id }) => id);
  return completingOf(rule, last, places).every(({ approved }) =>
    approved.some(({ rule: name, before }) => {
      const then = before.filter((id) => !own.has(id));
      const known = Math.min(now.length, then.length);
      return name === rule.name && (known > 0 || now.length === 0) && sameIds(now.slice(-known), then.slice(-known));
    }),
  );
}

function completingOf(rule: ChainRule, last: Step, places: readonly number[]): readonly StepEffect[] {
  return [...new Set(places.flatMap((place) => (rule.steps[place] ? matchedBy(last, rule.steps[place]) : [])))];
}
