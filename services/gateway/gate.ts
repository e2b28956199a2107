/**
 * The gate, as the proxies of every wire see it: they ask, they obey, they report what came of it.
 * It decides nothing by itself: the table of stages below does, in order; the first that is not allow or mask settles
 * the command, and `record` runs for every outcome.
 */
import type { Ticket } from "../../infra/log/log.ts";
import type { Command, Reading } from "../../schemas/command.ts";
import type { CommittedEffect, EventData } from "../../schemas/event-data.ts";
import type { Verdict } from "../../schemas/verdict.ts";
import type { Session } from "./session.ts";

/** A judged and recorded command. */
export interface Judgement {
  readonly command: Command;
  readonly verdict: Verdict;
  /** The record of the decision: no result byte leaves, and nothing lasts, before it is durable. */
  readonly ticket: Ticket;
  /** Set when the ruling is `hold`: what is waited for. */
  readonly held: Held | null;
  /** The approval that this command used up, and the chain steps before the last one that it was given for. */
  readonly approved: CommittedEffect["approved"] | null;
}

/** A command that waits for people. */
export interface Held {
  readonly approval: string;
  /** Where it can be answered. */
  readonly address: string;
  readonly mode: "wait" | "retry";
  readonly untilMs: number;
  /**
   * Resolves when it was answered, expired, or was given up: `approved` means judge again (with the reading made anew),
   * which finds the approval, uses it up durably, and allows exactly this command once.
   */
  readonly settled: Promise<"approved" | "refused" | "expired">;
  /** The client cancelled or went away. */
  giveUp(): void;
}

export type Outcome = EventData["command.finished"];

export interface Gate {
  /**
   * Judges and records. Synchronous unless a stage must wait (a remote log); the hot path makes no promise.
   * @param commits for a COMMIT: what it would make lasting
   * @param inTransaction shortens a wait (locks), then turns it into retry
   */
  judge(
    session: Session,
    command: Command,
    commits: readonly CommittedEffect[],
    inTransaction: boolean,
  ): Judgement | Promise<Judgement>;
  /** Policy and blocks only, nothing recorded unless refused: for Parse, Bind and Describe. */
  preview(session: Session, command: Command): Verdict;
  /** Records a command whose Parse, Bind or Describe failed at the target, before its error text leaves. */
  recordFailed(session: Session, command: Command): Ticket;
  /** `shown`, `undone`, `lasted`: see schemas/event-data.ts. Follows the command; nobody waits for it. */
  finished(session: Session, judgement: Judgement, outcome: Outcome): void;
  masked(session: Session, judgement: Judgement, columns: EventData["output.masked"]["columns"]): void;
  /** True when everything up to the ticket is durable. */
  isDurable(ticket: Ticket): boolean;
  /** Called after each sync of the log; one listener per session. @returns stops the calls */
  onDurable(listener: () => void): () => void;
  /** Whether errors and notices of this command may carry values that its identity may not see. */
  scrubs(session: Session, reading: Reading): boolean;
}
