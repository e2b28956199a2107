/**
 * Policy as the gate and the api ask it. The only implementation is cedar.ts.
 * Any evaluation error is a `block`: Cedar skips a policy whose evaluation errs, so a missing attribute would fail open.
 */
import type { Identity } from "../../schemas/identity.ts";
import type { Need, Ruling } from "../../schemas/verdict.ts";

export type PolicyAction =
  | "connect"
  | "read"
  | "write"
  | "transform"
  | "delete"
  | "define"
  | "grant"
  | "execute"
  | "transfer"
  | "reveal"
  | "investigate"
  | "approve"
  | "respond"
  | "export"
  | "administer";

export interface PolicyContext {
  readonly account: string;
  readonly task: string;
  /** Whole minutes since the epoch, floor(milliseconds / 60 000), so that decisions cache. Cedar sees it as `context.time`. */
  readonly minute: number;
  /** `host:port` or an address; Cedar sees it as `context.clientAddress` (an ipaddr) only when it is one. */
  readonly clientAddress: string;
  /** Groups that have approved this very command. */
  readonly approvals: readonly string[];
  readonly opaque: boolean;
}

export interface PolicyAnswer {
  readonly ruling: Extract<Ruling, "allow" | "hold" | "block">;
  /** Ids (`@id`, or policyN) of the policies that decided. */
  readonly because: readonly string[];
  /** From `@reason` of the deciding policy, else one made from its id. */
  readonly sentence: string;
  /** For `hold`, from `@hold("group:humans")`. */
  readonly approvers: readonly string[];
  readonly humans: number;
  /** The same, one entry per distinct `@hold`; all must be met. */
  readonly needs: readonly Need[];
  /** Ids of `@mode("observe")` policies that would have changed the ruling. */
  readonly observed: readonly string[];
}

export interface Policy {
  /** Digest of policies and catalog tags: approvals and cached decisions are bound to it. */
  readonly version: string;
  /** Some policy reads the clock: an answer holds for its minute only. */
  readonly usesTime: boolean;
  /**
   * @param resource a URI; its parents are the containing URIs and the target
   * @param tags the resource's tags by catalog and by travel; `pii.email` is also in `pii`
   */
  ask(
    identity: Identity,
    action: PolicyAction,
    resource: string,
    tags: readonly string[],
    context: PolicyContext,
  ): PolicyAnswer;
}
