/** What a correlator of many machines says of time, and hears of itself by it. The clock is given. */
import type { Entry } from "../../infra/log/entry.ts";

/** How late this replica hears its own ticks, which is how far behind the log it reads. */
export class Ticks {
  readonly #now: () => number;
  /** By id: when it was said. */
  readonly #sent = new Map<string, number>();
  #heardMs: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#heardMs = now();
  }

  sent(id: string): void {
    this.#sent.set(id, this.#now());
  }

  came(id: string): void {
    const sentMs = this.#sent.get(id);
    if (sentMs === undefined) return;
    this.#heardMs = sentMs;
    this.#sent.delete(id);
  }

  get lateMs(): number {
    return this.#now() - this.#heardMs;
  }
}

/** Gateways wait until it is known what these bring. */
export function isWaitedFor(entry: Entry): boolean {
  if (entry.type !== "command.decided") return false;
  return entry.data.effects.some(
    ({ operation, reads, writes, ends }) =>
      operation === "define" || ends.length > 0 || (reads.length > 0 && writes.length > 0 && operation !== "delete"),
  );
}
