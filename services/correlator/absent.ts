/**
 * `absent`, `until`, and `not` in a condition over rules (DETECTION §6): nobody outside the chain did this in between, or
 * nobody at all in the time frame. Nobody announces his own change, and what only may have been an announcement (an
 * opaque command, one whose late fields are not known yet) is none.
 */
import { containersOf } from "../../infra/catalog.ts";
import type { Absence, ChainRule } from "../../infra/rules/rule-set.ts";
import { latestFirst, offenders } from "./candidates.ts";
import type { Ground } from "./ground.ts";
import { type Agreement, bringBy, choices, isUri, meet } from "./group.ts";
import type { Step } from "./step.ts";

/** What is asked of one chain. */
export interface Asked {
  readonly rule: ChainRule;
  readonly absence: Absence;
  readonly chain: readonly Step[];
  /** What the chain's steps agree in; one choice of it must be free of such events. */
  readonly agreed: Agreement;
  readonly last: Step;
}

export function isAbsent(ground: Ground, asked: Asked): boolean {
  const { rule, agreed } = asked;
  if (isSimple(rule, agreed)) return offence(ground, asked) === null;
  const theirs = [...offences(ground, asked)].map(([, brought]) => brought);
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

/** Whether there is but one choice. */
export function isSimple({ groupBy }: ChainRule, agreed: Agreement): boolean {
  return groupBy.every((key, index) => !isUri(key) && agreed[index]?.length === 1);
}

/** @returns where there is but one choice: the latest event that takes it */
export function offence(ground: Ground, asked: Asked): Step | null {
  for (const [step, brought] of offences(ground, asked))
    if (meet(asked.rule, asked.agreed, brought) !== null) return step;
  return null;
}

/** Latest first, with what they bring to the group. */
function* offences(ground: Ground, asked: Asked): Generator<readonly [Step, Agreement]> {
  const { rule, absence, chain, agreed, last } = asked;
  const isFrame = absence.scope === "window";
  const places = chain.map(({ at }) => at);
  const ends = absence.between === null ? places : absence.between.map((place) => places[place] ?? 0);
  const insiders = isFrame ? null : new Set(chain.map(({ subject }) => subject.identity));
  const [after, before] = isFrame ? [-1, last.at] : [Math.min(...ends), Math.max(...ends)];
  const sinceMs = last.atMs - rule.timespanMs;
  const fieldOf = (_: unknown, index: number) => absence.fields[index] ?? "";
  const bring = (step: Step) =>
    insiders?.has(step.subject.identity) || !isCertain(ground, absence.detection, step)
      ? null
      : bringBy(rule, step, ground.clusters, fieldOf);
  const own = isFrame ? bring(last) : null;
  if (own !== null) yield [last, own];
  for (const step of latestFirst(offenders(ground, rule, absence, agreed), before)) {
    if (step.at <= after || step.atMs < sinceMs) return;
    ground.budget.left -= 1;
    const brought = bring(step);
    if (brought !== null) yield [step, brought];
  }
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

function isCertain(ground: Ground, { index, firing }: Absence["detection"], step: Step): boolean {
  if (step.opaque || !step.sure.includes(index)) return false;
  return firing === null || ground.firings.fires(ground, firing, step, false);
}
