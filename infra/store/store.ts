/**
 * Where timelines are read from: ClickHouse, embedded (chDB) or a server, behind one contract.
 * The projector writes, the api reads; nothing here is needed for a decision, and all of it can be rebuilt from the log.
 */
import type { LogRecord } from "../log/log.ts";

export interface TimelineFilter {
  readonly identity?: string;
  readonly account?: string;
  readonly session?: string;
  readonly task?: string;
  readonly command?: string;
  readonly resource?: string;
  readonly chain?: string;
  readonly type?: string;
  readonly ruling?: string;
  /** Words that must occur in the clear text of the command. */
  readonly text?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Exclusive upper bound for paging: the `position` of the last row seen. */
  readonly before?: string;
  readonly order?: "newest" | "oldest";
}

/** One event as a reader sees it. */
export interface TimelineRow {
  readonly id: string;
  readonly position: string;
  readonly atMs: number;
  readonly type: string;
  readonly source: string;
  readonly session: string;
  readonly command: string;
  readonly identity: string;
  readonly identityName: string;
  readonly account: string;
  readonly task: string;
  readonly target: string;
  readonly ruling: string;
  readonly operations: readonly string[];
  readonly resources: readonly string[];
  readonly chains: readonly string[];
  /** Clear text of the command, null when its key was erased or it has none. */
  readonly text: string | null;
  readonly data: unknown;
}

export interface Store {
  /** Idempotent by event id: the same records again change nothing. */
  write(records: readonly LogRecord[], texts: ReadonlyMap<string, string>): Promise<void>;
  /** Encoded position up to which all records are in, or null. Written with the records, so a crash repeats, never skips. */
  writtenUpTo(): Promise<string | null>;
  timeline(filter: TimelineFilter, limit: number): Promise<TimelineRow[]>;
  event(id: string): Promise<TimelineRow | null>;
  /** Deletes the clear text of a session, after `key.erased`. */
  forgetText(session: string): Promise<void>;
  close(): Promise<void>;
}
