/**
 * How much one key (an address, an identity) may do per minute. Forgets at the minute's end, keeps a bounded number of
 * keys. Who shares an address (NAT, a proxy) shares its count.
 */
import { type ErrorCode, ThroughlineError } from "../../schemas/errors.ts";

const windowMs = 60_000;
const keysMax = 50_000;

export class Rate {
  readonly #perMinuteMax: number;
  readonly #code: ErrorCode;
  readonly #now: () => number;
  #counts = new Map<string, number>();
  #endsAtMs = 0;

  constructor(perMinuteMax: number, code: ErrorCode, now: () => number) {
    this.#perMinuteMax = perMinuteMax;
    this.#code = code;
    this.#now = now;
  }

  /** @throws ThroughlineError the given code, when the key has used up its minute */
  expectRoom(key: string): void {
    this.#turn();
    if ((this.#counts.get(key) ?? 0) >= this.#perMinuteMax)
      throw new ThroughlineError(this.#code, `More than ${this.#perMinuteMax} times in a minute`);
  }

  count(key: string): void {
    this.#turn();
    // A full table counts nobody new: then one address too many is let through, not everybody refused.
    if (this.#counts.size < keysMax || this.#counts.has(key)) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** Takes one count back: it turned out well. */
  uncount(key: string): void {
    const count = this.#counts.get(key);
    if (count !== undefined && count > 0) this.#counts.set(key, count - 1);
  }

  #turn(): void {
    if (this.#now() < this.#endsAtMs) return;
    this.#counts = new Map();
    this.#endsAtMs = this.#now() + windowMs;
  }
}
