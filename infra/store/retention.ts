/**
 * How long a row stays in the store, by what it is: its retention class. The day it ends is computed when the row is
 * written and stands in the row (`delete_on`), so a shorter retention takes effect for new rows, and for all of them
 * after `throughline store rebuild`. The log is not touched: it has its own retention, and is what is verified.
 *
 * Cannot see the future: a command that later becomes a step of a chain is kept as `activity`; the chain's own event
 * carries the evidence of each step and is kept as `evidence`.
 */
import type { EventType } from "../../schemas/event.ts";

export interface Retention {
  /** Days; absent is for ever. */
  readonly machineDays?: number | undefined;
  readonly activityDays?: number | undefined;
  readonly evidenceDays?: number | undefined;
}

/** ClickHouse's last Date, in days since 1970 (2149-06-06). */
export const forEverDay = 65_535;
const dayMs = 86_400_000;

/** What keeps the machine honest and tells no story. */
const machine = new Set<string>([
  "audit.read",
  "block.enforced",
  "command.answered",
  "command.intended",
  "correlator.digested",
  "service.started",
  "service.stopped",
  "sink.failed",
  "sink.recovered",
] satisfies EventType[]);

/** What people do, all day long. Everything that is neither this nor the machine's is evidence. */
const activity = new Set<string>([
  "identity.logged_in",
  "identity.login_failed",
  "session.opened",
  "session.refused",
  "session.closed",
  "command.decided",
  "command.finished",
  "output.masked",
  "content.shown",
  "content.brought",
  "file.transferred",
  "recording.started",
  "recording.gap",
  "recording.closed",
] satisfies EventType[]);

export type RetentionClass = "machine" | "activity" | "evidence";

/** @param ruling of the command, or empty: what was held or refused is evidence */
export function classOf(type: string, ruling: string): RetentionClass {
  if (machine.has(type)) return "machine";
  return activity.has(type) && ruling !== "hold" && ruling !== "block" ? "activity" : "evidence";
}

/** @returns the day on which the row leaves, in days since 1970 */
export function deleteOnDay(retention: Retention, kind: RetentionClass, atMs: number): number {
  const days = { machine: retention.machineDays, activity: retention.activityDays, evidence: retention.evidenceDays };
  const kept = days[kind];
  return kept === undefined ? forEverDay : Math.min(forEverDay, Math.floor(atMs / dayMs) + kept);
}
