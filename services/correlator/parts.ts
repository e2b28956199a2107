/** What a correlator is given. */
import type { loadRules } from "../../infra/rules/load.ts";
import type { Limits } from "../../schemas/limits.ts";
import type { LineageLimits } from "./lineage.ts";
import type { Output } from "./outputs.ts";
import type { RefoldLimits } from "./refold.ts";
import type { StepLimits } from "./steps.ts";

export type CorrelatorLimits = StepLimits &
  LineageLimits &
  Pick<Limits, "digestRecordsEvery" | "sweepRecordsEvery" | "chainLooksMax" | "clockJumpMsMax" | "switchGraceMs"> &
  RefoldLimits;

export interface CorrelatorParts {
  /** Appends to the log; may fold the appended record before it returns. Never called during replay. */
  emit(draft: Output): void;
  readonly limits: CorrelatorLimits;
  /** Of many replicas: this one's. Absent, everything that a correlator said must be what this fold makes. */
  readonly source?: string;
  /** Instead of reading the rule files of each policy: rules that are read already. */
  readonly load?: typeof loadRules;
}
