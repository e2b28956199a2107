/**
 * A Sketch: the few of many values whose keyed order is lowest, as keyed one-way hashes. Two sketches under one key keep
 * the same values of what they share, so the hashes they have in common tell how much that is.
 *
 *   hash   the first 48 bits of HMAC-SHA-256 under the epoch's key, in base64 eight letters: two of a million values
 *          share one with a chance of one in five hundred, and whoever has no key can test no guess
 *   order  a cheap 32-bit mix under a seed from the same key: only what is kept is worth an HMAC
 *
 * It keeps the values themselves while it is filled, in memory only.
 */
import { createHmac, createSecretKey, type KeyObject } from "node:crypto";

/** Bytes of a hash; letters of it in base64. */
const hashBytes = 6;
const hashLetters = 8;
/** A phrase that comes more often than this, and in more than one of so many rows, is a fixed choice of words. */
const repeatsMax = 8;
const rowsPerRepeat = 16;

/** One epoch's key as sketches use it. */
export interface SketchKey {
  readonly epoch: number;
  /** By this a value is kept or left out; 32 bits. */
  order(normal: string): number;
  /** 48 bits. */
  hash(normal: string): number;
}

/** @param key 32 random bytes */
export function sketchKey(epoch: number, key: Uint8Array): SketchKey {
  const kept: KeyObject = createSecretKey(key);
  const mac = (text: string): Buffer => createHmac("sha256", kept).update(text).digest();
  const seeds = mac("throughline sketch order v1");
  const [one, two] = [seeds.readInt32LE(0), seeds.readInt32LE(4)];
  return {
    epoch,
    order: (normal) => mixed(normal, one, two),
    hash: (normal) => mac(`v1\n${normal}`).readUIntBE(0, hashBytes),
  };
}

/** Not for hiding anything: it only spreads. */
function mixed(text: string, one: number, two: number): number {
  let [a, b] = [one, two];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 0x85ebca6b);
    b = Math.imul(b + code, 0xc2b2ae35) ^ (a >>> 15);
  }
  a = Math.imul(a ^ (b >>> 13) ^ text.length, 0xc2b2ae35);
  a = Math.imul(a ^ (a >>> 16), 0x27d4eb2f);
  return (a ^ (a >>> 15)) >>> 0;
}

interface Kept {
  readonly order: number;
  readonly phrase: boolean;
  count: number;
  told: boolean;
}

export class Sketch {
  readonly #key: SketchKey;
  readonly #valuesMax: number;
  readonly #kept = new Map<string, Kept>();
  #orderMax = 0xffffffff;
  /** Of the thing that is sketched; the caller counts them. */
  rows = 0;
  /** Kept and not told yet. */
  fresh = 0;
  told = 0;

  constructor(key: SketchKey, valuesMax: number) {
    this.#key = key;
    this.#valuesMax = valuesMax;
  }

  readonly add = (normal: string, phrase: boolean): void => {
    const known = this.#kept.get(normal);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const order = this.#key.order(normal);
    if (order > this.#orderMax) return;
    this.#kept.set(normal, { order, phrase, count: 1, told: false });
    this.fresh += 1;
    if (this.#kept.size >= 2 * this.#valuesMax) this.#cut();
  };

  /** @returns the hashes of what is kept and was not told before, fixed choices of words left out */
  take(): number[] {
    this.#cut();
    const hashes: number[] = [];
    for (const [normal, kept] of this.#kept) {
      if (kept.told || (kept.phrase && this.#isCommon(kept))) continue;
      kept.told = true;
      hashes.push(this.#key.hash(normal));
    }
    this.fresh = 0;
    this.told += hashes.length;
    return hashes;
  }

  #isCommon({ count }: Kept): boolean {
    return count > repeatsMax && count * rowsPerRepeat > this.rows;
  }

  #cut(): void {
    if (this.#kept.size <= this.#valuesMax) return;
    const inOrder = [...this.#kept].sort(([, a], [, b]) => a.order - b.order);
    for (const [normal, { told }] of inOrder.slice(this.#valuesMax)) {
      this.#kept.delete(normal);
      if (!told) this.fresh -= 1;
    }
    this.#orderMax = inOrder[this.#valuesMax - 1]?.[1].order ?? this.#orderMax;
  }
}

/** @returns hashes one after the other, eight letters each */
export function packHashes(hashes: readonly number[]): string {
  const bytes = Buffer.alloc(hashes.length * hashBytes);
  for (const [at, hash] of hashes.entries()) bytes.writeUIntBE(hash, at * hashBytes, hashBytes);
  return bytes.toString("base64");
}

/** What is no hash at the end is left out. */
export function unpackHashes(text: string): number[] {
  const bytes = Buffer.from(text.slice(0, text.length - (text.length % hashLetters)), "base64");
  const count = Math.floor(bytes.length / hashBytes);
  return Array.from({ length: count }, (_, at) => bytes.readUIntBE(at * hashBytes, hashBytes));
}
