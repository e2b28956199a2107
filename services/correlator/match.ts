/**
 * Finds the chain that a step completes (DETECTION §3, §6): backwards from the completing step, latest candidates first, so
 * that the first one found is the chain of the hold. Existence, not consumption: any retained step may serve again.
 *
 * Exact, because nothing is cut off but what cannot succeed: what failed is remembered together with everything that its
 * failure depended on. Bounded, because every candidate looked at is paid from a budget; when that is used up the answer
 * is "not known", and whoever asks must treat it as yes.
 */
import type { ChainRule, Detection } from "../../infra/rules/rule-set.ts";
import type { LinkKind } from "../../schemas/chain.ts";
import { type Asked, excusers, isAbsent, isSimple, offence } from "./absent.ts";
import { byTies, latestFirst, latestOfEach, narrowed, size, walkCost } from "./candidates.ts";
import type { Ground } from "./ground.ts";
import { type Agreement, bring, meet } from "./group.ts";
import { isLater } from "./later.ts";
import type { Listing } from "./listing.ts";
import { choicesOf, type Outside } from "./outside.ts";
import type { Plan } from "./plan.ts";
import { fieldTexts, resources, type Step } from "./step.ts";
import { matchesSurely, standsAlone } from "./strength.ts";

export interface Question {
  readonly rule: ChainRule;
  /** The completing step: the last in the log. */
  readonly last: Step;
  /** Places in the rule that it may take. */
  readonly places: readonly number[];
  /** Only strong links, no opaque step, none that matches only by what an opaque command moved. */
  readonly strongOnly?: boolean;
  /** Nothing earlier counts; absent: the rule's timespan before the last. */
  readonly sinceMs?: number;
  /** Commands whose steps do not count, but for the last. */
  readonly apart?: ReadonlySet<string>;
  /** Somebody who must have done one of these steps. */
  readonly pinned?: { readonly place: number; readonly identity: string };
  /** Steps that must stand outside a pipeline's run. */
  readonly outside?: readonly { readonly place: number; readonly is: Outside }[];
}

/** @returns the steps in rule order, or null; null means nothing when `ground.budget.spent` */
export function findChain(ground: Ground, question: Question): readonly Step[] | null {
  const { rule, last } = question;
  const tests = ground.exempt.outsideOf(rule, last);
  if (tests.length === 0) return new Search(ground, question).run();
  let latest: readonly Step[] | null = null;
  for (const places of choicesOf(rule.steps.length, tests.length)) {
    const outside = tests.map((is, at) => ({ is, place: places[at] ?? 0 }));
    const found = new Search(ground, { ...question, outside }).run();
    if (found !== null && (latest === null || isLater(found, latest))) latest = found;
  }
  return latest;
}

/** Fields that one step may have several values of; a further field of a plain event may too, and is not pruned by. */
const severalValued: { has(field: string): boolean } = {
  has: (field) => !/^(account|identity|task|session|target|command|clientaddress|grantid)$/.test(field),
};
const looksBeforeMemory = 64;
/** More lists than this cost more than looking at everything. */
const peopleMax = 64;

type People = ReadonlySet<string> | null;

class Search {
  readonly #ground: Ground;
  readonly #question: Question;
  readonly #rule: ChainRule;
  readonly #plan: Plan;
  readonly #sinceMs: number;
  /** Whether all steps of the log count alike, so that a plan's short ways hold. */
  readonly #isWhole: boolean;
  readonly #chosen: (Step | undefined)[];
  /** Context of a failure → highest position below which it is known to fail. */
  readonly #failed = new Map<string, number>();
  #looks = 0;
  /** Set when a chain failed because of this event. */
  #barrier: Step | null = null;
  /** Different values among the chosen, until that changes. */
  #different: readonly string[] | null = null;

  constructor(ground: Ground, question: Question) {
    this.#ground = ground;
    this.#question = question;
    this.#rule = question.rule;
    this.#sinceMs = question.sinceMs ?? question.last.atMs - question.rule.timespanMs;
    this.#plan = ground.steps.plans.of(question.rule);
    this.#chosen = this.#rule.steps.map(() => undefined);
    this.#isWhole = question.apart === undefined && question.strongOnly !== true;
  }

