/**
 * Finds the chain that a step completes (DETECTION §3, §6): backwards from the completing step, latest candidates first, so
 * that the first one found is the chain of the hold. Existence, not consumption: any retained step may serve again.
 *
 * Exact, because nothing is cut off but what cannot succeed: what failed is remembered together with everything that its
 * failure depended on. Bounded, because every candidate looked at is paid from a budget; when that is used up the answer
 * is "not known", and whoever asks must treat it as yes.
 */
import type { ChainRule, LinkPair } from "../../infra/rules/rule-set.ts";
import { isAbsent } from "./absent.ts";
import type { Clusters } from "./cluster.ts";
import { type Agreement, bring, meet } from "./group.ts";
import type { Links } from "./links.ts";
import { lastUnder } from "./order.ts";
import { fieldTexts, matchedBy, type Step } from "./step.ts";
import type { Steps } from "./steps.ts";

export interface Budget {
  left: number;
  /** Set when a search ended without having looked everywhere. */
  spent: boolean;
}

export interface Ground {
  readonly steps: Steps;
  readonly links: Links;
  readonly clusters: Clusters;
  readonly budget: Budget;
}

export interface Question {
  readonly rule: ChainRule;
  /** The completing step: the last in the log. */
  readonly last: Step;
  /** Places in the rule that it may take. */
  readonly places: readonly number[];
  /** Only strong links, no opaque step. */
  readonly strongOnly?: boolean;
  /** Commands whose steps do not count, but for the last. */
  readonly apart?: ReadonlySet<string>;
  /** Somebody who must have done one of these steps. */
  readonly pinned?: { readonly place: number; readonly identity: string };
}

/** A walk along flows costs about this many looks at a candidate. */
const walkCost = 20;

/** @returns the steps in rule order, or null; null means nothing when `ground.budget.spent` */
export function findChain(ground: Ground, question: Question): readonly Step[] | null {
  return new Search(ground, question).run();
}

class Search {
  readonly #ground: Ground;
  readonly #question: Question;
  readonly #rule: ChainRule;
  readonly #ordered: boolean;
  readonly #chosen: (Step | undefined)[];
  /** Context of a failure → highest position below which it is known to fail. */
  readonly #failed = new Map<string, number>();
  readonly #pairs: readonly (readonly LinkPair[])[];

