/**
 * Counting correlations (DETECTION §6): over all matching steps of the completing step's group inside the window. A
 * set-valued key groups per member, so one step may stand in several groups; the firing names the group whose steps come
 * latest.
 */
import { containersOf } from "../../infra/catalog.ts";
import type { ChainRule, Count } from "../../infra/rules/rule-set.ts";
import { limits } from "../../schemas/limits.ts";
import { latestFirst, narrowed } from "./candidates.ts";
import type { Ground } from "./ground.ts";
import { type Agreement, bring, choices, isUri } from "./group.ts";
import { isLater } from "./later.ts";
import { fieldTexts, type Step } from "./step.ts";
import { type Counted, Tally } from "./tally.ts";

/**
 * @returns the steps counted (the latest of very many), in log order; null when no group fires
 * @param isMeant which group counts
 * @param most of its steps, the latest, to tell that by
 */
export function findCount(
  ground: Ground,
  rule: ChainRule,
  last: Step,
  places: readonly number[],
  isMeant: (counted: readonly Step[]) => boolean = () => true,
  most: number = limits.countedNamedMax,
): readonly Step[] | null {
  let best: readonly Step[] | null = null;
  const tests = ground.exempt.outsideOf(rule, last);
  const enough = tests.length === 0 ? most : Number.POSITIVE_INFINITY;
  for (const whole of firingGroups(ground, rule, last, places, enough)) {
    if (tests.some((isOutside) => !whole.some(isOutside))) continue;
    const counted = whole.slice(-limits.countedNamedMax);
    if ((best === null || isLater(counted, best)) && isMeant(whole)) best = counted;
  }
  return best;
}

/** @returns of steps that a count names, the groups that end with them; none when that cannot be told any more */
export function groupsNamed(
  ground: Ground,
  rule: ChainRule,
  last: Step,
  named: readonly Step[],
  most: number,
): readonly (readonly Step[])[] {
  const ends = (whole: readonly Step[]) =>
    named.every((step, index) => step === whole[whole.length - named.length + index]);
  return [...firingGroups(ground, rule, last, [...rule.steps.keys()], most)].filter(ends);
}

/** @returns for each group that fires, its counted steps, at most the latest so many, and an opaque one before them */
export function* firingGroups(
  ground: Ground,
  rule: ChainRule,
  last: Step,
  places: readonly number[],
  most: number,
  apart?: ReadonlySet<string>,
): Generator<readonly Step[]> {
  if (rule.count === null) return;
  const members = new Members(rule);
  for (const group of groupsOf(ground, rule, last, places)) {
    const counted = countIn(ground, { rule, count: rule.count, group, last, most, apart, members });
    if (counted !== null) yield counted;
  }
}

interface Window {
  readonly rule: ChainRule;
  readonly group: Agreement;
  /** Where it ends; its time is what the window is counted back from. */
  readonly last: Pick<Step, "at" | "atMs">;
  /** Commands whose steps do not count, but for the last. */
  readonly apart: ReadonlySet<string> | undefined;
  readonly members: Members;
}

interface Question extends Window {
  readonly count: Count;
  readonly last: Step;
  readonly most: number;
}

/** Which groups steps are in, looked up: a step may be in ten thousand. */
class Members {
  readonly #rule: ChainRule;
  readonly #known: Map<Step, readonly ReadonlySet<string>[] | null>[];

  constructor(rule: ChainRule) {
    this.#rule = rule;
    this.#known = rule.steps.map(() => new Map());
  }

