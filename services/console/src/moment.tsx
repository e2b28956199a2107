/** Times for people: the reader's own zone on the page, UTC when asked (hover or focus), never a bare "ago" in evidence. */
import { useSyncExternalStore } from "react";

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** `03:12:09`. */
export const clockWords = (ms: number): string => clock.format(ms);
/** `04 Oct`. */
export const dayWords = (ms: number): string => day.format(ms);
/** Midnight-to-midnight key of the reader's own day. */
export const dayKey = (ms: number): string => new Date(ms).toDateString();

interface MomentProps {
  readonly ms: number;
  /** `clock` where the day stands nearby, `day` for day and clock. */
  readonly show?: "clock" | "day";
}

export function Moment({ ms, show = "clock" }: MomentProps) {
  const utc = new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");
  return (
    <time dateTime={new Date(ms).toISOString()} title={`${full.format(ms)}\n${utc}`} className="moment">
      {show === "day" && <span className="quiet">{dayWords(ms)} </span>}
      {clockWords(ms)}
    </time>
  );
}

function everySecond(listener: () => void): () => void {
  const timer = setInterval(listener, 1_000);
  return () => clearInterval(timer);
}

/** Now, to the second, by the reader's clock: for countdowns only, nothing is decided by it. */
export function useNow(): number {
  return useSyncExternalStore(everySecond, () => Math.floor(Date.now() / 1_000) * 1_000);
}
