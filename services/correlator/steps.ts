/**
 * The retained steps, in log order, and per detection those that match it. Bounded by time (the longest timespan) and by
 * number; what is evicted leaves a mark, so that a gate that depends on it answers hold instead of knowing less.
 */
import { Matcher } from "../../infra/rules/matcher.ts";
import type { Category, Detection, RuleSet } from "../../infra/rules/rule-set.ts";
import type { Limits } from "../../schemas/limits.ts";
import { Alikes, unclassed } from "./alike.ts";
import { Pool } from "./compact.ts";
import { Listing } from "./listing.ts";
import { anything, type Lost, lostBy } from "./lost.ts";
import { lastUnder } from "./order.ts";
import { identityOf, Owners } from "./owners.ts";
import { Plans } from "./plan.ts";
import { kindsAsked, Postings } from "./postings.ts";
import { approvalKind, rematch, type Step } from "./step.ts";

export type StepLimits = Pick<Limits, "stepsKeptMax" | "stepsWarmMax">;

const none = new Listing();
const nothingLost: readonly Lost[] = [];
/** Of one identity at a time: what makes room must not take long. */
const evictedMax = 1_024;

/** In place of a detection: it may come to match any of them. */
const anyDetection = -1;

export interface KeptSteps {
  readonly all: readonly Step[];
  readonly lost: ReadonlyMap<number, Map<string, Lost>>;
}

/** The oldest steps of one identity, which kept most. */
export interface Eviction {
  readonly identity: string;
  readonly count: number;
  /** None of its steps that is older is kept. */
  readonly beforeMs: number;
}

export class Steps {
  #all = new Listing();
  #byDetection: Listing[] = [];
  readonly alikes = new Alikes();
  readonly plans = new Plans();
  readonly #pool: Pool;
  #postings: readonly Postings[] = [];
  #matchers: Readonly<Record<Category, Matcher>> = { command: new Matcher([]), approval: new Matcher([]) };
  readonly #limits: StepLimits;
  readonly #owners = new Owners();
  /** By detection, by identity: what was evicted for want of room. */
  readonly #lost = new Map<number, Map<string, Lost>>();
  /** What was evicted and has not been said. */
  #evictions: Eviction[] = [];
  /** Whether something may be withdrawn from which on a step matches what it does not match now. */
  mayComeToMatch: (step: Step) => boolean = () => false;

  constructor(limits: StepLimits) {
    this.#limits = limits;
    this.#pool = new Pool(limits.stepsWarmMax);
  }

  get size(): number {
    return this.#all.size;
  }

  get all(): readonly Step[] {
    return this.#all.live();
  }

  /** In log order; some may have left every window. */
  of(detection: Detection): readonly Step[] {
    return this.listing(detection).steps;
  }

  listing(detection: Detection): Listing {
    return this.#byDetection[detection.index] ?? none;
  }

  /** The same, by what links can ask for. */
  postings(detection: Detection): Postings | undefined {
    return this.#postings[detection.index];
  }

  /** Whether something that matched it was evicted inside the window. */
  lacks(detection: Detection, sinceMs: number): boolean {
    return this.lost(detection, sinceMs).length > 0;
  }

