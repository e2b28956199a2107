/**
 * The log as the rest of the product sees it. Implementations: journal.ts (embedded, the one writer),
 * socket-client.ts (a second process on the same machine), later Kafka. One contract suite runs over all of them.
 *
 * A source assigns its sequence; the writer assigns position and time. Nothing that was appended leaves a process,
 * and no follower sees it, before it is durable. The exception is `Journal.fold` (journal.ts), by which the correlator
 * in the writer's own process sees a record at once, so that an intent and its answer share one sync.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Envelope, EventType, Role, Stream, Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { FoldedData } from "./entry.ts";

/** Where a record stands in the log. Opaque: compare and encode it only by the log that gave it. */
export type Position = { readonly opaque: unique symbol };

/** Order of an append within one Appender, from 1. */
export type Ticket = number;

export interface LogRecord {
  readonly position: Position;
  /** Log time, milliseconds: max(previous record's, the writer's clock at append). */
  readonly atMs: number;
  readonly source: string;
  readonly role: Role;
  readonly type: EventType;
  readonly stream: Stream;
  readonly sequence: number;
  /** The envelope's exact bytes (UTF-8 JSON), as the source wrote them. */
  readonly json: Uint8Array;
  /** The step section (infra/log/step.ts) or null; the same facts as in `json`, cheaper to read. */
  readonly step: Uint8Array | null;
  /** The parsed envelope; parsed on first use. */
  readonly envelope: Envelope;
}

export interface Draft<T extends EventType = EventType> {
  readonly type: T;
  readonly subject: Subject;
  readonly data: EventData[T];
  /** For outputs of the correlator (a hash of the evidence); otherwise the appender makes it. */
  readonly id?: string;
}

/**
 * A draft whose JSON was mostly built before: the path of a command. The envelope is
 * `{"specversion":"1.0","source":…,"tenant":…,"datacontenttype":…,"stream":…,"id":…,"sequence":…,"time":…` written by
 * the appender, then `rest`, which must be `,"type":"…"[,subject members],"data":{…}}` as UTF-8 pieces.
 */
export interface RawDraft {
  readonly type: "command.intended" | "command.decided" | "command.finished";
  readonly rest: readonly Uint8Array[];
  /** The step section is made from these (infra/log/step.ts); a fold in this process gets them as they are. */
  readonly subject: Subject;
  readonly data: FoldedData<"command.intended" | "command.decided" | "command.finished">;
}

/** One source's way in. Sequences of both streams continue where the log left them. */
export interface Appender {
  readonly source: string;
  readonly role: Role;
  /**
   * Appends one event. In the embedded log its position and time are assigned before this returns.
   * @throws ThroughlineError `log.full` (only types that are needed to finish what runs still fit in the reserve),
   *   `log.refused` when the role may not say the type.
   */
  append<T extends EventType>(draft: Draft<T>): Ticket;
  appendRaw(draft: RawDraft): Ticket;
  /** The id that the next append of this stream gets unless the draft brings one. */
  nextId(stream: Stream): string;
  /** Every ticket up to here is durable. */
  readonly durable: Ticket;
  /** Called after each sync, with `durable`; synchronous, must not throw. @returns stops the calls */
  onDurable(listener: (durable: Ticket) => void): () => void;
  /** Resolves when the ticket is durable. */
  synced(ticket: Ticket): Promise<void>;
}

export interface FollowOptions {
  /** Start after this position; null = from the first record. */
  readonly after: Position | null;
  readonly streams: readonly Stream[];
  /** How long a follower that has read everything lets records gather, milliseconds; 5 unless said. */
  readonly gatherMs?: number;
}

export interface Following {
  /** Resolves once every record that was durable when follow() was called has been delivered. */
  readonly caughtUp: Promise<void>;
  /** Rejects when the log breaks or the consumer throws; resolves after close(). */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export interface Log {
  /** The source that writes, chains and signs the order of what this log gives: `log/<name>`. */
  readonly writer: string;
  /** @param role and name make the source `<role>/<name>`; its signing key must be known to the log. */
  appender(role: Role, name: string): Promise<Appender>;
  /** Delivers durable records in order, in batches; waits for the consumer before the next (back-pressure). */
  follow(options: FollowOptions, deliver: (records: readonly LogRecord[]) => void | Promise<void>): Following;
  /** The last durable record's position, or null when the log is empty. */
  head(): Promise<Position | null>;
  /** A text that orders as the log does. */
  encodePosition(position: Position): string;
  /** @throws ThroughlineError `request.invalid` */
  decodePosition(text: string): Position;
  /** Signs the heads, waits for the last sync, releases the folder. */
  close(): Promise<void>;
}

/** Whether an append was refused by the hour: its disk is full, or too much waits for an owner who is away. */
export function takesNothingNow(error: unknown): boolean {
  return error instanceof ThroughlineError && (error.code === "log.full" || error.code === "log.lost_connection");
}