  run(): readonly Step[] | null {
    const { steps } = this.#rule;
    if (!this.#mayHaveAll()) return null;
    if (!this.#choose(steps.length - 1, null, this.#question.last.at + 1)) return null;
    return this.#chosen.map((step) => step ?? this.#question.last);
  }

  /** A step that nobody has done inside the window makes the search short. */
  #mayHaveAll(): boolean {
    const { places } = this.#question;
    const { steps, written } = this.#rule;
    return steps.every((detection, place) => {
      if (written[place] === written[place - 1]) return true;
      const often = written.lastIndexOf(written[place] ?? -1) - place + 1;
      const needed = often - (places.includes(place + often - 1) ? 1 : 0);
      const earliest = needed === 0 ? undefined : this.#ground.steps.of(detection).at(-needed);
      return needed === 0 || (earliest !== undefined && earliest.atMs >= this.#sinceMs);
    });
  }

  /** @param wanted people one of whom must still come, or an absence is not met */
  #choose(place: number, agreed: Agreement | null, bound: number, wanted: People = null): boolean {
    if (place < 0) return this.#complete(agreed);
    const needed = wanted ?? this.#needed(place, agreed);
    if (needed !== null && !this.#mayCome(needed, place)) return false;
    // A short search needs no memory.
    const context = this.#looks < looksBeforeMemory ? null : this.#context(place, agreed);
    const failedUnder = context === null ? undefined : this.#failed.get(context);
    if (failedUnder !== undefined && failedUnder >= bound) return false;
    for (const step of this.#candidates(place, bound, agreed, needed)) {
      const { budget } = this.#ground;
      budget.left -= 1;
      this.#looks += 1;
      if (budget.left < 0) {
        budget.spent = true;
        return false;
      }
      const isNeeded = needed?.has(step.subject.identity ?? "") === true;
      if (place === 0 && needed !== null && !isNeeded) continue;
      const agreement = this.#admits(place, step, agreed);
      if (agreement === null) continue;
      this.#set(place, step);
      if (this.#choose(place - 1, agreement, this.#plan.ordered ? step.at : bound, isNeeded ? null : needed))
        return true;
      this.#set(place, undefined);
      if (budget.spent) return false;
      const barrier = place === 0 ? this.#takeBarrier() : null;
      if (barrier !== null) return this.#chooseBehind(barrier, agreed, bound);
    }
    if (context !== null) this.#failed.set(context, bound);
    return false;
  }

  /** Whose presence would excuse what stands between the steps that are chosen; null = nothing is in the way. */
  #needed(place: number, agreed: Agreement | null): People {
    for (const absence of agreed === null ? [] : (this.#plan.spanned[place] ?? [])) {
      const people = excusers(this.#ground, { ...this.#question, absence, chain: this.#chosen, agreed: agreed ?? [] });
      if (people !== null) return people;
    }
    return null;
  }

  /** Whether one of them has done what is still to be chosen. */
  #mayCome(people: ReadonlySet<string>, place: number): boolean {
    const { last } = this.#question;
    if (!this.#chosen.includes(last) && people.has(last.subject.identity ?? "")) return true;
    for (let lower = 0; lower <= place; lower += 1) {
      const lists = this.#done(lower, people);
      if (lists === null || lists.some((list) => list.size > 0)) return true;
    }
    return false;
  }

  /** What these people have done of a step; null when that is not kept. */
  #done(place: number, people: ReadonlySet<string>): readonly Listing[] | null {
    const detection = this.#rule.steps[place];
    const postings = detection && this.#ground.steps.postings(detection);
    if (!postings?.keeps("field identity") || people.size > peopleMax) return null;
    return [...people].map((identity) => postings.of("field identity", identity));
  }

  #takeBarrier(): Step | null {
    const barrier = this.#barrier;
    this.#barrier = null;
    return barrier;
  }

  /** Behind an event that must not stand between, only its own identity can begin the chain: that makes it an insider. */
  #chooseBehind(barrier: Step, agreed: Agreement | null, bound: number): boolean {
    const [detection] = this.#rule.steps;
    const { identity } = barrier.subject;
    const { budget, steps } = this.#ground;
    const listing = detection && identity && steps.postings(detection)?.of("field identity", identity);
    if (!listing) return false;
    for (const step of latestFirst([listing], Math.min(bound, barrier.at))) {
      if (step.atMs < this.#sinceMs) return false;
      if (step.subject.identity !== identity) continue;
      budget.left -= 1;
      budget.spent ||= budget.left < 0;
      if (budget.spent) return false;
      const agreement = step.hits.includes(detection.index) ? this.#admits(0, step, agreed) : null;
      if (agreement === null) continue;
      this.#set(0, step);
      if (this.#choose(-1, agreement, step.at)) return true;
      this.#set(0, undefined);
      const next = this.#takeBarrier();
      if (next !== null && next.subject.identity !== identity) return false;
    }
    return false;
  }

  #set(place: number, step: Step | undefined): void {
    this.#chosen[place] = step;
    this.#different = null;
  }

  /** Latest first. The completing step stands where it may, and must stand somewhere. */
  *#candidates(place: number, bound: number, agreed: Agreement | null, needed: People): Generator<Step> {
    const { last, places } = this.#question;
    const { steps } = this.#rule;
    const detection = steps[place];
    if (detection === undefined) return;
    const placed = this.#chosen.includes(last);
    if (!placed && places.includes(place)) yield last;
    if (!placed && !places.some((other) => other < place)) return;
    const under = Math.min(bound, last.at, this.#nextOfRun(place));
    const { pinned } = this.#question;
    const people = pinned?.place === place ? new Set([pinned.identity]) : place === 0 ? needed : null;
    const theirs = people === null ? null : this.#done(place, people);
    const lists = theirs ?? this.#narrowed(place, detection, agreed) ?? [this.#ground.steps.listing(detection)];
    // Beside a COMMIT it matters which command of its transaction a step is.
    const isPlaceless = this.#isPlaceless(place) && !this.#chosen.some((step) => step?.commit);
    const each = isPlaceless ? latestOfEach : latestFirst;
    for (const step of each(lists, under, detection.index, this.#ground.steps.alikes)) {
      if (step.atMs < this.#sinceMs) return;
      if (step.hits.includes(detection.index)) yield step;
    }
  }

  /** Whether of alike steps the latest is as good as any. */
  #isPlaceless(place: number): boolean {
    if (!this.#isWhole || this.#plan.placeless[place] !== true) return false;
    return this.#question.outside?.some((one) => one.place === place) !== true;
  }

  /** The events of one step's run stand in log order, or each set of them would be tried in every order. */
  #nextOfRun(place: number): number {
    const { written } = this.#rule;
    const next = written[place + 1] === written[place] ? this.#chosen[place + 1] : undefined;
    return next?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Lists that hold every step that can stand here beside what is chosen; null = all that match. */
  #narrowed(place: number, detection: Detection, agreed: Agreement | null): readonly Listing[] | null {
    const postings = this.#ground.steps.postings(detection);
    if (postings === undefined) return null;
    let best = narrowed(this.#ground, this.#rule, place, agreed);
    for (const { from, to, by } of this.#plan.pairs[place] ?? []) {
      const other = this.#chosen[from === place ? to : from];
      if (other === undefined) continue;
      const lists = byTies(postings, by, other, this.#ground, this.#plan.ordered);
      if (lists !== null && (best === null || size(lists) < size(best))) best = lists;
    }
    return best;
  }

  /** @returns what the chain agrees in with this step, or null when it cannot stand here */
  #admits(place: number, step: Step, agreed: Agreement | null): Agreement | null {
    const { strongOnly, pinned, apart, outside, last } = this.#question;
    if (step !== last && apart?.has(step.command)) return null;
    if (strongOnly && step.opaque) return null;
    if (outside?.some((one) => one.place === place && !one.is(step))) return null;
    if (pinned?.place === place && step.subject.identity !== pinned.identity) return null;
    if (!this.#plan.ordered && this.#chosen.includes(step)) return null;
    const { clusters, links } = this.#ground;
    const brought = bring(this.#rule, place, step, clusters, strongOnly ? links.strongLineage : undefined);
    if (brought === null) return null;
    const agreement = agreed === null ? brought : meet(this.#rule, agreed, brought);
    if (agreement === null || !this.#differs(place, step)) return null;
    if (strongOnly && !matchesSurely(this.#ground, this.#rule, place, step)) return null;
    return this.#tied(place, step) && this.#fired(place, step) ? agreement : null;
  }

  /** Where the step is a correlation: whether that fired at this event. */
  #fired(place: number, step: Step): boolean {
    const inner = this.#rule.steps[place]?.firing ?? null;
    if (inner === null) return true;
    return this.#ground.firings.fires(this.#ground, inner, step, this.#question.strongOnly ?? false);
  }

  #tied(place: number, step: Step): boolean {
    const { links, budget } = this.#ground;
    for (const { from, to, by } of this.#plan.pairs[place] ?? []) {
      const other = this.#chosen[from === place ? to : from];
      if (other === undefined) continue;
      const walks = links.walks;
      const tie = links.tie(step, other, by, this.#question.strongOnly ?? false);
      budget.left -= (links.walks - walks) * walkCost;
      if (tie === null) return false;
    }
    return true;
  }

  /** Whether enough different values can still come together. */
  #differs(place: number, step: Step): boolean {
    const { distinct } = this.#rule;
    if (distinct === null) return true;
    // A field of several values may bring more than one: then only the complete chain tells.
    if (severalValued.has(distinct.field)) return true;
    const { field } = distinct;
    const mine = fieldTexts(step, field)[0];
    const others = this.#values();
    const isNew = mine !== undefined && !others.includes(mine);
    return others.length + (isNew ? 1 : 0) + place >= distinct.min;
  }

  /** Different values of the `distinct` field among the chosen. */
  #values(): readonly string[] {
    const field = this.#rule.distinct?.field;
    if (field === undefined) return [];
    if (this.#different !== null) return this.#different;
    const found: string[] = [];
    for (const step of this.#chosen) {
      if (step === undefined) continue;
      for (const text of fieldTexts(step, field)) if (!found.includes(text)) found.push(text);
    }
    this.#different = found;
    return found;
  }

  #complete(agreed: Agreement | null): boolean {
    const chain = this.#chosen.map((step) => step ?? this.#question.last);
    const { distinct, absences } = this.#rule;
    const { strongOnly = false } = this.#question;
    if (distinct !== null && this.#values().length < distinct.min) return false;
    for (const [place, step] of chain.entries())
      if (step.commit && !standsAlone(this.#ground, this.#rule, place, chain, strongOnly)) return false;
    return absences.every((absence) => this.#isFree({ ...this.#question, absence, chain, agreed: agreed ?? [] }));
  }

  /** Notes what stands in the way of every earlier first step too. */
  #isFree(asked: Asked): boolean {
    if (isAbsent(this.#ground, asked)) return true;
    const { absence, rule, agreed } = asked;
    const fromFirst = absence.between === null || absence.between.includes(0);
    if (!this.#plan.ordered || absence.scope !== "between" || !fromFirst || !isSimple(rule, agreed)) return false;
    const barrier = offence(this.#ground, asked);
    // Without an identity it may be excused by any event that has none either.
    if (barrier?.subject.identity !== undefined) this.#barrier = barrier;
    return false;
  }

  /** Everything that the rest of the search depends on, apart from the bound. */
  #context(place: number, agreed: Agreement | null): string {
    const parts: (string | number)[] = [place];
    const asked = this.#plan.asked[place];
    for (const [index, step] of this.#chosen.entries()) {
      if (step === undefined) continue;
      const whole = !this.#plan.ordered || step.commit || this.#rule.absences.length > 0;
      const kinds = asked?.get(index);
      parts.push(whole ? step.at : kinds === undefined ? "-" : this.#likeness(step, kinds));
    }
    if (agreed !== null) for (const members of agreed) parts.push(members.join(","));
    if (this.#rule.distinct) parts.push([...this.#values()].sort().join(","));
    return parts.join("|");
  }

  /** What such links can see of a chosen step: steps that are alike in it fail alike. */
  #likeness(step: Step, kinds: ReadonlySet<LinkKind>): string | number {
    // What flows to a step depends on its place in the log, and so does what is known for certain of its lineage.
    if (kinds.has("flow") || (this.#question.strongOnly && kinds.has("lineage"))) return step.at;
    const { identity, account, task } = step.subject;
    const parts = [step.opaque, identity, account, task].map(String);
    if (kinds.has("lineage")) parts.push(step.lineage.join(","));
    if (kinds.has("resource")) parts.push(resources(step, "touches").join(","));
    for (const kind of ["trace", "address"] as const) if (kinds.has(kind)) parts.push(fieldTexts(step, kind).join(","));
    return parts.join(" ");
  }
}
