/**
 * Folds the log again, from the first step, under a policy that waits to take over, while the one in force answers
 * (DETECTION §2.13). Somebody reads the log to it in pieces; the latest that was folded meanwhile it keeps, and where the two
 * meet it goes along, record by record, until the log says that it takes over.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Limits } from "../../schemas/limits.ts";
import { isOutput } from "./outputs.ts";
import type { Regime, Ruled } from "./regime.ts";

/** A fold that says nothing until its policy takes over. */
export interface Ahead {
  fold(entry: Entry): void;
  readonly regime: Pick<Regime, "isSwitch">;
}

export type RefoldLimits = Pick<Limits, "refoldRecentMax" | "refoldJoinMax">;

export class Refold<Fold extends Ahead = Ahead> {
  readonly ruled: Ruled;
  readonly fold: Fold;
  /** It has folded whatever was folded elsewhere. */
  joined = false;
  /** Its policy was given up for another. */
  dropped = false;
  /** Steps folded. */
  folded = 0;
  readonly #limits: RefoldLimits;
  /** The latest that was folded elsewhere, without a gap. */
  #recent: Entry[];

  /** @param latest what was folded elsewhere last */
  constructor(ruled: Ruled, fold: Fold, limits: RefoldLimits, latest: readonly Entry[]) {
    this.#recent = [...latest];
    this.ruled = ruled;
    this.fold = fold;
    this.#limits = limits;
  }

  /** For every record that is folded elsewhere, before that. */
  note(entry: Entry): void {
    if (this.joined) {
      this.fold.fold(entry);
      return;
    }
    this.#recent.push(entry);
    const { refoldRecentMax } = this.#limits;
    if (this.#recent.length >= 2 * refoldRecentMax) this.#recent = this.#recent.slice(-refoldRecentMax);
  }

  /** Steps of the log in order, from the first; what comes twice is folded once. @returns whether it needs no more of them */
  take(entries: readonly Entry[]): boolean {
    for (const entry of entries) {
      if (this.dropped || this.joined) return true;
      // Whoever is behind it still has to come here, and will find it ready.
      if (this.fold.regime.isSwitch(entry)) return this.#join(0);
      this.fold.fold(entry);
      this.folded += 1;
    }
    const rest = this.#restAfter(entries.findLast((entry) => !isOutput(entry)));
    if (rest === null || rest.length > this.#limits.refoldJoinMax) return false;
    for (const entry of rest) this.fold.fold(entry);
    return this.#join(rest.length);
  }

  /**
   * Not by outputs: many say them, and one would be taken for its double further on. What is folded twice by that is dropped.
   * @returns what was folded elsewhere after this record; null when that is not known
   */
  #restAfter(last: Entry | undefined): readonly Entry[] | null {
    const at = last === undefined ? -1 : this.#recent.findIndex(({ id }) => id === last.id);
    return at < 0 ? null : this.#recent.slice(at + 1);
  }

  #join(folded: number): true {
    this.folded += folded;
    this.joined = true;
    this.#recent = [];
    return true;
  }
}

/** @returns the fold that takes over at this record. @throws ThroughlineError `internal.bug` when nobody waited for it */
export function readyFold<Fold extends Ahead>(refold: Refold<Fold> | null): Fold {
  if (refold?.joined) return refold.fold;
  throw new ThroughlineError("internal.bug", "new rules take over before they have folded the log");
}
