/**
 * Finds holes: a source numbers each of its streams without a gap, so a number that is missing is a record that is
 * missing. Begins with the first number it sees of a source; what was cut before that it cannot see.
 */
import type { LogRecord } from "../../infra/log/log.ts";
import type { EventData } from "../../schemas/event-data.ts";

export class Gaps {
  readonly #last = new Map<string, number>();

  /** @returns the hole in front of this record, or null */
  before(record: LogRecord): EventData["log.gap"] | null {
    const { source, stream, sequence } = record;
    const key = `${source} ${stream}`;
    const last = this.#last.get(key);
    this.#last.set(key, Math.max(sequence, last ?? 0));
    if (last === undefined || sequence <= last + 1) return null;
    const reason = "records of this source are missing in the log";
    return { source, stream, from: String(last + 1), until: String(sequence - 1), count: sequence - last - 1, reason };
  }
}
