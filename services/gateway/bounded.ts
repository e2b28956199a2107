/** A Map that starts over when what it keeps outgrows its bytes: for what can be made again. */
export class Bounded<K, V> {
  readonly #bytesMax: number;
  readonly #kept = new Map<K, V>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: K): V | undefined {
    return this.#kept.get(key);
  }

  /** @param bytes about what key and value take; one that is larger than everything is not kept */
  set(key: K, value: V, bytes: number): void {
    if (bytes > this.#bytesMax) return;
    if (this.#bytes + bytes > this.#bytesMax) {
      this.#kept.clear();
      this.#bytes = 0;
    }
    this.#kept.set(key, value);
    this.#bytes += bytes;
  }
}
