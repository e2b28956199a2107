/**
 * The retained steps, in log order, and per detection those that match it. Bounded by time (the longest timespan) and by
 * number; what is evicted leaves a mark, so that a gate that depends on it answers hold instead of knowing less.
 */
import { Matcher } from "../../infra/rules/matcher.ts";
import type { Category, Detection, RuleSet } from "../../infra/rules/rule-set.ts";
import type { Limits } from "../../schemas/limits.ts";
import { insert, lastUnder } from "./order.ts";
import { kindsAsked, Postings } from "./postings.ts";
import { approvalKind, isLive, rematch, type Step } from "./step.ts";

export type StepLimits = Pick<Limits, "stepsKeptMax" | "spareStepsKeptMax">;

export class Steps {
  #all: Step[] = [];
  #spare: Step[] = [];
  #byDetection: Step[][] = [];
  #postings: readonly Postings[] = [];
  #matchers: Readonly<Record<Category, Matcher>> = { command: new Matcher([]), approval: new Matcher([]) };
  readonly #limits: StepLimits;
  readonly #perIdentity = new Map<string, number>();
  /** By detection: log time of the latest step that was evicted for want of room. */
  readonly #evicted = new Map<number, number>();

  constructor(limits: StepLimits) {
    this.#limits = limits;
  }

  get all(): readonly Step[] {
    return this.#all;
  }

  of(detection: Detection): readonly Step[] {
    return this.#byDetection[detection.index] ?? [];
  }

  /** The same, by what links can ask for. */
  postings(detection: Detection): Postings | undefined {
    return this.#postings[detection.index];
  }

  /** Whether something that matched it was evicted inside the window. */
  lacks(detection: Detection, sinceMs: number): boolean {
    return (this.#evicted.get(detection.index) ?? Number.NEGATIVE_INFINITY) >= sinceMs;
  }

  /** Matches and keeps a step. `keep` = it may come to match when something is withdrawn. */
  add(step: Step, keep: boolean): void {
    if (step.hits.length === 0 && !keep) {
      this.#spare.push(step);
      if (this.#spare.length > 2 * this.#limits.spareStepsKeptMax)
        this.#spare = this.#spare.slice(-this.#limits.spareStepsKeptMax);
      return;
    }
    insert(this.#all, step);
    this.#charge(step, 1);
    this.#list(step);
    if (this.#all.length > this.#limits.stepsKeptMax) this.#evict();
  }

  /** Looks again at one step whose effects, tags or late fields changed. */
  refresh(step: Step): void {
    if (!rematch(step, this.#matcherFor(step))) return;
    this.#list(step);
  }

  /** The same, of one to which something came after it had begun: it may be found by more than before. */
  grew(step: Step): void {
    rematch(step, this.#matcherFor(step));
    if (step.hits.length === 0) return;
    const before = this.#all.length;
    insert(this.#all, step);
    if (this.#all.length > before) this.#charge(step, 1);
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
      insert(this.#byDetection[hit] ?? [], step);
      this.#postings[hit]?.add(step);
    }
  }

  match(step: Step): void {
    rematch(step, this.#matcherFor(step));
  }

  /** Steps after a position, oldest first. */
  after(at: number): readonly Step[] {
    return this.#all.slice(lastUnder(this.#all, at + 1) + 1);
  }

  /** New rules take over: everything kept is matched again. */
  reload(rules: RuleSet, tag: (step: Step) => void): void {
    const { detections } = rules;
    const kept = [...new Set([...this.#all, ...this.#spare])].sort((a, b) => a.at - b.at);
    const about = (wanted: Category) => new Matcher(detections.filter(({ category }) => category === wanted));
    this.#matchers = { command: about("command"), approval: about("approval") };
    this.#byDetection = detections.map(() => []);
    this.#postings = kindsAsked(rules).map((kinds) => new Postings(kinds));
    this.#all = [];
    this.#spare = [];
    this.#perIdentity.clear();
    this.#evicted.clear();
    for (const step of kept) {
      tag(step);
      this.match(step);
      this.add(step, false);
    }
  }

  /** Forgets what is older. */
  drop(beforeMs: number): void {
    const from = this.#all.findIndex(({ atMs }) => atMs >= beforeMs);
    const gone = this.#all.splice(0, from === -1 ? this.#all.length : from);
    for (const step of gone) this.#charge(step, -1);
    for (const [index, list] of this.#byDetection.entries()) {
      const first = list.findIndex(({ atMs }) => atMs >= beforeMs);
      list.splice(0, first === -1 ? list.length : first);
      this.#postings[index]?.trim(list);
    }
    const spare = this.#spare.findIndex(({ atMs }) => atMs >= beforeMs);
    this.#spare.splice(0, spare === -1 ? this.#spare.length : spare);
  }

  #charge(step: Step, by: number): void {
    const identity = step.subject.identity ?? "";
    const now = (this.#perIdentity.get(identity) ?? 0) + by;
    if (now > 0) this.#perIdentity.set(identity, now);
    else this.#perIdentity.delete(identity);
  }

  /** The identity that keeps most loses its oldest tenth. */
  #evict(): void {
    const [identity] = [...this.#perIdentity].reduce((most, one) =>
      one[1] > most[1] || (one[1] === most[1] && one[0] < most[0]) ? one : most,
    );
    let left = Math.max(1, Math.floor((this.#perIdentity.get(identity) ?? 0) / 10));
    const gone = new Set<Step>();
    for (const step of this.#all) {
      if (left === 0) break;
      if ((step.subject.identity ?? "") !== identity) continue;
      left -= 1;
      gone.add(step);
      this.#charge(step, -1);
      if (!isLive(step)) continue;
      for (const hit of step.hits)
        this.#evicted.set(hit, Math.max(this.#evicted.get(hit) ?? Number.NEGATIVE_INFINITY, step.atMs));
    }
    this.#all = this.#all.filter((step) => !gone.has(step));
    this.#byDetection = this.#byDetection.map((list) => list.filter((step) => !gone.has(step)));
    // Postings may still hold what was evicted: a search must not find it there.
    for (const step of gone) step.hits = [];
  }
}
