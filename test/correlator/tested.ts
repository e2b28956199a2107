/**
 * The correlator that a random stream asks: one that has read its policy, or, of streams over the same one, goes on from what
 * the first had kept then. Now and then it is replaced by another that goes on from a snapshot, as after a restart.
 */
import assert from "node:assert/strict";
import type { Entry } from "../../infra/log/entry.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import type { Dice } from "./dice.ts";
import { tight } from "./scenery.ts";

/** Rules and policies that are read once for all streams of one play. */
export class Library {
  readonly load: typeof loadRules;
  readonly #remembers: boolean;
  readonly #rules = new Map<string, ReturnType<typeof loadRules>>();
  readonly #openings = new Map<string, readonly string[]>();

  /** @param remembers or reads every text every time, as correlators of different processes do */
  constructor(remembers: boolean) {
    this.#remembers = remembers;
    this.load = (files, options) => {
      const text = JSON.stringify([files, options]);
      const rules = this.#rules.get(text) ?? loadRules(files, options);
      if (this.#remembers) this.#rules.set(text, rules);
      return rules;
    };
  }

  /** @returns one that is live and has folded the log's first record, its policy */
  open(policy: Entry, emit: (output: Output) => void): Correlator {
    const correlator = createCorrelator({ emit, limits: tight, load: this.load });
    const text = JSON.stringify(policy);
    const opening = this.#openings.get(text);
    if (opening !== undefined) correlator.restore(opening);
    correlator.goLive();
    if (opening !== undefined) return correlator;
    correlator.fold(policy);
    assert.equal(correlator.problem, null);
    if (this.#remembers) this.#openings.set(text, [...correlator.keep()]);
    return correlator;
  }

  /** @returns one that goes on where `live` stands, from what was kept after any of the log's entries */
  resume(dice: Dice, live: Correlator, entries: readonly Entry[], emit: (output: Output) => void): Correlator {
    let isLive = false;
    const fresh = () =>
      createCorrelator({
        emit: (output) => (isLive ? emit(output) : assert.fail(`says again ${output.type}`)),
        limits: tight,
        load: this.load,
      });
    const cut = dice(2) === 0 ? entries.length : dice(entries.length + 1);
    const before = cut === entries.length ? live : fresh();
    if (before !== live) for (const entry of entries.slice(0, cut)) before.fold(entry);
    const correlator = fresh();
    correlator.restore(this.carried(before.keep()));
    for (const entry of entries.slice(cut)) correlator.fold(entry);
    correlator.goLive();
    assert.equal(correlator.digest(), live.digest(), `kept after ${cut} of ${entries.length} entries`);
    isLive = true;
    return correlator;
  }

  /** A snapshot on its way from one correlator to the next. */
  protected carried(lines: Iterable<string>): Iterable<string> {
    return lines;
  }
}
