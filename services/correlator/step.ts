/**
 * A Step: a command that was allowed (or is in flight), as rules and links see it. Effects are withdrawn one by one
 * (DETECTION §2.4); what is withdrawn counts from then on as if it had never been.
 */

import { accessor, type FieldValue, type Late, type Seen, touches, unknown } from "../../infra/rules/field.ts";
import { passes } from "../../infra/rules/gate.ts";
import { type Matcher, merged, nothingMatched } from "../../infra/rules/matcher.ts";
import type { Detection } from "../../infra/rules/rule-set.ts";
import { no, type Tri } from "../../infra/rules/tri.ts";
import type { Effect, Operation } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { ApprovedChain, CommandDetails } from "../../schemas/event-data.ts";

/** A class of steps that agree in everything a rule may ask of them but their place; and how many there are. */
export interface Alike {
  readonly key: string;
  steps: number;
}

export interface StepEffect {
  readonly effect: Effect;
  /** The command that asked for it; of a COMMIT's effects, the one inside the transaction. `ownCommand` = the step's own. */
  readonly of: string;
  /** Approvals it ran under, by rule. */
  readonly approved: readonly ApprovedChain[];
  withdrawn: boolean;
  /** Of a COMMIT's effect: those of the command inside the transaction, as far as it is known. Absent = the step's own. */
  readonly details?: CommandDetails | typeof unknown;
  /** Tags of what it touches, at the step's position. */
  tags: readonly string[];
}

/** Of effects that several steps share. */
export const ownCommand = "";

/** All that makes a step. */
export interface StepParts {
  /** Id of the event that is the step. */
  readonly id: string;
  /** Its place in the order of records. */
  readonly at: number;
  readonly atMs: number;
  readonly subject: Subject;
  readonly command: string;
  readonly source: string;
  readonly kind: string;
  readonly opaque: boolean;
  readonly undoable: boolean;
  /** Effects of a COMMIT are lasting ones of others: they make no flow of their own. */
  readonly commit: boolean;
  readonly effects: readonly StepEffect[];
  more: Readonly<Record<string, FieldValue>> | null;
  readonly details: CommandDetails | typeof unknown | null;
  /** Where it was decided: its own place until the decision is read. */
  decidedAt: number;
  /** Where it was finished; Infinity while it runs or when nobody knows. */
  finishedAt: number;
  /** Where it was lost sight of: it may have ended, or wait at the target still. Infinity when it was not. */
  lostAt: number;
  late: Late | null;
  /** Known to last: nothing of it is withdrawn any more. */
  settled: boolean;
  /** L(e): catalog-tagged members of the origins of what it touches, sorted. */
  lineage: readonly string[];
  /** Detections (by index) that it matches, or may match; and those that it matches for certain. */
  hits: readonly number[];
  sure: readonly number[];
  /** Its class among those that are kept. */
  alike: Alike | null;
}

export interface Step extends StepParts {
  /** Says the tags of each effect anew. */
  tag(tags: readonly (readonly string[])[]): void;
}

/** The kind of steps that are no commands: somebody asked for an approval, or answered. */
export const approvalKind = "approval";

/** `write transform delete define grant`: gone when they did not last. The others: gone when nothing was shown. */
const lastingOperations: ReadonlySet<Operation> = new Set(["write", "transform", "delete", "define", "grant"]);

export function isLasting(effect: Effect): boolean {
  return lastingOperations.has(effect.operation);
}

/** From where to where what comes to its places counts for a step: until it is finished. */
export function seenBy({ at, finishedAt }: Step): { readonly since: number; readonly until: number } {
  return { since: at, until: Math.max(at, finishedAt) };
}

export function isLive(step: Step): boolean {
  return step.effects.some(({ withdrawn }) => !withdrawn);
}

/** Resources of the effects that still count. */
export function resources(step: Step, which: "reads" | "writes" | "touches"): readonly string[] {
  const live = step.effects.filter(({ withdrawn }) => !withdrawn);
  const of = (effect: Effect) => (which === "touches" ? touches(effect) : effect[which]);
  const only = live[0];
  if (live.length === 1 && only) return of(only.effect);
  return [...new Set<string>(live.flatMap(({ effect }) => of(effect)))];
}

export function operationsOf(step: Step): readonly Operation[] {
  return [...new Set(step.effects.filter(({ withdrawn }) => !withdrawn).map(({ effect }) => effect.operation))];
}

function seen(step: Step, { effect, tags, details: own }: StepEffect): Seen {
  const { subject, kind, opaque, undoable, late, more, details, atMs: timeMs } = step;
  return { subject, kind, opaque, undoable, effect, late, timeMs, more, details: own ?? details, tags: () => tags };
}

/** @returns how one effect answers one detection */
function answer(step: Step, effect: StepEffect, detection: Detection): Tri {
  if (effect.withdrawn) return no;
  const view = seen(step, effect);
  return passes(detection, view) ? detection.test(view) : no;
}

/** Finds again which detections the step matches. */
export function rematch(step: Step, matcher: Matcher): void {
  let found = nothingMatched;
  for (const effect of step.effects) if (!effect.withdrawn) found = merged(found, matcher.match(step, effect, seen));
  step.hits = found.hits;
  step.sure = found.sure;
}

/** The effects by which a step matches. @param sure tags by effect with which it must match as well; null = none others */
export function matchedBy(
  step: Step,
  detection: Detection,
  sure: readonly (readonly string[])[] | null = null,
): readonly StepEffect[] {
  return step.effects.filter((effect, index) => {
    if (answer(step, effect, detection) === no) return false;
    return sure === null || answer(step, { ...effect, tags: sure[index] ?? [] }, detection) !== no;
  });
}

/** Fields that are one text for the whole step: read without looking at its effects. */
function isSubjectField(field: string): field is "account" | "identity" | "task" | "session" | "target" {
  return field === "account" || field === "identity" || field === "task" || field === "session" || field === "target";
}

/** @returns the values of a field over all effects that count, as texts, each once; [] when it has none */
export function fieldTexts(step: Step, field: string): readonly string[] {
  if (isSubjectField(field)) {
    const value = step.subject[field];
    return value === undefined ? [] : [value];
  }
  const read = accessor(field);
  const texts = new Set<string>();
  for (const effect of step.effects) {
    if (effect.withdrawn) continue;
    const value = read(seen(step, effect));
    if (value === null || value === unknown) continue;
    if (typeof value === "object") for (const member of value) texts.add(String(member));
    else texts.add(String(value));
  }
  return [...texts];
}
