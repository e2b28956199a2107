/**
 * Reports what came of commands: `command.finished`, with what is proven undone or lasting by then, and the counts of
 * masked cells. Whether something lasts is known at ReadyForQuery, so that is when it is said; the last command of a
 * batch carries it.
 */
import type { Reading } from "../../../schemas/command.ts";
import type { Gate } from "../gate.ts";
import type { Session } from "../session.ts";
import type { Masking } from "./masking.ts";
import { merged, portions, type Run } from "./run.ts";
import type { Settled } from "./transaction.ts";

export interface ReportsParts {
  readonly session: Session;
  readonly gate: Gate;
  readonly now: () => number;
  readonly masking: Masking;
}

const nothing: Settled = { undone: [], lasted: [] };

export class Reports {
  readonly #parts: ReportsParts;
  #ran: Run[] = [];
  #settled: Settled = nothing;

  constructor(parts: ReportsParts) {
    this.#parts = parts;
  }

  /** It has run, or failed; whether it lasts is not known yet. */
  ran(run: Run, settled: Settled): void {
    run.shown?.say(true);
    this.#ran.push(run);
    this.settle(settled);
  }

  settle(settled: Settled): void {
    if (settled.undone.length === 0 && settled.lasted.length === 0) return;
    this.#settled = merged(this.#settled, settled);
  }

  /** Of everything that ran since the last ReadyForQuery. */
  readings(): Reading[] {
    return this.#ran.map((run) => run.judgement.command.reading);
  }

  /** At ReadyForQuery. */
  finish(): void {
    const ran = this.#ran;
    if (ran.length === 0) return;
    const settled = this.#settled;
    this.#ran = [];
    this.#settled = nothing;
    const last = ran.length - 1;
    for (const [i, run] of ran.entries()) this.#report(run, i === last ? settled : nothing, "known");
  }

  /** The target never looked at it, because something before it failed with `code`. */
  skipped(run: Run, code: string): void {
    run.neverRan(code);
    this.#report(run, { undone: [run.judgement.command.id], lasted: [] }, "known");
  }

  /** The connection is over: nothing more will be proven about these. */
  abandon(running: readonly Run[]): void {
    for (const run of this.#ran) this.#report(run, nothing, "known");
    for (const run of running) run.shown?.say(true);
    for (const run of running) this.#report(run, nothing, "unknown");
    this.#ran = [];
  }

  #report(run: Run, settled: Settled, ended: "known" | "unknown"): void {
    const { gate, session, now, masking } = this.#parts;
    const masked = masking.counts(run.plans);
    if (masked.length > 0) gate.masked(session, run.judgement, masked);
    for (const portion of portions(settled)) gate.finished(session, run.judgement, run.outcome(now(), portion, ended));
  }
}
