/**
 * Tallies carried on from question to question, for a history that only grows: one per rule and group, each brought up to
 * date from the lists of steps, so that an event costs what is new and not what is in its window.
 */
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import type { Agreement } from "./group.ts";
import { Tally } from "./tally.ts";

/** Groups whose tallies are kept; beyond, all start anew from the lists. */
const talliesMax = 100_000;

/** A tally and the place in the log up to which it has counted. */
export interface Running {
  readonly tally: Tally;
  upTo: number;
}

export class Tallies {
  readonly #running = new Map<string, Running>();
  readonly #rules = new Map<ChainRule, number>();

  /** @returns the one for this group; null when the rule counts nothing or this question is about an earlier event */
  of(rule: ChainRule, group: Agreement, at: number): Running | null {
    if (rule.count === null) return null;
    const number = this.#rules.get(rule) ?? this.#rules.size;
    this.#rules.set(rule, number);
    const key = `${number} ${JSON.stringify(group)}`;
    let running = this.#running.get(key);
    if (running === undefined) {
      if (this.#running.size >= talliesMax) this.#running.clear();
      running = { tally: new Tally(rule.count), upTo: -1 };
      this.#running.set(key, running);
    }
    return running.upTo < at ? running : null;
  }

  /** What belongs together may be otherwise now: identities were linked. */
  forget(): void {
    this.#running.clear();
  }
}
