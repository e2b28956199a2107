/**
 * A Question: one command on its way through the gate's stages, and what they leave on it. A stage takes the question
 * and the verdict so far and gives a verdict that is as strict or stricter; only `approve` may answer a hold.
 */

import { humansOf, mergeNeeds } from "../../infra/policy/quorum.ts";
import type { Command } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type { CommandFacts, CommittedEffect, Sealed } from "../../schemas/event-data.ts";
import type { HoldTerms, Ruling, Verdict } from "../../schemas/verdict.ts";
import type { Session } from "./session.ts";

export interface Question {
  readonly session: Session;
  readonly command: Command;
  readonly commits: readonly CommittedEffect[];
  readonly inTransaction: boolean;
  readonly nowMs: number;
  /** Of the travelled tags that it is judged by. */
  readonly tagsVersion: number;
  readonly facts: CommandFacts;
  /** The session's subject with this command. */
  readonly subject: Subject;
  /** Whether the log may say that it brings what others were shown (DETECTION §2.7). */
  brings: boolean;
  /** Left by `chain`: the event that asked the correlator. */
  intent: string | null;
  /** Left by `approve`: the approval that was used, or that is waited for. */
  approval: string | null;
  approved: NonNullable<CommittedEffect["approved"]> | null;
  held: Held | null;
  /** Left by whoever needs it first: text and parameters as they are recorded. */
  sealed: SealedCommand | null;
}

export interface SealedCommand {
  readonly text: Sealed;
  readonly parameters: Sealed | null;
}

export type Stage = (question: Question, sofar: Verdict) => Verdict | Promise<Verdict>;

/** A command that waits for people. */
export interface Held {
  readonly approval: string;
  /** Where it can be answered. */
  readonly address: string;
  readonly mode: "wait" | "retry";
  readonly untilMs: number;
  /**
   * Resolves when it was answered, expired, or was given up: `approved` means judge again (with the reading made anew),
   * which finds the approval, uses it up durably, and allows exactly this command once. `expired` after a short wait
   * does not end the approval: the same command may come again and use it (retry).
   */
  readonly settled: Promise<"approved" | "refused" | "expired">;
  /** The client cancelled or went away. */
  giveUp(): void;
}

const strictness: Record<Ruling, number> = { allow: 0, mask: 1, hold: 2, block: 3 };

/** @returns the stricter of two verdicts; two holds become one that asks for both; masks and observations add up. */
export function strictest(one: Verdict, other: Verdict): Verdict {
  const [mild, strict] = strictness[one.ruling] > strictness[other.ruling] ? [other, one] : [one, other];
  const masks = union(one.masks, other.masks);
  const observed = union(one.observed ?? [], other.observed ?? []);
  const extras = {
    masks,
    ...(observed.length > 0 ? { observed } : {}),
    ...(one.chains || other.chains ? { chains: [...(one.chains ?? []), ...(other.chains ?? [])] } : {}),
  };
  if (one.ruling === "block" && other.ruling === "block")
    return { ...one, ...extras, because: union(one.because, other.because) };
  if (mild.ruling !== "hold" || strict.ruling !== "hold") return { ...strict, ...extras };
  const sentence = one.sentence === other.sentence ? one.sentence : `${one.sentence} ${other.sentence}`;
  return {
    ...one,
    ...extras,
    because: union(one.because, other.because),
    sentence,
    ...bothHolds(one.hold, other.hold),
  };
}

function bothHolds(one: HoldTerms | undefined, other: HoldTerms | undefined): { hold?: HoldTerms } {
  if (one === undefined || other === undefined) return one || other ? { hold: one ?? other } : {};
  const needs = mergeNeeds([...one.needs, ...other.needs]);
  return {
    hold: {
      approvers: union(one.approvers, other.approvers),
      humans: humansOf(needs),
      needs,
      waitMs: Math.min(one.waitMs, other.waitMs),
      escalate: union(one.escalate, other.escalate),
      excluded: union(one.excluded, other.excluded),
    },
  };
}

function union<T>(one: readonly T[], other: readonly T[]): readonly T[] {
  if (other.length === 0) return one;
  return one.length === 0 ? other : [...new Set([...one, ...other])];
}

export function tooLarge(stage: Verdict["stage"]): Verdict {
  const sentence = "This command touches more than one record can say; split it.";
  return { ruling: "block", stage, because: ["record.too_large"], sentence, masks: [] };
}
