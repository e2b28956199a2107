/**
 * Session keys that were read lately, for `keyCachedMsMax` and no longer, `keysCachedMax` at most: a projector asks for
 * the same one with every batch. That a key is erased is kept as long as there is room, for it stays so.
 * It cannot take back what was given out: whoever has a key forgets it by itself.
 */
interface Kept {
  /** Null: erased. */
  readonly key: Buffer | null;
  readonly untilMs: number;
}

export class KeptKeys {
  readonly #kept = new Map<string, Kept>();
  readonly #msMax: number;
  readonly #countMax: number;

  constructor(msMax: number, countMax: number) {
    this.#msMax = msMax;
    this.#countMax = countMax;
  }

  /** @returns a copy; null when it was erased, undefined when it must be read */
  get(keyId: string, nowMs: number): Uint8Array | null | undefined {
    const kept = this.#kept.get(keyId);
    if (kept === undefined) return undefined;
    if (kept.key === null) return null;
    if (nowMs < kept.untilMs) return new Uint8Array(kept.key);
    this.#drop(keyId);
    return undefined;
  }

  /** @param askedMs when the reading of it began: what is older than that may be missing from it */
  keep(keyId: string, key: Uint8Array | null, askedMs: number): void {
    // An answer that was under way while the key was erased does not bring it back.
    if (this.#kept.get(keyId)?.key === null) return;
    this.#drop(keyId);
    if (this.#kept.size >= this.#countMax) this.#drop(this.#kept.keys().next().value ?? "");
    this.#kept.set(keyId, { key: key === null ? null : Buffer.from(key), untilMs: askedMs + this.#msMax });
  }

  #drop(keyId: string): void {
    this.#kept.get(keyId)?.key?.fill(0);
    this.#kept.delete(keyId);
  }

  clear(): void {
    for (const keyId of [...this.#kept.keys()]) this.#drop(keyId);
  }
}
