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
  /** Its steps, by place; while it is searched for, those that are chosen. */
  readonly chain: readonly (Step | undefined)[];
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

/** Beyond so many choices only the whole chain is judged. */
const choicesMax = 4_096;

/**
 * Asked while earlier steps are still to be chosen: they can only narrow what the chain agrees in, or make somebody an
 * insider. @returns people one of whom must be in such a chain (nobody: there is none); null = it may be free as it is
 */
export function excusers(ground: Ground, asked: Asked): ReadonlySet<string> | null {
  const { rule, agreed, absence } = asked;
  if (agreed.reduce((product, members) => product * members.length, 1) > choicesMax) return null;
  const people = new Set<string>();
  let open = [...choices(agreed)];
  for (const [{ subject }, brought] of offences(ground, asked)) {
    // Without an identity it is excused by any step that has none either.
    if (subject.identity === undefined && absence.scope === "between") continue;
    const known = brought.map((members) => new Set(members));
    const left = open.filter((choice) => !isTakenWhole(rule, choice, known));
    if (left.length < open.length && subject.identity !== undefined) people.add(subject.identity);
    open = left;
    if (open.length === 0) return absence.scope === "between" ? people : new Set();
  }
  return null;
}

/** Whether an event that brings this takes the choice and everything that it may be narrowed to. */
function isTakenWhole({ groupBy }: ChainRule, choice: Agreement, brought: readonly ReadonlySet<string>[]): boolean {
  return groupBy.every((key, index) => {
    const [member] = choice[index] ?? [];
    const known = brought[index];
    if (member === undefined || known === undefined) return false;
    return known.has(member) || (isUri(key) && containersOf(member).some((outer) => known.has(outer)));
  });
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
  const places = chain.map((step) => step?.at ?? last.at);
  const ends = absence.between === null ? places : absence.between.map((place) => places[place] ?? 0);
  const insiders = isFrame ? null : new Set(chain.flatMap((step) => (step ? [step.subject.identity] : [])));
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
