/**
 * Reads the log, from its first step, to rules that wait to take over, in slices between which everything else goes on: the
 * rules in force answer meanwhile. When the two have met, it says so (`rules.switched`), and from there the new ones answer.
 * Any number of replicas do the same; who says it first is whom the others follow.
 *
 * Not in a thread of its own: a state that comes from there would be read in one piece, a pause that is longer than all slices.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Entry } from "../infra/log/entry.ts";
import type { Appender } from "../infra/log/log.ts";
import { fine, type PartState } from "../infra/observe/health.ts";
import type { Correlator } from "./correlator/correlator.ts";
import type { Operating } from "./main-operations.ts";

export interface Reading {
  /** Rejects when it cannot go on; resolves after close(). */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export type Deliver = (entries: readonly Entry[]) => Promise<void>;

export interface RefoldingParts {
  readonly correlator: Pick<Correlator, "fold" | "refold" | "announcement" | "isReadyFor">;
  /** Gives every step of the log in order, from the first, and then those that come; waits for whom it gives them to. */
  readonly read: (deliver: Deliver) => Reading;
  readonly speaker: Pick<Appender, "append">;
  readonly fault: (error: unknown) => void;
  /** Instead of the process's own: milliseconds that only go forward, and a turn for everybody else. */
  readonly clock?: { readonly steady: () => number; readonly turn: () => Promise<unknown> };
}

const processClock = { steady: () => performance.now(), turn: () => turn() };

/** Records folded between two looks at the clock, and how long before others have their turn. */
const sliceRecords = 16;
const sliceMs = 2;

export class Refolding {
  readonly #parts: RefoldingParts;
  #refold: Correlator["refold"] = null;
  #reading: Reading | null = null;
  #said = "";
  #atMs = 0;
  #failed: unknown = null;
  #closed = false;
  /** Who cannot go on before the new rules are ready. */
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  constructor(parts: RefoldingParts) {
    this.#parts = parts;
  }

  /** Rules that wait; null when none do. */
  get state(): { readonly folded: number; readonly atMs: number; readonly failed: boolean } | null {
    const { refold } = this.#parts.correlator;
    return refold && { folded: refold.folded, atMs: this.#atMs, failed: this.#failed !== null };
  }

  /** Whether all that `fold` was given has been folded. */
  isWhole = true;

  /** After what has been folded, and now and then: begins to read, says what is to be said. */
  look(): void {
    if (this.#closed) return;
    const { refold, announcement } = this.#parts.correlator;
    if (refold !== this.#refold) this.#begin(refold);
    if (announcement === null || announcement.policy === this.#said) return;
    try {
      this.#parts.speaker.append({ type: "rules.switched", subject: {}, data: announcement });
      this.#said = announcement.policy;
    } catch (error) {
      // A full log: it is said when there is room again.
      this.#parts.fault(error);
    }
  }

  /** Folds them, each when it may be. @returns false when it was closed before. Rejects when the log cannot be read */
  async fold(entries: readonly Entry[]): Promise<boolean> {
    const { correlator } = this.#parts;
    this.isWhole = false;
    for (const entry of entries) {
      if (!correlator.isReadyFor(entry) && !(await this.#untilReady(entry))) return false;
      correlator.fold(entry);
    }
    this.isWhole = true;
    return true;
  }

  async #untilReady(entry: Entry): Promise<boolean> {
    while (!this.#closed && !this.#parts.correlator.isReadyFor(entry)) {
      this.look();
      if (this.#failed !== null) throw this.#failed;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#waiting.push({ resolve, reject });
      await promise;
    }
    return !this.#closed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#reading?.close();
  }

  #begin(refold: Correlator["refold"]): void {
    this.#end();
    this.#refold = refold;
    this.#failed = null;
    if (refold === null || refold.joined) return;
    const reading = this.#parts.read((entries) => this.#take(refold, entries));
    this.#reading = reading;
    reading.ended.catch((error: unknown) => {
      if (this.#reading !== reading) return;
      this.#failed = error;
      this.#parts.fault(error);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  /** Not waited for: it may be the reading itself that found out that it is over. */
  #end(): void {
    this.#reading?.close().catch(this.#parts.fault);
    this.#reading = null;
  }

  async #take(refold: NonNullable<Correlator["refold"]>, entries: readonly Entry[]): Promise<void> {
    const clock = this.#parts.clock ?? processClock;
    let sinceMs = clock.steady();
    for (let at = 0; at < entries.length; at += sliceRecords) {
      if (this.#closed || refold !== this.#refold) return;
      const slice = entries.slice(at, at + sliceRecords);
      this.#atMs = slice.at(-1)?.atMs ?? this.#atMs;
      if (refold.take(slice)) {
        this.#end();
        this.#wake();
        this.look();
        return;
      }
      if (clock.steady() - sinceMs < sliceMs) continue;
      await clock.turn();
      sinceMs = clock.steady();
    }
  }

  #wake(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}

/** Which rules answer is for the operator to know: a rule that waits guards nothing yet. */
export function watchRefolding({ health, metrics }: Operating, refolding: Refolding): void {
  health.part("rules", false, () => waitingState(refolding.state));
  metrics.gauge("rules_waiting", "1 while new rules fold the log and the ones before them answer", () =>
    refolding.state === null ? 0 : 1,
  );
  metrics.gauge("rules_waiting_folded", "Steps that new rules have folded", () => refolding.state?.folded ?? 0);
}

function waitingState(state: Refolding["state"]): PartState {
  if (state === null) return fine;
  if (state.failed)
    return { ok: false, reason: "new rules cannot read the log; the ones before them answer, for as long as it takes" };
  const upTo = state.atMs === 0 ? "" : `, up to ${new Date(state.atMs).toISOString()}`;
  return { ok: false, reason: `new rules fold the log (${state.folded} steps${upTo}); the ones before them answer` };
}
