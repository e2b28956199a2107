/**
 * The correlator over changes of its rules: one fold answers, and while a policy waits to take over, a second one folds the log
 * again under it. Where the log says `rules.switched` the second takes the place of the first, with nothing of its state: so
 * what is known from there on is the same for whoever folded under the old rules, and whoever did not.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { RuleSet } from "../../infra/rules/rule-set.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { catalogue } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { isOutput, type Outputs } from "./outputs.ts";
import { type Ahead, Refold, type RefoldLimits, readyFold } from "./refold.ts";
import type { Regime, Ruled } from "./regime.ts";

/** A fold of the log under one policy. */
export interface UnderRules extends Ahead {
  readonly regime: Regime;
  /** What it is to take over under; null once it did. */
  readonly ahead: Ruled | null;
  /** Whether it makes what enters the log. */
  readonly own: boolean;
  readonly rules: RuleSet | null;
  digest(): string;
  keep(): Iterable<string>;
  restore(lines: Iterable<string>): void;
  tagsOf(resource: string): readonly string[];
}

export class Regimes<Fold extends UnderRules> {
  readonly #make: (ahead: Ruled | null) => Fold;
  readonly #outputs: Outputs;
  readonly #limits: RefoldLimits;
  #fold: Fold;
  #refold: Refold<Fold> | null = null;
  /** The record folded last that no correlator gave, and what they did after it. */
  readonly #latest: Entry[] = [];

  /** @param make a fold; of one that is to take over, under what. All of them speak through `outputs` */
  constructor(make: (ahead: Ruled | null) => Fold, outputs: Outputs, limits: RefoldLimits, ahead: Ruled | null) {
    this.#make = make;
    this.#outputs = outputs;
    this.#limits = limits;
    this.#fold = make(ahead);
  }

  get rules(): RuleSet | null {
    return this.#fold.rules;
  }

  get problem(): string | null {
    return this.#fold.regime.problem;
  }

  get speaks(): boolean {
    return this.#fold.own && this.#outputs.hasSaidAll;
  }

  get refold(): Refold | null {
    return this.#refold;
  }

  get announcement(): EventData["rules.switched"] | null {
    if (!this.speaks) return null;
    if (this.#refold === null) return this.#fold.regime.unsaid;
    const { joined, ruled } = this.#refold;
    return joined ? { policy: ruled.policy, digest: ruled.digest } : null;
  }

  isReadyFor(entry: Entry): boolean {
    return !this.#isSwitch(entry) || this.#refold?.joined === true;
  }

  fold(entry: Entry): void {
    // The other stream is not in every replica's order.
    if (catalogue[entry.type].stream !== "steps") return;
    if (!isOutput(entry)) this.#latest.length = 0;
    this.#latest.push(entry);
    if (this.#isSwitch(entry)) {
      this.#fold = readyFold(this.#refold);
      this.#refold = null;
      this.#fold.fold(entry);
      return;
    }
    // First: what the other one says of it comes back before it returns.
    this.#refold?.note(entry);
    this.#fold.fold(entry);
    this.#look();
  }

  /** Whether another fold takes the place of this one. */
  #isSwitch(entry: Entry): boolean {
    return this.#fold.ahead === null && this.#fold.regime.isSwitch(entry);
  }

  /** Whether another policy waits now. */
  #look(): void {
    const { ahead, regime } = this.#fold;
    const pending = ahead === null ? regime.pending : null;
    if (pending === (this.#refold?.ruled ?? null)) return;
    if (this.#refold !== null) this.#refold.dropped = true;
    this.#refold = pending === null ? null : new Refold(pending, this.#make(pending), this.#limits, this.#latest);
  }

  goLive(): void {
    this.#outputs.goLive();
  }

  fallBehind(): void {
    this.#outputs.fallBehind();
  }

  digest(): string {
    return this.#fold.digest();
  }

  keep(): Iterable<string> {
    return this.#fold.keep();
  }

  restore(lines: Iterable<string>): void {
    this.#fold.restore(lines);
    this.#look();
  }

  tagsOf(resource: string): readonly string[] {
    return this.#fold.tagsOf(resource);
  }
}

/** Where a fold stands under a policy that has not taken over, there is nothing to keep. */
export function expectOwn(ahead: Ruled | null): void {
  if (ahead !== null) throw new ThroughlineError("internal.bug", "kept before its policy took over");
}
