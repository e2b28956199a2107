/**
 * `absent`, `until`, and `not` in a condition over rules (DETECTION §6): nobody outside the chain did this in between, or
 * nobody at all in the time frame. Nobody announces his own change, and what only may have been an announcement (an
 * opaque command, one whose late fields are not known yet) is none.
 */
import { containersOf } from "../../infra/catalog.ts";
import type { Absence, ChainRule } from "../../infra/rules/rule-set.ts";
import type { Ground } from "./ground.ts";
import { type Agreement, bringBy, choices, isUri, meet } from "./group.ts";
import { lastUnder } from "./order.ts";
import type { Step } from "./step.ts";

/** @param agreed what the chain's steps agree in; one choice of it must be free of such events */
export function isAbsent(
  ground: Ground,
  rule: ChainRule,
  absence: Absence,
  chain: readonly Step[],
  agreed: Agreement,
  last: Step,
): boolean {
  const found =
    absence.scope === "window" ? eventsInFrame(ground, rule, absence, last) : between(ground, absence, chain);
  if (found.length === 0) return true;
  const fieldOf = (_: unknown, index: number) => absence.fields[index] ?? "";
  const theirs = found.map((step) => bringBy(rule, step, ground.clusters, fieldOf)).filter((other) => other !== null);
  if (theirs.length === 0) return true;
  if (rule.groupBy.length === 1)
    return hasFree(
      rule,
      agreed[0] ?? [],
      theirs.flatMap((other) => other[0] ?? []),
    );
  for (const choice of choices(agreed)) if (theirs.every((other) => meet(rule, choice, other) === null)) return true;
  return false;
}

/** The same where there is one key: linear, however many members. */
function hasFree(rule: ChainRule, members: readonly string[], taken: readonly string[]): boolean {
  const [key] = rule.groupBy;
  const known = new Set(taken);
  if (key === undefined || !isUri(key)) return members.some((member) => !known.has(member));
  const around = new Set(taken.flatMap(containersOf));
  const isTaken = (name: string) =>
    known.has(name) || around.has(name) || containersOf(name).some((outer) => known.has(outer));
  return members.some((member) => !isTaken(member));
}

function between(ground: Ground, { detection, between }: Absence, chain: readonly Step[]): Step[] {
  const places = chain.map(({ at }) => at);
  const ends = between === null ? places : between.map((place) => places[place] ?? 0);
  const [after, before] = [Math.min(...ends), Math.max(...ends)];
  const insiders = new Set(chain.map(({ subject }) => subject.identity));
  const list = ground.steps.of(detection);
  const found: Step[] = [];
  for (let index = lastUnder(list, before); index >= 0; index -= 1) {
    const step = list[index];
    if (step === undefined || step.at <= after) break;
    if (!insiders.has(step.subject.identity) && isCertain(ground, detection, step)) found.push(step);
  }
  return found;
}

/** By anybody, the completing event included. */
function eventsInFrame(ground: Ground, rule: ChainRule, { detection }: Absence, last: Step): Step[] {
  const list = ground.steps.of(detection);
  const sinceMs = last.atMs - rule.timespanMs;
  const found = isCertain(ground, detection, last) ? [last] : [];
  for (let index = lastUnder(list, last.at); index >= 0; index -= 1) {
    const step = list[index];
    if (step === undefined || step.atMs < sinceMs) break;
    if (isCertain(ground, detection, step)) found.push(step);
  }
  return found;
}

function isCertain(ground: Ground, { index, firing }: Absence["detection"], step: Step): boolean {
  if (step.opaque || !step.sure.includes(index)) return false;
  return firing === null || ground.firings.fires(ground, firing, step, false);
}