  constructor(ground: Ground, question: Question) {
    this.#ground = ground;
    this.#question = question;
    this.#rule = question.rule;
    this.#ordered = question.rule.type !== "temporal";
    this.#chosen = this.#rule.steps.map(() => undefined);
    this.#pairs = this.#rule.steps.map((_, place) =>
      this.#rule.links.filter(({ from, to }) => Math.min(from, to) === place),
    );
  }

  run(): readonly Step[] | null {
    const { steps } = this.#rule;
    if (!this.#choose(steps.length - 1, null, this.#question.last.at + 1)) return null;
    return this.#chosen.map((step) => step ?? this.#question.last);
  }

  #choose(place: number, agreed: Agreement | null, bound: number): boolean {
    if (place < 0) return this.#complete(agreed);
    const context = this.#context(place, agreed);
    const failedUnder = this.#failed.get(context);
    if (failedUnder !== undefined && failedUnder >= bound) return false;
    for (const step of this.#candidates(place, bound)) {
      const { budget } = this.#ground;
      budget.left -= 1;
      if (budget.left < 0) {
        budget.spent = true;
        return false;
      }
      const agreement = this.#admits(place, step, agreed);
      if (agreement === null) continue;
      this.#chosen[place] = step;
      if (this.#choose(place - 1, agreement, this.#ordered ? step.at : bound)) return true;
      this.#chosen[place] = undefined;
      if (budget.spent) return false;
    }
    this.#failed.set(context, bound);
    return false;
  }

  /** Latest first. The completing step stands where it may, and must stand somewhere. */
  *#candidates(place: number, bound: number): Generator<Step> {
    const { last, places } = this.#question;
    const { steps, timespanMs } = this.#rule;
    const detection = steps[place];
    if (detection === undefined) return;
    const placed = this.#chosen.includes(last);
    if (!placed && places.includes(place)) yield last;
    if (!placed && !places.some((other) => other < place)) return;
    const list = this.#ground.steps.of(detection);
    const sinceMs = last.atMs - timespanMs;
    for (let index = lastUnder(list, Math.min(bound, last.at)); index >= 0; index -= 1) {
      const step = list[index];
      if (step === undefined || step.atMs < sinceMs) return;
      if (step.hits.includes(detection.index)) yield step;
    }
  }

  /** @returns what the chain agrees in with this step, or null when it cannot stand here */
  #admits(place: number, step: Step, agreed: Agreement | null): Agreement | null {
    const { strongOnly, pinned, apart, last } = this.#question;
    if (step !== last && apart?.has(step.command)) return null;
    if (strongOnly && step.opaque) return null;
    if (pinned?.place === place && step.subject.identity !== pinned.identity) return null;
    if (!this.#ordered && this.#chosen.includes(step)) return null;
    const brought = bring(this.#rule, place, step, this.#ground.clusters);
    if (brought === null) return null;
    const agreement = agreed === null ? brought : meet(this.#rule, agreed, brought);
    if (agreement === null || !this.#differs(place, step)) return null;
    return this.#tied(place, step) ? agreement : null;
  }

  #tied(place: number, step: Step): boolean {
    const { links, budget } = this.#ground;
    for (const { from, to, by } of this.#pairs[place] ?? []) {
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
    const mine = fieldTexts(step, distinct.field);
    // A field of several values may bring more than one: then only the complete chain tells.
    return mine.length > 1 || new Set([...this.#values(), ...mine]).size + place >= distinct.min || this.#hasSets();
  }

  #hasSets(): boolean {
    const field = this.#rule.distinct?.field ?? "";
    return ["tags", "resource", "reads", "writes", "ends", "operation", "onbehalfof"].includes(field);
  }

  #values(): readonly string[] {
    const field = this.#rule.distinct?.field;
    if (field === undefined) return [];
    return this.#chosen.flatMap((step) => (step ? fieldTexts(step, field) : []));
  }

  #complete(agreed: Agreement | null): boolean {
    const chain = this.#chosen.map((step) => step ?? this.#question.last);
    const { distinct, absences, steps } = this.#rule;
    if (distinct !== null && new Set(this.#values()).size < distinct.min) return false;
    for (const [place, step] of chain.entries())
      if (step.commit && !standsAlone(step, place, chain, steps)) return false;
    const { steps: kept, clusters } = this.#ground;
    return absences.every((absence) => isAbsent(this.#rule, absence, chain, agreed ?? [], kept, clusters));
  }

  /** Everything that the rest of the search depends on, apart from the bound. */
  #context(place: number, agreed: Agreement | null): string {
    const parts: (string | number)[] = [place];
    const rest = new Set(
      this.#pairs.slice(0, place + 1).flatMap((pairs) => pairs.map(({ from, to }) => Math.max(from, to))),
    );
    for (const [index, step] of this.#chosen.entries()) {
      if (step === undefined) continue;
      const needed = !this.#ordered || step.commit || rest.has(index) || this.#rule.absences.length > 0;
      parts.push(needed ? step.at : "-");
    }
    if (agreed !== null) for (const members of agreed) parts.push(members.join(","));
    if (this.#rule.distinct) parts.push([...new Set(this.#values())].sort().join(","));
    return parts.join("|");
  }
}

/** A COMMIT is not a second step beside the very command that it makes lasting. */
function standsAlone(commit: Step, place: number, chain: readonly Step[], steps: ChainRule["steps"]): boolean {
  const detection = steps[place];
  if (detection === undefined) return false;
  const others = new Set(chain.filter((step) => step !== commit).map(({ command }) => command));
  return matchedBy(commit, detection).some(({ of }) => !others.has(of));
}
