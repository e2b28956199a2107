/** What answers are worked out from, and the places that a completing step may take. */
import { type ChainRule, canBeLast } from "../../infra/rules/rule-set.ts";
import { Exempt } from "./exempt.ts";
import { Firings } from "./firings.ts";
import type { Budget, Ground } from "./ground.ts";
import { type Evidence, Links } from "./links.ts";
import type { Pipelines } from "./pipelines.ts";
import type { Endings } from "./shape.ts";
import type { Step } from "./step.ts";
import type { Steps } from "./steps.ts";
import type { Tallies } from "./tallies.ts";

export interface Asking {
  readonly steps: Steps;
  readonly evidence: Evidence;
  readonly endings: Endings;
  /** Candidates looked at before the rest counts as not known. */
  readonly looksMax: number;
  /** Absent: nothing is exempt. */
  readonly pipelines?: Pipelines;
  /** What is remembered from question to question where history only grows. */
  readonly memory?: { readonly firings: Firings; readonly tallies: Tallies };
}

/** Where in the rule the completing step may stand. */
export function placesOf(rule: ChainRule, last: Step): readonly number[] {
  const { hits } = last;
  const places: number[] = [];
  for (let place = 0; place < rule.steps.length; place += 1)
    if (canBeLast(rule, place) && hits.includes(rule.steps[place]?.index ?? -1)) places.push(place);
  return places;
}

export function budgetOf({ looksMax }: Asking): Budget {
  return { left: looksMax, spent: false };
}

export function groundOf({ steps, evidence, memory, pipelines }: Asking, budget: Budget): Ground {
  const { clusters, tasks } = evidence;
  const firings = memory?.firings ?? new Firings();
  const exempt = new Exempt(pipelines ?? null);
  const links = new Links(evidence);
  return { steps, links, clusters, tasks, budget, firings, exempt, tallies: memory?.tallies ?? null };
}
