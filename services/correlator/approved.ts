/** Whether people have already answered for what a COMMIT completes. */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import { type Asking, budgetOf, groundOf, placesOf } from "./asking.ts";
import { findChain } from "./match.ts";
import { isLive, matchedBy, type Step, type StepEffect } from "./step.ts";

/**
 * A COMMIT whose effects ran under approvals is not asked again, unless the chain found now differs in a step before the
 * last, or an effect that nobody approved completes it too. Steps of the very transaction that commits are not such a
 * difference (who approves a DELETE knows that its transaction goes on), nor is what else it touched or moved (the INSERT
 * that fills again what was emptied), as long as nobody else's step in that chain came after what was approved, and the
 * chain is the approved one without those steps, or where what was approved stands.
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
  // Nobody has answered for one of them: then nothing is searched.
  if (completing.some(({ approved }) => !approved.some((chain) => chain.rule === rule.name))) return false;
  if (completing.every((effect) => covers(effect, rule, last, found))) return true;
  const apart = new Set(last.effects.map(({ of }) => of));
  const others = found.filter((step) => step !== last && !apart.has(step.command));
  const kept = keptOf(asking, rule, places, new Set(completing.map(({ of }) => of)));
  const ran = completing.map(({ of }) => kept.get(of));
  const approvedAt = Math.min(...ran.map((step) => step?.at ?? Number.NEGATIVE_INFINITY));
  if (others.some(({ at }) => at > approvedAt)) return false;
  const without = findChain(groundOf(asking, budgetOf(asking)), { rule, last, places, apart });
  if (without !== null && completing.every((effect) => covers(effect, rule, last, without))) return true;
  // What has left the COMMIT's window may be forgotten.
  const sinceMs = last.atMs - rule.timespanMs;
  return completing.every((effect, index) => {
    const own = ran[index];
    if (own === undefined || own.atMs < sinceMs) return false;
    const question = { rule, last: own, places: placesOf(rule, own), sinceMs };
    const then = findChain(groundOf(asking, budgetOf(asking)), question);
    return then !== null && covers(effect, rule, own, then);
  });
}

/** Whether this effect was approved for just these steps before the last. */
function covers({ approved }: StepEffect, rule: ChainRule, last: Step, steps: readonly Step[]): boolean {
  const before = steps.filter((step) => step !== last).map(({ id }) => id);
  return approved.some((chain) => chain.rule === rule.name && sameIds(chain.before, before));
}

/** The steps of commands that are committed now, as far as they are kept. */
function keptOf(
  { steps }: Asking,
  rule: ChainRule,
  places: readonly number[],
  commands: ReadonlySet<string>,
): ReadonlyMap<string, Step> {
  const found = new Map<string, Step>();
  for (const place of places)
    for (const step of rule.steps[place] ? steps.of(rule.steps[place]) : []) {
      const { command } = step;
      if (commands.has(command) && !found.has(command) && isLive(step)) found.set(command, step);
    }
  return found;
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
      // What has left the window since is no news; where nothing else is counted any more, there is none.
      return name === rule.name && (now.length === 0 || sameIds(now.slice(-known), then.slice(-known)));
    }),
  );
}

function completingOf(rule: ChainRule, last: Step, places: readonly number[]): readonly StepEffect[] {
  return [...new Set(places.flatMap((place) => (rule.steps[place] ? matchedBy(last, rule.steps[place]) : [])))];
}
