/** Rules as they are evaluated: references resolved to indexes, durations in milliseconds, conditions compiled. */
import type { LinkKind } from "../../schemas/chain.ts";
import { fieldNamed } from "../../schemas/fields.ts";
import type { blockScopes, CorrelationFile, InlineTest } from "../../schemas/rule.ts";
import type { CompiledDetection } from "./detection.ts";

/** Which events a detection is about: commands, or the asking for and answering of approvals. */
export type Category = "command" | "approval";

export interface Detection extends CompiledDetection {
  /** Place in RuleSet.detections; the same for detections that say the same. */
  readonly index: number;
  readonly name: string;
  readonly title: string;
  readonly level: string;
  readonly category: Category;
  /** What it says; two with the same match the same. */
  readonly said: string;
  /** Set where this stands for the firings of a correlation: then `test` is a first look, and the search asks the rule. */
  readonly firing: ChainRule | null;
}

/** What all steps of a chain must agree in. `fields` has one name per step (aliases may differ). */
export type GroupKey =
  | { readonly kind: "lineage" | "actor" }
  | { readonly kind: "field"; readonly name: string; readonly fields: readonly string[] };

/** Indexes of two steps, and what may tie them: any of `by`. */
export interface LinkPair {
  readonly from: number;
  readonly to: number;
  readonly by: readonly LinkKind[];
}

/**
 * No event like this. `between`: by somebody outside the chain, between two steps (null = the first and the last).
 * `window`: by anybody, in the time frame up to the last step (`not` in a condition over rules).
 */
export interface Absence {
  readonly scope: "between" | "window";
  readonly detection: Detection;
  readonly between: readonly [number, number] | null;
  /** Names of the group-by fields as that event has them, in the order of `groupBy`. */
  readonly fields: readonly string[];
}

/** What a counting correlation works out, and what must hold of it. */
export interface Count {
  /** `share`: percent of the counted events that have the completing event's value. */
  readonly what: "events" | "values" | "sum" | "avg" | "percentile" | "share";
  /** Per field: its name in the events of each step (aliases may differ). */
  readonly fields: readonly (readonly string[])[];
  readonly percentile: number | null;
  readonly bounds: CountBounds;
  readonly holds: (number: number) => boolean;
}

export interface CountBounds {
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
  readonly eq?: number;
  readonly neq?: number;
}

export interface Gate {
  readonly action: "hold" | "block";
  readonly approvers: readonly string[];
  readonly escalate: readonly string[];
  readonly waitMs: number;
  readonly unavailable: "hold" | "block" | "allow";
  /** Steps that are held when they complete a chain; null = every step that can be the last. */
  readonly steps: ReadonlySet<number> | null;
  /** Steps whose identities may approve. */
  readonly mayApprove: ReadonlySet<number>;
  /** A standing block on whoever completed a strong chain: the fields of the subject that it names, and how long. */
  readonly block: { readonly scope: readonly (typeof blockScopes)[number][]; readonly forMs: number } | null;
}

export interface ChainRule {
  /** Place in RuleSet.rules: the order of firings at one event. */
  readonly index: number;
  readonly name: string;
  readonly title: string;
  readonly level: string;
  /** Digest (hex) of the rule and of the detections it uses. */
  readonly version: string;
  readonly file: string;
  /** `single`: a detection rule that no other rule uses. */
  readonly type: CorrelationFile["correlation"]["type"] | "single";
  /** One per event of a chain: a step that must happen N times stands here N times. */
  readonly steps: readonly Detection[];
  /** By place in `steps`: the place in `rules` as they are written. */
  readonly written: readonly number[];
  /** Places in `steps` of the event that completes a chain. */
  readonly lasts: ReadonlySet<number>;
  readonly timespanMs: number;
  readonly groupBy: readonly GroupKey[];
  readonly groupNull: boolean;
  readonly links: readonly LinkPair[];
  readonly distinct: { readonly field: string; readonly min: number } | null;
  readonly absences: readonly Absence[];
  /** Names of pipelines whose runs are no chain (DETECTION §2.9). */
  readonly unless: readonly string[];
  readonly mode: "observe" | "enforce";
  readonly gate: Gate | null;
  /** For counting correlations. */
  readonly count: Count | null;
  /** A condition over rules, as the chains that fulfil it; empty = the rule itself is the only one. */
  readonly variants: readonly ChainRule[];
  readonly tests: readonly InlineTest[];
  /** What its author asks people to check; null where nothing is said. */
  readonly check: string | null;
}

export interface RuleSet {
  /** Digest (hex) over all rules in order. */
  readonly version: string;
  /** One for all that say the same. */
  readonly detections: readonly Detection[];
  readonly rules: readonly ChainRule[];
  /** All that is searched for: of every rule, and of every correlation that is a step of another. */
  readonly forms: readonly ChainRule[];
  /** How far back anything may look: a step that is itself a chain began earlier. */
  readonly timespanMsMax: number;
}

/** Evidence by an address, a trace or content is weak (DETECTION §2.6), as a link or as a group, whatever the group calls it. */
const weakFields: ReadonlySet<string> = new Set(["address", "clientaddress", "trace", "content"]);

/** What one step is grouped by an address and another by its account ties the two by the address all the same. */
export function isWeakGroup({ groupBy }: Pick<ChainRule, "groupBy">): boolean {
  return groupBy.some((key) => key.kind === "field" && key.fields.some((field) => weakFields.has(field)));
}

const isTags = (field: string): boolean => fieldNamed(field)?.name === "tags";

/** Whether tags decide what matches: those that an opaque command moved are weak evidence. */
export function readsTags({ fields }: Pick<Detection, "fields">): boolean {
  for (const field of fields) if (isTags(field)) return true;
  return false;
}

/** Whether tags are what steps are grouped, told apart or counted by. */
export function comparesTags({ groupBy, distinct, count }: ChainRule): boolean {
  return (
    groupBy.some((key) => key.kind === "field" && key.fields.some(isTags)) ||
    (distinct !== null && isTags(distinct.field)) ||
    (count?.fields.some((names) => names.some(isTags)) ?? false)
  );
}

/** What a firing of the rule does: an observed or ungated rule only tells. */
export function actionOf(rule: ChainRule): "hold" | "block" | "alert" {
  return rule.mode === "enforce" && rule.gate !== null ? rule.gate.action : "alert";
}

/** @returns whether a chain that this step completes is held (DETECTION §3). */
export function gates(rule: ChainRule, step: number): boolean {
  if (rule.gate === null || rule.mode === "observe") return false;
  return canBeLast(rule, step) && (rule.gate.steps === null || rule.gate.steps.has(step));
}

export function canBeLast(rule: ChainRule, step: number): boolean {
  return rule.lasts.has(step);
}

/** @returns the chains that fulfil a rule; any of them does */
export function formsOf(rule: ChainRule): readonly ChainRule[] {
  return rule.variants.length > 0 ? rule.variants : [rule];
}
