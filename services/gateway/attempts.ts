/**
 * How often somebody failed to get in, per key (an address, or an address and a Grant) and minute, so that guessing
 * costs little hashing and writes few events. Forgets at the minute's end; keeps a bounded number of keys. An address
 * is as fine as a network can tell: whoever shares one (NAT) shares its count.
 */
const keysMax = 50_000;
const windowMs = 60_000;

export class Attempts {
  readonly #failuresMax: number;
  readonly #now: () => number;
  #counts = new Map<string, number>();
  #windowEndsAtMs = 0;

  constructor(failuresMax: number, now: () => number) {
    this.#failuresMax = failuresMax;
    this.#now = now;
  }

  failed(key: string): void {
    this.#turn();
    if (this.#counts.size >= keysMax && !this.#counts.has(key)) return;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  exhausted(key: string): boolean {
    this.#turn();
    return (this.#counts.get(key) ?? 0) >= this.#failuresMax;
  }

  #turn(): void {
    if (this.#now() < this.#windowEndsAtMs) return;
    this.#counts = new Map();
    this.#windowEndsAtMs = this.#now() + windowMs;
  }
}

/** IPv4 whole; IPv6 by its /64, which is what one customer gets. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => "0");
  return `${[...front, ...zeros, ...back].slice(0, 4).join(":")}::/64`;
}
