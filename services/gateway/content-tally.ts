/**
 * What one identity has brought lately of what others were shown, by reading: one row at a time, over many sessions, is as
 * much as all at once, and many readings of one row each are as much as one of all. Bounded: the reading that was matched
 * longest ago goes first.
 */
import type { Shown } from "./content-index.ts";

/** Pairs of reading and value that are remembered. */
const pairsMax = 16_384;
const readingsMax = 1_024;
/** Readings told of one reader, and of all. */
const perReaderMax = 32;
const readingsToldMax = 128;

export interface Told {
  /** The readings, those that share most first. */
  readonly from: readonly { readonly event: string; readonly command: string; readonly shared: number }[];
  readonly values: number;
  readonly tags: readonly string[];
}

type Found = ReadonlyMap<Shown, ReadonlySet<number>>;

/** Who was shown it: an identity under an account. */
export function readerOf({ identity, account }: Shown): string {
  return `${identity}\n${account}`;
}

export class Tally {
  lastMs = 0;
  readonly #by = new Map<Shown, Set<number>>();
  #pairs = 0;

  add(found: Found): void {
    for (const [shown, hashes] of found) {
      const known = this.#by.get(shown) ?? new Set();
      this.#by.delete(shown);
      this.#by.set(shown, known);
      const before = known.size;
      for (const hash of hashes) known.add(hash);
      this.#pairs += known.size - before;
    }
    for (const [shown, hashes] of this.#by) {
      if (this.#by.size === 1 || (this.#pairs <= pairsMax && this.#by.size <= readingsMax)) break;
      this.#by.delete(shown);
      this.#pairs -= hashes.size;
    }
  }

  /** @returns what was brought of these readers' readings, where it is as many values as that; null when of none */
  of(readers: ReadonlySet<string>, sharedMin: number): Told | null {
    const perReader = new Map<string, Map<string, { readonly parts: Shown[]; readonly hashes: Set<number> }>>();
    for (const [shown, hashes] of this.#by) {
      const reader = readerOf(shown);
      if (!readers.has(reader)) continue;
      const commands = perReader.get(reader) ?? new Map<string, { parts: Shown[]; hashes: Set<number> }>();
      perReader.set(reader, commands);
      const one = commands.get(shown.command) ?? { parts: [], hashes: new Set() };
      commands.set(shown.command, one);
      one.parts.push(shown);
      for (const hash of hashes) one.hashes.add(hash);
    }
    const values = new Set<number>();
    const tags = new Set<string>();
    const from: { event: string; command: string; shared: number; atMs: number }[] = [];
    for (const commands of perReader.values()) {
      const own = new Set([...commands.values()].flatMap(({ hashes }) => [...hashes]));
      if (own.size < sharedMin) continue;
      for (const hash of own) values.add(hash);
      const told = [...commands].map(([command, { parts, hashes }]) => {
        for (const tag of parts.flatMap((shown) => shown.tags)) tags.add(tag);
        return { event: parts[0]?.event ?? "", command, shared: hashes.size, atMs: parts[0]?.atMs ?? 0 };
      });
      from.push(...told.sort(byShared).slice(0, perReaderMax));
    }
    if (from.length === 0) return null;
    const first = from.sort(byShared).slice(0, readingsToldMax);
    return {
      from: first.map(({ event, command, shared }) => ({ event, command, shared })),
      values: values.size,
      tags: [...tags].sort(),
    };
  }
}

function byShared(a: { shared: number; atMs: number }, b: { shared: number; atMs: number }): number {
  return b.shared - a.shared || b.atMs - a.atMs;
}
