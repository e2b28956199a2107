/**
 * A Verdict answers a Command: the ruling, who ruled, and the sentence the user reads.
 * A stage of the gate returns one, never a boolean.
 */
import type { ChainEvidence } from "./chain.ts";
import type { ResourceUri } from "./command.ts";

export const rulings = ["allow", "mask", "hold", "block"] as const;
export type Ruling = (typeof rulings)[number];

export interface Verdict {
  readonly ruling: Ruling;
  /** Which stage settled it. */
  readonly stage: "deny" | "block" | "chain" | "approve" | "gate";
  /** Cedar policy ids, rule names or block ids that decided. */
  readonly because: readonly string[];
  /** One sentence for the person at the client; never a value. */
  readonly sentence: string;
  /** Columns to mask on the way out (`mask`, or an approved hold). */
  readonly masks: readonly ResourceUri[];
  /** For `hold`: groups that may answer, how many humans, and how long it may wait. */
  readonly hold?: HoldTerms;
  readonly chains?: readonly ChainEvidence[];
  /** What would have ruled if it were enforced (observe mode): recorded, never obeyed. */
  readonly observed?: readonly string[];
}

/** So many different humans of any of these groups. */
export interface Need {
  readonly approvers: readonly string[];
  readonly humans: number;
}

export interface HoldTerms {
  readonly approvers: readonly string[];
  /** Humans over all needs. */
  readonly humans: number;
  /** One entry per distinct reason; all must be met, one human fills one place. */
  readonly needs: readonly Need[];
  readonly waitMs: number;
  readonly escalate: readonly string[];
  /** Identities that may not answer: the requester, everybody in any admissible chain, and all linked to them. */
  readonly excluded: readonly string[];
}

export const allowed: Verdict = {
  ruling: "allow",
  stage: "gate",
  because: [],
  sentence: "",
  masks: [],
};
