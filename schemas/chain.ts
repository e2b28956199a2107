/**
 * A Chain: a match of a chain rule across accounts, with the links between its steps and their evidence.
 * The same noun runs through all layers: found in services/correlator/match.ts, enforced in
 * services/gateway/chain.ts, shown by services/api/chains.ts.
 */
import type { Operation, ResourceUri } from "./command.ts";
import type { IdentityKey, SessionId } from "./identity.ts";

export const linkKinds = [
  "flow",
  "lineage",
  "resource",
  "actor",
  "task",
  "account",
  "identity",
  "trace",
  "address",
  "content",
] as const;
export type LinkKind = (typeof linkKinds)[number];

export interface ChainStep {
  /** Name of the Sigma rule that this step matched. */
  readonly rule: string;
  /** Id of the event that is the step; at an intent, of `command.intended`. */
  readonly event: string;
  readonly command: string;
  /** Log time, milliseconds. */
  readonly atMs: number;
  readonly identity: IdentityKey;
  readonly account: string;
  readonly session: SessionId;
  readonly target: string;
  readonly operations: readonly Operation[];
  readonly resources: readonly ResourceUri[];
}

export interface ChainLink {
  /** Indexes into `steps`. */
  readonly from: number;
  readonly to: number;
  readonly by: LinkKind;
  readonly strength: "strong" | "weak";
  /** What ties them: resources for flow/lineage, a task id, an identity… */
  readonly evidence: readonly string[];
}

export interface ChainEvidence {
  /** Hash of (rule version, completing event, evidence): the same on every replica and replay. */
  readonly id: string;
  readonly rule: string;
  readonly title: string;
  readonly level: string;
  readonly mode: "observe" | "enforce";
  readonly action: "hold" | "block" | "alert";
  readonly strength: "strong" | "weak";
  readonly steps: readonly ChainStep[];
  readonly links: readonly ChainLink[];
  /** The story in words, one sentence. */
  readonly sentence: string;
  /** What the rule's author asks people to check before they answer. */
  readonly check?: string;
  /** Pipelines that would exempt it, and why they do not: a sentence without its end. */
  readonly deviations?: readonly Deviation[];
}

export interface Deviation {
  readonly pipeline: string;
  readonly why: string;
}
