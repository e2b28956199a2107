/**
 * Whether a correlation fired at an event, for the correlation around it (DETECTION §6): worked out when it is asked, from
 * what is known then, so that what was withdrawn since takes its firings with it.
 */
import { type ChainRule, canBeLast, formsOf, isWeakGroup } from "../../infra/rules/rule-set.ts";
import { findCount } from "./count.ts";
import type { FiringsOf, Ground } from "./ground.ts";
import { findChain } from "./match.ts";
import type { Step } from "./step.ts";
import { strongCount } from "./strength.ts";

export class Firings implements FiringsOf {
  readonly #known = new Map<ChainRule, WeakMap<Step, boolean>>();
  readonly #strong = new Map<ChainRule, WeakMap<Step, boolean>>();

  /** @returns whether it did; "no" means nothing when `ground.budget.spent` */
  fires(ground: Ground, rule: ChainRule, step: Step, strongOnly: boolean): boolean {
    const byRule = strongOnly ? this.#strong : this.#known;
    let known = byRule.get(rule);
    if (known === undefined) {
      known = new WeakMap();
      byRule.set(rule, known);
    }
    let fired = known.get(step);
    if (fired === undefined) {
      fired = formsOf(rule).some((form) => firing(ground, form, step, strongOnly) !== null);
      if (!ground.budget.spent) known.set(step, fired);
    }
    return fired;
  }
}

/** @returns the steps of a chain that one form of a correlation has at an event */
export function firing(ground: Ground, form: ChainRule, step: Step, strongOnly: boolean): readonly Step[] | null {
  const places = form.steps.flatMap((last, place) =>
    canBeLast(form, place) && step.hits.includes(last.index) ? [place] : [],
  );
  if (places.length === 0 || (strongOnly && isWeakGroup(form))) return null;
  if (form.count === null) return findChain(ground, { rule: form, last: step, places, strongOnly });
  return strongOnly ? strongCount(ground, form, step, places) : findCount(ground, form, step, places);
}
