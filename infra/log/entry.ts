/**
 * What a fold reads of a record: the same whether it was just appended in this process or read back from the log,
 * so that replay and live run one path (DETECTION §2.10).
 */
import type { EventType, Role, Subject } from "../../schemas/event.ts";
import type { CommandFacts, EventData } from "../../schemas/event-data.ts";
import type { Ruling } from "../../schemas/verdict.ts";

export interface DecidedFacts extends CommandFacts {
  readonly ruling: Ruling;
  readonly approval: string | null;
  readonly intent: string | null;
}

/** The step section carries these three; every other type is folded from its JSON. */
export type FoldedData<T extends EventType> = T extends "command.decided" ? DecidedFacts : EventData[T];

export type Entry = {
  [T in EventType]: {
    readonly type: T;
    readonly id: string;
    /** Log time, milliseconds. */
    readonly atMs: number;
    readonly source: string;
    readonly role: Role;
    readonly subject: Subject;
    readonly data: FoldedData<T>;
  };
}[EventType];
