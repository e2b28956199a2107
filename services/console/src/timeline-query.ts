/** The timeline's filters as they stand in the address, and what they ask of the API. */
import type { Query } from "./data.ts";

export const filterKeys = [
  "identity",
  "account",
  "target",
  "session",
  "task",
  "resource",
  "chain",
  "type",
  "ruling",
  "text",
  "command",
  "grant",
] as const;
export type FilterKey = (typeof filterKeys)[number];

const hourMs = 3_600_000;
export const ranges = [
  { key: "15m", words: "15 min", ms: hourMs / 4 },
  { key: "1h", words: "1 hour", ms: hourMs },
  { key: "24h", words: "24 hours", ms: 24 * hourMs },
  { key: "7d", words: "7 days", ms: 168 * hourMs },
  { key: "all", words: "All", ms: null },
] as const;
export const defaultRange = "24h";

export interface TimelineAsk {
  /** Stable while the filters are: the key under which answers are kept. */
  readonly key: Query;
  /** The request for a moment. */
  at(nowMs: number): Query;
}

const localMs = (text: string | null): number | undefined => {
  const ms = text ? new Date(text).getTime() : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
};

export function timelineAsk(query: URLSearchParams): TimelineAsk {
  const filters = Object.fromEntries(filterKeys.map((key) => [key, query.get(key) ?? undefined]));
  const every = query.get("every") === "1";
  const since = localMs(query.get("since"));
  const until = localMs(query.get("until"));
  const range = query.get("range") ?? defaultRange;
  const before = query.get("before") ?? undefined;
  const fixed = { ...filters, before, untilMs: until, limit: 400, ...(every ? {} : { story: true }) };
  return {
    key: { ...fixed, since, range },
    at(nowMs) {
      const backMs = ranges.find((one) => one.key === range)?.ms ?? null;
      // By the whole minute: the same question again is one record in the audit, not one per poll.
      const minute = nowMs - (nowMs % 60_000);
      const sinceMs = since ?? (backMs === null || until !== undefined ? undefined : minute - backMs);
      return { ...fixed, sinceMs };
    },
  };
}
