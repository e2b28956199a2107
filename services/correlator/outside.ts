/** How a question leaves out what belongs to a pipeline's run: some step of the chain must stand outside. */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import type { Deviation } from "../../schemas/chain.ts";
import type { Step } from "./step.ts";

/** Whether a step does more than read, and is no part of the run. */
export type Outside = (step: Step) => boolean;

export interface Exemptions {
  /** @returns one test per run that the last step belongs to: a chain needs a step outside of each. Empty = nothing is exempt */
  outsideOf(rule: ChainRule, last: Step): readonly Outside[];
  /** Why a chain is not exempt, by pipeline; empty where the rule leaves nothing out. */
  why(rule: ChainRule, found: readonly Step[], last: Step): readonly Deviation[];
}

/** Every way to choose so many of the places, the same more than once too. */
export function* choicesOf(places: number, count: number): Generator<readonly number[]> {
  if (count === 0) yield [];
  else
    for (const rest of choicesOf(places, count - 1))
      for (let place = 0; place < places; place += 1) yield [...rest, place];
}
