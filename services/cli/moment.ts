/** Moments as people type them: `2h`, `15m`, `3d` (ago), an RFC 3339 time, or milliseconds since the epoch. */
import { misused } from "./failure.ts";

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** @returns milliseconds since the epoch. @throws CliFailure with exit code 2 */
export function momentOf(text: string, nowMs: number): number {
  const ago = /^(\d+)([smhd])$/.exec(text);
  if (ago) return nowMs - Number(ago[1]) * (unitsMs[ago[2] ?? ""] ?? 0);
  if (/^\d{10,}$/.test(text)) return Number(text);
  const at = Date.parse(text);
  if (Number.isNaN(at) || !isDay(text))
    throw misused(`"${text}" is no moment.`, "Write 15m, 2h, 3d, or 2026-01-31T03:00:00Z.");
  return at;
}

/** The clock's own reading goes on after a month's end: 31 February would be 3 March. */
function isDay(text: string): boolean {
  const day = /^\d{4}-\d{2}-\d{2}(?=$|[T ])/.exec(text)?.[0];
  return day !== undefined && new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}

/** @throws CliFailure with exit code 2 unless the text is a whole number in the range. */
export function wholeNumber(text: string, min: number, max: number): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < min || n > max)
    throw misused(`"${text}" is no whole number from ${min} to ${max}.`, "Give a number in that range.");
  return n;
}
