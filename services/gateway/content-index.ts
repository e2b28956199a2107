/**
 * What was shown, by its hashes: folded from the log (content.shown), asked by whoever brings values in. Bounded by time
 * and by number; when it is full, the identity that has shown most loses its own oldest, so that nobody's reading can
 * make what others read forgotten.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { packHashes, unpackHashes } from "../../infra/sketch/sketch.ts";
import { type Limits, limits } from "../../schemas/limits.ts";

/** One content.shown event. */
export interface Shown {
  readonly event: string;
  readonly command: string;
  readonly identity: string;
  readonly account: string;
  readonly epoch: number;
  readonly tags: readonly string[];
  readonly atMs: number;
  /** As many as are kept; emptied when it is forgotten. */
  readonly hashes: readonly number[];
}

export type KeptContent = readonly (Omit<Shown, "hashes"> & { readonly hashes: string })[];
type Bounds = Pick<Limits, "contentKeptMs" | "contentKeptMax">;

/** Readings of one value by one identity under one account that are remembered: the latest. */
const perReaderMax = 2;

export class ContentIndex {
  /** By epoch and hash. */
  readonly #byHash = new Map<number, Map<number, Shown[]>>();
  /** By identity, oldest first. */
  readonly #byIdentity = new Map<string, { readonly shown: Shown[]; hashes: number }>();
  readonly #bounds: Bounds;
  #hashes = 0;
  /** Hashes given up for want of room: what they would have tied is not found any more. */
  forgotten = 0;

  constructor(bounds: Bounds = limits) {
    this.#bounds = bounds;
  }

  get isEmpty(): boolean {
    return this.#hashes === 0;
  }

  /** Epochs under which something is kept. */
  get epochs(): readonly number[] {
    return [...this.#byHash.keys()];
  }

  /** Readings that showed the value, oldest first. */
  find(epoch: number, hash: number): readonly Shown[] {
    return this.#byHash.get(epoch)?.get(hash) ?? [];
  }

  fold(entry: Entry): void {
    if (entry.type === "clock.ticked") this.#expire(entry.atMs);
    if (entry.type !== "content.shown") return;
    const { subject, data, id: event, atMs } = entry;
    const { command = "", identity = "", account = "" } = subject;
    const { epoch, tags, hashes } = data;
    this.#add({ event, command, identity, account, epoch, tags, atMs, hashes: unpackHashes(hashes) });
  }

  kept(): KeptContent {
    const all = [...this.#byIdentity.values()].flatMap(({ shown }) => shown);
    return all.sort((a, b) => a.atMs - b.atMs).map((one) => ({ ...one, hashes: packHashes(one.hashes) }));
  }

  /** Into an empty one. */
  restore(kept: KeptContent): void {
    for (const one of kept) this.#add({ ...one, hashes: unpackHashes(one.hashes) });
  }

  #add(shown: Shown): void {
    const hashes = this.#byHash.get(shown.epoch) ?? new Map<number, Shown[]>();
    this.#byHash.set(shown.epoch, hashes);
    for (const hash of shown.hashes) {
      const before = hashes.get(hash);
      if (before === undefined) hashes.set(hash, [shown]);
      else hashes.set(hash, [...withoutOldest(before, shown), shown]);
    }
    const own = this.#byIdentity.get(shown.identity) ?? { shown: [], hashes: 0 };
    this.#byIdentity.set(shown.identity, own);
    own.shown.push(shown);
    own.hashes += shown.hashes.length;
    this.#hashes += shown.hashes.length;
    while (this.#hashes > this.#bounds.contentKeptMax) this.#evict();
  }

  #evict(): void {
    let most: { readonly shown: Shown[]; hashes: number } | null = null;
    for (const own of this.#byIdentity.values()) if (most === null || own.hashes > most.hashes) most = own;
    const oldest = most?.shown[0];
    if (oldest === undefined) return;
    this.forgotten += oldest.hashes.length;
    this.#drop(oldest);
  }

  #expire(nowMs: number): void {
    const beforeMs = nowMs - this.#bounds.contentKeptMs;
    for (const { shown } of [...this.#byIdentity.values()])
      for (let oldest = shown[0]; oldest !== undefined && oldest.atMs < beforeMs; oldest = shown[0]) this.#drop(oldest);
  }

  /** The oldest of its identity. */
  #drop(shown: Shown): void {
    const hashes = this.#byHash.get(shown.epoch);
    for (const hash of shown.hashes) {
      const left = hashes?.get(hash)?.filter((one) => one !== shown) ?? [];
      if (left.length > 0) hashes?.set(hash, left);
      else hashes?.delete(hash);
    }
    if (hashes?.size === 0) this.#byHash.delete(shown.epoch);
    const own = this.#byIdentity.get(shown.identity);
    if (own === undefined) return;
    own.shown.shift();
    own.hashes -= shown.hashes.length;
    this.#hashes -= shown.hashes.length;
    if (own.shown.length === 0) this.#byIdentity.delete(shown.identity);
  }
}

function withoutOldest(before: readonly Shown[], next: Shown): readonly Shown[] {
  const isSame = (one: Shown) => one.identity === next.identity && one.account === next.account;
  const own = before.filter(isSame);
  const oldest = own.length >= perReaderMax ? own[0] : undefined;
  return oldest === undefined ? before : before.filter((one) => one !== oldest);
}
