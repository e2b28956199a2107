/**
 * Folds the log again, from the first step, under a policy that waits to take over, while the one in force answers
 * (DETECTION §2.13). Somebody reads the log to it in pieces; the latest that was folded meanwhile it keeps, and where the two
 * meet it goes along, record by record, until the log says that it takes over.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Limits } from "../../schemas/limits.ts";
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
  readonly #after: string;
  /** The latest that was folded elsewhere, without a gap. */
  #recent: Entry[] = [];
  #isCut = false;

  /** @param after the record that was folded elsewhere last; empty when that is not known */
  constructor(ruled: Ruled, fold: Fold, limits: RefoldLimits, after: string) {
    this.#after = after;
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
    if (this.#recent.length < 2 * refoldRecentMax) return;
    this.#recent = this.#recent.slice(-refoldRecentMax);
    this.#isCut = true;
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
    const rest = this.#restAfter(entries.at(-1)?.id);
    if (rest === null || rest.length > this.#limits.refoldJoinMax) return false;
    for (const entry of rest) this.fold.fold(entry);
    return this.#join(rest.length);
  }

  /** @returns what was folded elsewhere after this record; null when that is not known */
  #restAfter(id: string | undefined): readonly Entry[] | null {
    if (id === this.#after && !this.#isCut) return this.#recent;
    const at = this.#recent.findIndex((entry) => entry.id === id);
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
