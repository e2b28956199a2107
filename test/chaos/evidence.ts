/**
 * What a run leaves behind: what every client asked and received, what PostgreSQL says it was given and what lasted, what
 * stands in the archive, what each process's own spool holds, and the timeline as people see it. The judge needs no more.
 */
import type { EventType, Stream } from "../../schemas/event.ts";

/** How a command was asked, so that it is known what it must have reached before anything of it may be seen. */
export interface Asked {
  /** Stands in its text or its parameters; once per command, again when the same is asked again. */
  readonly mark: string;
  readonly lot: string;
  /** By what its client had been answered before: this would be the last step of a chain. */
  readonly completing: boolean;
  /** Its record must be in the shared log before a byte of its result leaves (DESIGN: tagged, moving, destroying, COMMIT of those). */
  readonly shared: boolean;
  /** Autocommitted writes and COMMIT: must be recorded before the target is given it at all. */
  readonly strict: boolean;
  /** In a transaction, on what nobody guards: count and error may leave before the sync. */
  readonly relaxed: boolean;
}

export type Outcome =
  /** Rows, or a count. */
  | "ok"
  /** The target's error. */
  | "error"
  /** The gateway's. */
  | "refused"
  /** The gateway's, because its disk is full: the one refusal without a record. */
  | "full"
  /** The session was ended, or the connection broke. */
  | "lost"
  /** No gateway let its client in: nobody was asked. */
  | "unsent";

export interface Attempt extends Asked {
  readonly outcome: Outcome;
  /** SQLSTATE, "" when none. */
  readonly code: string;
  readonly because: string;
  /** First byte of rows, count or error, milliseconds; null when none came. */
  readonly receivedMs: number | null;
  /** The approval under which it was asked (again). */
  readonly approval: string | null;
  /** A value came through that nobody may see. */
  readonly leaked: boolean;
}

/** A statement as PostgreSQL's own log has it. */
export interface Given {
  readonly mark: string;
  readonly atMs: number;
}

export interface Logged {
  readonly position: number;
  /** Log time, milliseconds. */
  readonly atMs: number;
  readonly source: string;
  readonly stream: Stream;
  readonly sequence: number;
  /** Of what the source said, so that two copies can be compared. */
  readonly digest: string;
  readonly id: string;
  readonly type: EventType;
  readonly subject: {
    readonly session: string;
    readonly command: string;
    readonly identity: string;
    readonly account: string;
    readonly task: string;
  };
  readonly data: unknown;
  /** Found in the text and parameters of a decision, decrypted. */
  readonly marks: readonly string[];
}

/** A record in a process's own spool. */
export type Said = Pick<Logged, "source" | "stream" | "sequence" | "digest">;

export interface Evidence {
  readonly attempts: readonly Attempt[];
  readonly given: readonly Given[];
  /** Marks in rows that are still in the target's tables. */
  readonly lasting: readonly string[];
  readonly log: readonly Logged[];
  readonly spools: readonly Said[];
  /** Event ids in the order of the pages, as an investigator is shown them. */
  readonly timeline: readonly string[];
}
