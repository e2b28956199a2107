/** What is known of commands that are not over, and of the sessions that run them. */
import type { Entry } from "../../infra/log/entry.ts";
import type { Effect } from "../../schemas/command.ts";
import type { EventType } from "../../schemas/event.ts";
import type { ApprovedChain, CommittedEffect } from "../../schemas/event-data.ts";
import type { Step, StepEffect } from "./step.ts";

export type EntryOf<T extends EventType> = Extract<Entry, { type: T }>;
export type Asking = EntryOf<"command.intended"> | EntryOf<"command.decided">;

/** A session is its source's. */
export interface SessionState {
  readonly name: string;
  /** Commands that are not over: mostly one, in order where there are more. */
  commands: CommandState | Set<CommandState> | null;
}

export function commandsOf({ commands }: SessionState): Iterable<CommandState> {
  if (commands === null) return [];
  return commands instanceof Set ? commands : [commands];
}

export function join(session: SessionState, state: CommandState): void {
  const { commands } = session;
  if (commands === null) session.commands = state;
  else if (commands instanceof Set) commands.add(state);
  else session.commands = new Set([commands, state]);
}

export function leave(session: SessionState, state: CommandState): void {
  const { commands } = session;
  if (commands instanceof Set) {
    commands.delete(state);
    if (commands.size === 0) session.commands = null;
  } else if (commands === state) session.commands = null;
}

export interface CommandState {
  readonly command: string;
  readonly session: SessionState;
  readonly source: string;
  /** Of the latest intent; null when none was asked. */
  commits: readonly CommittedEffect[] | null;
  decided: boolean;
  step: Step | null;
}

export interface Decided {
  /** The step that it is, which is to be counted with `allow`; null when there is none, or it counts already. */
  readonly step: Step | null;
  /** Nobody has asked about it before. */
  readonly isUnasked: boolean;
}

export interface KeptUnfinished {
  readonly states: readonly CommandState[];
  readonly sessions: readonly (readonly [string, readonly SessionState[]])[];
  readonly strays: readonly Step[];
  readonly sinceMs: number;
}

export interface KeptTimeline {
  readonly unfinished: KeptUnfinished;
  readonly pending: readonly Step[];
  readonly grown: readonly Step[];
}

export function toPart(effect: Effect, of: string, approved: readonly ApprovedChain[]): StepEffect {
  return { effect, of, approved, withdrawn: false, tags: [] };
}

/**
 * What a COMMIT of this session may make lasting: all that neither lasts nor was undone. By that alone and not by BEGIN: a
 * second BEGIN changes nothing, COMMIT AND CHAIN and one that fails leave a transaction behind that nobody began.
 */
export function openSteps(session: SessionState): readonly Step[] {
  return [...commandsOf(session)].flatMap(({ decided, step }) => {
    const may = decided && step?.undoable && !step.opaque && !step.commit && !step.settled;
    return may ? [step] : [];
  });
}

/** From here on nobody hears of it: it may still wait at the target, and what it moves stays open. */
export function lose({ step }: CommandState, at: number): void {
  if (step !== null && step.finishedAt === Number.POSITIVE_INFINITY) step.lostAt = Math.min(step.lostAt, at);
}

/** Whether it can bring data to a place, by what it touches. */
export function mayMove({ writes, renames }: Effect): boolean {
  return writes.length > 0 || renames !== undefined;
}
