/**
 * Which commands must ask the correlator: known from the rules alone (DETECTION §3). Shared by the gateway, which asks,
 * and the correlator, which answers, so that both mean the same. May say yes too often, never too seldom: late fields
 * count as true, an opaque command may be anything.
 */
import type { Effect } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandFacts, CommittedEffect } from "../../schemas/event-data.ts";
import { contentFields, type FieldValue, isContentField, NoEffect, type Seen, touches, unknown } from "./field.ts";
import type { Detection, Gate, RuleSet } from "./rule-set.ts";
import { gates } from "./rule-set.ts";
import { no } from "./tri.ts";

/**
 * @param facts of the command; for a COMMIT give what it would make lasting in `commits`
 * @param tagsOf tags of a resource by catalog and travel, with ancestors
 */
export type MustAsk = (
  facts: Pick<CommandFacts, "kind" | "effects" | "opaque" | "undoable" | "details"> & Brings,
  subject: Subject,
  tagsOf: (resource: string) => readonly string[],
  commits?: readonly CommittedEffect[],
) => boolean;

/** False where a gateway has looked and found nothing that others were shown; else it may be anything. */
interface Brings {
  readonly brings?: boolean;
}

/** @returns whether a command could complete a chain that is held or blocked. */
export function gateSteps(rules: RuleSet): MustAsk {
  const last = new Set<Detection>();
  for (const rule of rules.rules) for (const [at, step] of rule.steps.entries()) if (gates(rule, at)) last.add(step);
  return matching([...last]);
}

/** @returns whether a command could be a step of any rule, wherever it stands in it. */
export function anySteps(rules: RuleSet): MustAsk {
  return matching([...new Set(rules.rules.flatMap((rule) => rule.steps))]);
}

function matching(all: readonly Detection[]): MustAsk {
  const detections = all.filter(({ category }) => category === "command");
  return (facts, subject, tagsOf, commits = []) => {
    if (detections.length === 0) return false;
    const opaque = facts.opaque !== null;
    // Of a COMMIT they are those of the commands inside.
    const details = commits.length > 0 ? unknown : (facts.details ?? unknown);
    const asksOver = (effect: Effect, isOpaque: boolean, touched: readonly string[]): boolean => {
      const tags = () => [...new Set(touched.flatMap((resource) => tagsOf(resource)))];
      const seen = see(effect, { ...facts, details }, subject, isOpaque, tags);
      return detections.some((detection) => passes(detection, seen) && detection.test(seen) !== no);
    };
    const asks = (effect: Effect, isOpaque: boolean): boolean => asksOver(effect, isOpaque, touches(effect));
    // A later effect of a command may find what an earlier one brought: asked with the tags of all of them as well.
    const all = facts.effects.length > 1 ? facts.effects.flatMap(touches) : null;
    const asksAsOneOf = (effect: Effect): boolean => all !== null && asksOver(effect, opaque, all);
    return (
      facts.effects.some((effect) => asks(effect, opaque) || asksAsOneOf(effect)) ||
      commits.some(({ effect }) => asks(effect, false))
    );
  };
}

/** @returns whether a rule asks for what was shown and comes back (DETECTION §2.7): else no value is looked at. */
export function asksContent({ rules }: RuleSet): boolean {
  const asks = ({ fields }: Detection) => [...fields].some(isContentField);
  return rules.some(
    ({ links, steps, absences }) =>
      links.some(({ by }) => by.includes("content")) ||
      steps.some(asks) ||
      absences.some(({ detection }) => asks(detection)),
  );
}

/** A cheap look before the test itself. */
export function passes(detection: Detection, { effect, opaque }: Seen): boolean {
  // An event of another product may have any word of its own there.
  if (opaque || effect instanceof NoEffect) return true;
  if (detection.needsDestroys && !effect.destroys) return false;
  return detection.operations === null || detection.operations.has(effect.operation);
}

function see(
  effect: Effect,
  facts: Pick<CommandFacts, "kind" | "undoable"> & Pick<Seen, "details"> & Brings,
  subject: Subject,
  opaque: boolean,
  tags: () => readonly string[],
): Seen {
  const { kind, undoable, details, brings = true } = facts;
  return {
    subject,
    kind,
    opaque,
    undoable,
    effect,
    late: null,
    details,
    more: brings && (opaque || leavesValues(effect.operation)) ? contentUnknown : null,
    tagsMayBeGone: true,
    tags,
  };
}

/** What a command brings is counted by the correlator, from the log: here it may be anything. */
const contentUnknown: Readonly<Record<string, FieldValue>> = Object.fromEntries(
  contentFields.map((field) => [field, unknown]),
);

/** @returns whether values that stand in a command can stay somewhere: a rule can ask whether they were shown before. */
export function leavesValues(operation: Effect["operation"]): boolean {
  return operation !== "read" && operation !== "delete" && operation !== "transfer" && operation !== "connect";
}

/** @returns the terms of a rule's gate by its name, as `command.answered` names it; null when there is none. */
export function gateOf(rules: RuleSet, name: string): Gate | null {
  return rules.rules.find((rule) => rule.name === name)?.gate ?? null;
}
