/** Delivers durable records to one consumer, in order, one batch at a time: whoever is slow costs one block of memory. */
import { setTimeout as gather } from "node:timers/promises";
import type { Following, FollowOptions, LogRecord } from "./log.ts";
import { numberOf } from "./position.ts";
import type { LogReader } from "./reader.ts";
import { checkSayer } from "./record.ts";

/** How long a follower that has read everything lets records gather; it adds that much to what it delivers. */
const gatherMs = 5;

export interface Followed {
  readonly reader: LogReader;
  /** The last durable position now. */
  readonly durable: () => number;
  /** Calls back once when more is durable or the log breaks. */
  readonly once: (wake: () => void) => void;
  /** Why the log broke, or null. */
  readonly broken: () => Error | null;
}

export function followLog(
  log: Followed,
  options: FollowOptions,
  deliver: (records: readonly LogRecord[]) => void | Promise<void>,
): Following {
  const target = log.durable();
  const wait = options.gatherMs ?? gatherMs;
  const caughtUp = Promise.withResolvers<void>();
  // Whoever does not ask for it must not be ended by it: `ended` carries the same error.
  caughtUp.promise.catch(() => {});
  let closed = false;
  let wake = () => {};
  const run = async () => {
    try {
      while (!closed) {
        if (log.reader.position >= target) caughtUp.resolve();
        const records = await log.reader.next();
        if (closed) break;
        const broken = log.broken();
        if (broken !== null) throw broken;
        const wanted = records.filter((record) => options.streams.includes(checkSayer(record).stream));
        if (wanted.length > 0) await deliver(wanted);
        if (records.length > 0 || log.reader.position < log.durable()) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
          log.once(resolve);
        });
        // Under load there is a sync every few hundred microseconds: reading after each would cost more than the sync.
        if (!closed && wait > 0) await gather(wait);
      }
    } catch (error) {
      caughtUp.reject(error);
      throw error;
    } finally {
      await log.reader.close();
    }
  };
  const ended = run();
  ended.catch(() => {});
  const close = async () => {
    closed = true;
    wake();
    await ended.catch(() => {});
  };
  return { caughtUp: caughtUp.promise, ended, close };
}

/** Where a follow starts. */
export function startOf(options: FollowOptions): number {
  return numberOf(options.after);
}