  has(ground: Ground, place: number, step: Step, group: Agreement): boolean {
    let sets = this.#known[place]?.get(step);
    if (sets === undefined) {
      const brought = bring(this.#rule, place, step, ground.clusters);
      sets = brought?.map((names, index) => this.#around(index, names)) ?? null;
      this.#known[place]?.set(step, sets);
    }
    return sets !== null && group.every(([member = ""], index) => this.#isIn(index, sets[index], member));
  }

  /** Places with what contains them: what contains a member overlaps it. */
  #around(index: number, names: readonly string[]): ReadonlySet<string> {
    const key = this.#rule.groupBy[index];
    return new Set(key && isUri(key) ? names.flatMap((name) => [`=${name}`, name, ...containersOf(name)]) : names);
  }

  #isIn(index: number, names: ReadonlySet<string> | undefined, member: string): boolean {
    const key = this.#rule.groupBy[index];
    if (names?.has(member)) return true;
    return key !== undefined && isUri(key) && containersOf(member).some((outer) => names?.has(`=${outer}`));
  }
}

function countIn(ground: Ground, question: Question): readonly Step[] | null {
  const { rule, count, group, last, most, apart } = question;
  const running = apart === undefined ? (ground.tallies?.of(rule, group, last.at) ?? null) : null;
  const tally = running?.tally ?? new Tally(count);
  for (const step of stepsAfter(ground, question, running?.upTo ?? -1)) tally.add(countedOf(ground, rule, count, step));
  if (running !== null) running.upTo = last.at - 1;
  tally.forgetBefore(last.atMs - rule.timespanMs);
  const own = countedOf(ground, rule, count, last);
  // A COMMIT is the same act as the commands that it makes lasting: it is not counted twice.
  if (!last.commit) tally.add(own);
  const counted = tally.holds(own) && !ground.budget.spent ? tally.latest(most) : null;
  if (!last.commit) tally.pop();
  return counted;
}

/**
 * The steps from one on, in its groups and reached by its window, at which the condition holds as things are known now, in log
 * order: what became known of that step may make the rule fire at each of them. No COMMIT among them.
 */
export function holdingFrom(ground: Ground, rule: ChainRule, first: Step, places: readonly number[]): readonly Step[] {
  const { count } = rule;
  if (count === null) return [];
  const members = new Members(rule);
  const holding = new Set<Step>();
  const last = { at: Number.POSITIVE_INFINITY, atMs: first.atMs };
  for (const group of groupsOf(ground, rule, first, places)) {
    const window = { rule, group, last, apart: undefined, members };
    const tally = new Tally(count);
    for (const step of stepsAfter(ground, window, -1)) {
      const counted = countedOf(ground, rule, count, step);
      tally.add(counted);
      if (step.at < first.at) continue;
      if (step.atMs - first.atMs > rule.timespanMs) break;
      tally.forgetBefore(step.atMs - rule.timespanMs);
      if (tally.holds(counted)) holding.add(step);
    }
  }
  return [...holding].sort((a, b) => a.at - b.at);
}

/** The groups that a step is in, each once. */
function* groupsOf(ground: Ground, rule: ChainRule, step: Step, places: readonly number[]): Generator<Agreement> {
  const tried = new Set<string>();
  for (const place of places) {
    const brought = isAt(ground, rule, place, step) ? bring(rule, place, step, ground.clusters) : null;
    if (brought === null) continue;
    for (const group of choices(brought)) {
      const key = JSON.stringify(group);
      if (tried.has(key)) continue;
      tried.add(key);
      yield group;
    }
  }
}

/** Steps of the group inside the window, before the last and after a place in the log; in log order, each once. */
function stepsAfter(ground: Ground, { rule, group, last, apart, members }: Window, after: number): readonly Step[] {
  const found = new Map<Step, true>();
  const sinceMs = last.atMs - rule.timespanMs;
  for (const [place, detection] of rule.steps.entries()) {
    const lists = narrowed(ground, rule, place, group) ?? [ground.steps.listing(detection)];
    for (const step of latestFirst(lists, last.at)) {
      if (step.atMs < sinceMs || step.at <= after) break;
      ground.budget.left -= 1;
      if (ground.budget.left < 0) {
        ground.budget.spent = true;
        return [];
      }
      if (step.commit || apart?.has(step.command) || !isAt(ground, rule, place, step)) continue;
      if (members.has(ground, place, step, group)) found.set(step, true);
    }
  }
  return [...found.keys()].sort((a, b) => a.at - b.at);
}

/** Whether a step matches the rule at this place; a correlation there must have fired at it. */
function isAt(ground: Ground, rule: ChainRule, place: number, step: Step): boolean {
  const detection = rule.steps[place];
  if (detection === undefined || !step.hits.includes(detection.index)) return false;
  return detection.firing === null || ground.firings.fires(ground, detection.firing, step, false);
}

function countedOf(ground: Ground, rule: ChainRule, { what, fields }: Count, step: Step): Counted {
  if (what === "events") return { step, values: [], numbers: [] };
  const places = [...rule.steps.keys()].filter((place) => isAt(ground, rule, place, step));
  const texts = fields.map((names) => [...new Set(places.flatMap((place) => fieldTexts(step, names[place] ?? "")))]);
  const [only = []] = texts;
  if (what === "values" || what === "share")
    return {
      step,
      values: texts.length === 1 ? only : [...choices(texts)].map((each) => JSON.stringify(each)),
      numbers: [],
    };
  return { step, values: only, numbers: only.filter((text) => isNumber.test(text)).map(Number) };
}

/** As events write numbers; `true` and an empty text are none. */
const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
