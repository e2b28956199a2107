/** What one question is asked of: the steps, what ties them, and how much may be looked at. */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import type { Clusters, Tasks } from "./cluster.ts";
import type { Links } from "./links.ts";
import type { Exemptions } from "./outside.ts";
import type { Step } from "./step.ts";
import type { Steps } from "./steps.ts";
import type { Tallies } from "./tallies.ts";

export interface Budget {
  left: number;
  /** Set when a search ended without having looked everywhere. */
  spent: boolean;
}

/** Whether a correlation that is a step of another fired at an event. */
export interface FiringsOf {
  fires(ground: Ground, rule: ChainRule, step: Step, strongOnly: boolean): boolean;
}

export interface Ground {
  readonly steps: Steps;
  readonly links: Links;
  readonly clusters: Clusters;
  readonly tasks: Tasks;
  readonly budget: Budget;
  readonly firings: FiringsOf;
  readonly exempt: Exemptions;
  /** Sums carried on from question to question; null where what was counted may change. */
  readonly tallies: Tallies | null;
}
