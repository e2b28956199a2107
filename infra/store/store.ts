/**
 * Where timelines are read from: ClickHouse, embedded (chDB) or a server, behind one contract.
 * The projector writes, the api reads; nothing here is needed for a decision, and all of it can be rebuilt from the log.
 */
import type { SessionFilter, SessionSummary, TimelineFilter, TimelineRow } from "../../schemas/timeline.ts";
import type { LogRecord } from "../log/log.ts";

/** Clear text of one record, as the projector opened it. */
export interface ClearText {
  readonly text: string;
  /** JSON array of the bound values, or null. */
  readonly parameters: string | null;
}

export interface Store {
  /**
   * Idempotent by event id: the same records again change nothing. Records come in log order, from one writer.
   * @param texts clear text by event id
   * @throws ThroughlineError `store.unavailable`
   */
  write(records: readonly LogRecord[], texts: ReadonlyMap<string, ClearText>): Promise<void>;
  /** Encoded position up to which all records are in, or null. Written with the records, so a crash repeats, never skips. */
  writtenUpTo(): Promise<string | null>;
  timeline(filter: TimelineFilter, limit: number): Promise<TimelineRow[]>;
  event(id: string): Promise<TimelineRow | null>;
  /** Newest first. */
  sessions(filter: SessionFilter, limit: number): Promise<SessionSummary[]>;
  /** Deletes the clear text of a session, after `key.erased`. */
  forgetText(session: string): Promise<void>;
  close(): Promise<void>;
}