  /** What is known of steps that matched it and were evicted inside the window, by identity. */
  lost(detection: Detection, sinceMs: number): readonly Lost[] {
    if (this.#lost.size === 0) return nothingLost;
    const lost = [detection.index, anyDetection].flatMap((index) => [...(this.#lost.get(index)?.values() ?? [])]);
    return lost.filter(({ atMs }) => atMs >= sinceMs);
  }

  /** @returns what was evicted since this was asked last */
  evictions(): readonly Eviction[] {
    if (this.#evictions.length === 0) return this.#evictions;
    const evictions = this.#evictions;
    this.#evictions = [];
    return evictions;
  }

  /** Matches and keeps a step. `keep` = it may come to match when something is withdrawn. */
  add(step: Step, keep: boolean): void {
    if (step.hits.length > 0 || keep) this.#keep(step);
  }

  #keep(step: Step): void {
    this.#all.add(step);
    this.#pool.admit(step);
    step.alike = unclassed;
    this.#owners.add(step);
    this.#list(step);
    if (this.#all.size > this.#limits.stepsKeptMax) this.#evict();
  }

  /** Looks again at one step whose effects, tags or late fields changed: it may be found by less than before, or by more. */
  refresh(step: Step): void {
    rematch(step, this.#matcherFor(step));
    if (step.alike === null) {
      if (step.hits.length > 0) this.#keep(step);
      return;
    }
    if (!this.alikes.isRight(step)) {
      this.alikes.leave(step);
      step.alike = unclassed;
    }
    // By more places, perhaps, than before.
    this.#list(step);
  }

  #matcherFor({ kind }: Step): Matcher {
    return this.#matchers[kind === approvalKind ? "approval" : "command"];
  }

  /** Its late fields are known now: what was certain without them stays as it was. */
  finished(step: Step): void {
    if (step.hits.length !== step.sure.length) this.refresh(step);
  }

  #list(step: Step): void {
    for (const hit of step.hits) {
      this.#byDetection[hit]?.add(step);
      this.#postings[hit]?.add(step);
    }
  }

  match(step: Step): void {
    rematch(step, this.#matcherFor(step));
  }

  /** Steps after a position, oldest first. */
  after(at: number): readonly Step[] {
    const { steps } = this.#all;
    return steps.slice(lastUnder(steps, at + 1) + 1).filter(({ alike }) => alike !== null);
  }

  /** New rules take over: everything kept is matched again. */
  reload(rules: RuleSet, tag: (step: Step) => void): void {
    const { detections } = rules;
    const kept = [...this.all];
    const about = (wanted: Category) => new Matcher(detections.filter(({ category }) => category === wanted));
    this.#matchers = { command: about("command"), approval: about("approval") };
    this.#byDetection = detections.map(() => new Listing());
    this.alikes.reload(rules.forms);
    this.#postings = kindsAsked(rules).map((kinds) => new Postings(kinds));
    this.#all = new Listing();
    this.#owners.clear();
    this.#loseAgain(detections);
    for (const step of kept) {
      tag(step);
      this.match(step);
      this.add(step, false);
    }
  }

  kept(): KeptSteps {
    return { all: [...this.all], lost: this.#lost };
  }

  /** Into an empty one, under the rules by which they were matched. */
  restore({ all, lost }: KeptSteps): void {
    for (const step of all) this.#keep(step);
    for (const [detection, byIdentity] of lost) this.#lost.set(detection, byIdentity);
  }

  /** What was evicted may have been anything to new rules. */
  #loseAgain(detections: readonly Detection[]): void {
    const identities = new Map<string, Lost>();
    for (const { identity, atMs } of [...this.#lost.values()].flatMap((byIdentity) => [...byIdentity.values()]))
      identities.set(identity, anything(identity, Math.max(atMs, identities.get(identity)?.atMs ?? 0)));
    this.#lost.clear();
    if (identities.size > 0) for (const { index } of detections) this.#lost.set(index, new Map(identities));
  }

  /** Forgets what is older. */
  drop(beforeMs: number): void {
    const old = this.#all.cut(beforeMs);
    for (const listing of this.#byDetection) listing.cut(beforeMs);
    for (const step of old) this.#forget(step);
    for (const [index, postings] of this.#postings.entries()) postings.trim(this.#byDetection[index] ?? none);
    for (const byIdentity of this.#lost.values())
      for (const [identity, { atMs }] of byIdentity) if (atMs < beforeMs) byIdentity.delete(identity);
  }

  /** Of what is in no list of a detection any more. */
  #forget(step: Step): void {
    this.#owners.delete(step);
    for (const hit of step.hits) this.#postings[hit]?.forget(step, step.alike);
    this.alikes.leave(step);
    step.alike = null;
  }

  /** The identity that keeps most loses its oldest tenth; where everybody keeps one, the oldest goes. */
  #evict(): void {
    const { first } = this.#all;
    const most = this.#owners.fullest() ?? (first === undefined ? [] : [first]);
    const gone = most.slice(0, Math.max(1, Math.min(evictedMax, Math.floor(most.length / 10))));
    for (const step of gone) this.#loseOne(step);
    const last = gone.at(-1);
    if (last === undefined) return;
    this.#tellEviction({ identity: identityOf(last), count: gone.length, beforeMs: last.atMs });
    for (const step of gone) this.#takeOut(step);
  }

  /** One record may bring back many steps, and evict the same identity's more than once: that is said once. */
  #tellEviction({ identity, count, beforeMs }: Eviction): void {
    const told = this.#evictions.findIndex((eviction) => eviction.identity === identity);
    const before = this.#evictions[told];
    if (before === undefined) this.#evictions.push({ identity, count, beforeMs });
    else
      this.#evictions[told] = {
        identity,
        count: before.count + count,
        beforeMs: Math.max(before.beforeMs, beforeMs),
      };
  }

  #loseOne(step: Step): void {
    const identity = identityOf(step);
    for (const hit of this.mayComeToMatch(step) ? [anyDetection] : step.hits) {
      const lost = this.#lost.get(hit) ?? new Map<string, Lost>();
      this.#lost.set(hit, lost.set(identity, lostBy(step, lost.get(identity))));
    }
  }

  #takeOut(step: Step): void {
    const { alike, hits } = step;
    this.#owners.delete(step);
    this.alikes.leave(step);
    step.alike = null;
    this.#all.forget(step, alike);
    for (const hit of hits) {
      this.#byDetection[hit]?.forget(step, alike);
      this.#postings[hit]?.forget(step, alike);
    }
    // Lists may hold it still, also where it was before it changed: a search must not find it there.
    step.hits = [];
    step.sure = [];
  }
}
