/**
 * Which commands must ask the correlator: known from the rules alone (DETECTION §3). Shared by the gateway, which asks,
 * and the correlator, which answers, so that both mean the same. May say yes too often, never too seldom: late fields
 * count as true, an opaque command may be anything.
 */
import type { Effect } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandFacts, CommittedEffect } from "../../schemas/event-data.ts";
import { type Seen, touches } from "./field.ts";
import type { Detection, Gate, RuleSet } from "./rule-set.ts";
import { gates } from "./rule-set.ts";
import { no } from "./tri.ts";

/**
 * @param facts of the command; for a COMMIT give what it would make lasting in `commits`
 * @param tagsOf tags of a resource by catalog and travel, with ancestors
 */
export type MustAsk = (
  facts: Pick<CommandFacts, "kind" | "effects" | "opaque" | "undoable">,
  subject: Subject,
  tagsOf: (resource: string) => readonly string[],
  commits?: readonly CommittedEffect[],
) => boolean;

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

function matching(detections: readonly Detection[]): MustAsk {
  return (facts, subject, tagsOf, commits = []) => {
    if (detections.length === 0) return false;
    const opaque = facts.opaque !== null;
    const asksOver = (effect: Effect, isOpaque: boolean, touched: readonly string[]): boolean => {
      const tags = () => [...new Set(touched.flatMap((resource) => tagsOf(resource)))];
      const seen = see(effect, facts, subject, isOpaque, tags);
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

/** A cheap look before the test itself. */
export function passes(detection: Detection, { effect, opaque }: Seen): boolean {
  if (opaque) return true;
  if (detection.needsDestroys && !effect.destroys) return false;
  return detection.operations === null || detection.operations.has(effect.operation);
}

function see(
  effect: Effect,
  facts: Pick<CommandFacts, "kind" | "undoable">,
  subject: Subject,
  opaque: boolean,
  tags: () => readonly string[],
): Seen {
  const { kind, undoable } = facts;
  return { subject, kind, opaque, undoable, effect, late: null, more: null, tagsMayBeGone: true, tags };
}

/** @returns the terms of a rule's gate by its name, as `command.answered` names it; null when there is none. */
export function gateOf(rules: RuleSet, name: string): Gate | null {
  return rules.rules.find((rule) => rule.name === name)?.gate ?? null;
}
