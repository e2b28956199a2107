/** Refusals as events of the writer, not more than a few a minute. */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Journal } from "./journal.ts";

/** `log.refused` events per minute; the rest are counted in the next one, so that nobody fills the log with refusals. */
const refusalsPerMinuteMax = 60;

export class Refusals {
  readonly #journal: Journal;
  readonly #now: () => number;
  #minute = 0;
  #count = 0;
  #silent = 0;

  constructor(journal: Journal, now: () => number) {
    this.#journal = journal;
    this.#now = now;
  }

  /** @returns whether it was written down, and not only counted */
  record(source: string, claimedType: string, reason: string): boolean {
    const minute = Math.floor(this.#now() / 60_000);
    if (minute !== this.#minute) this.#count = 0;
    this.#minute = minute;
    if (++this.#count > refusalsPerMinuteMax) {
      this.#silent++;
      return false;
    }
    const before = this.#silent === 0 ? "" : ` (and ${this.#silent} refusals before that were only counted)`;
    try {
      this.#journal.refuse(source.slice(0, 200), claimedType, `${reason}${before}`);
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
      // Whoever reads goes on: a full disk and one message of nonsense must not end the process.
      this.#silent++;
      return false;
    }
    this.#silent = 0;
    return true;
  }
}
