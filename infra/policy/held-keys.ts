/**
 * Who has shown that they hold which private key: of a client certificate today, of an SSH login later (then one more line in
 * `shownKey`). Whoever holds the same one is one actor; a key that more than a few actors hold is shared by design or by
 * mistake, and ties weakly. Correlator, gate and api fold the same.
 *
 * Each holder's first opening is the evidence; a person who rejects it takes him out, and only a later opening brings him
 * back. Bounded: a key that ties nobody goes when its holder has shown many others since, or when there are too many in all,
 * the one that was shown longest ago first. One that ties somebody stays: nobody gets rid of a tie by showing more keys.
 */
import { limits } from "../../schemas/limits.ts";
import type { Entry } from "../log/entry.ts";

export interface ShownKey {
  /** Its kind and its digest. */
  readonly key: string;
  readonly identity: string;
  /** For whom in the end: a person's agents are not many actors. */
  readonly principal: string;
  /** The event that says it. */
  readonly event: string;
}

type Holder = Pick<ShownKey, "principal" | "event">;

export interface KeptKeys {
  /** Those that tie somebody, then the others in their order. */
  readonly keys: readonly (readonly [key: string, holders: readonly (readonly [identity: string, holder: Holder])[]])[];
}

type Bounds = Pick<typeof limits, "keyActorsMax" | "keyIdentitiesKeptMax" | "keysPerIdentityMax" | "keysKeptMax">;

const nobody: ReadonlyMap<string, Holder> = new Map();
const none: ReadonlySet<string> = new Set();

/** @returns what this record says of a key; null when it says nothing */
export function shownKey(entry: Entry): ShownKey | null {
  if (entry.type !== "session.opened" || entry.data.certificate === undefined) return null;
  const { certificate, identity } = entry.data;
  const principal = identity.onBehalfOf.at(-1) ?? identity.key;
  return { key: `certificate ${certificate.key}`, identity: identity.key, principal, event: entry.id };
}

export class HeldKeys {
  readonly #bounds: Readonly<Record<keyof Bounds, number>>;
  /** Key → who holds it, the first one first. */
  readonly #holders = new Map<string, Map<string, Holder>>();
  readonly #keysOf = new Map<string, Set<string>>();
  /** Keys with one holder, the one that was shown longest ago first. */
  readonly #alone = new Set<string>();
  readonly #common = new Set<string>();

  constructor(bounds: Readonly<Record<keyof Bounds, number>> = limits) {
    this.#bounds = bounds;
  }

  /** @returns whether the key has a holder more */
  meet({ key, identity, principal, event }: ShownKey): boolean {
    const holders = this.#holders.get(key);
    if (holders?.has(identity)) {
      if (this.#alone.delete(key)) this.#alone.add(key);
      return false;
    }
    if (holders !== undefined && holders.size >= this.#bounds.keyIdentitiesKeptMax) return false;
    this.#put(key, identity, { principal, event });
    this.#makeRoom(identity);
    return true;
  }

  /** Identities that hold it, each with its evidence. */
  holdersOf(key: string): ReadonlyMap<string, Holder> {
    return this.#holders.get(key) ?? nobody;
  }

  /** Keys that the identity and others hold, sorted. */
  sharedBy(identity: string): readonly string[] {
    return [...(this.#keysOf.get(identity) ?? none)].filter((key) => !this.#alone.has(key)).sort();
  }

  /** Whether too many actors hold it to be one. */
  isCommon(key: string): boolean {
    return this.#common.has(key);
  }

  /** Keys of the identity that many others hold: they tie weakly. Sorted. */
  commonTo(identity: string): readonly string[] {
    return this.#common.size === 0 ? [] : this.sharedBy(identity).filter((key) => this.#common.has(key));
  }

  /**
   * Takes out holders by these events; with none named, all of each key that only these identities hold.
   * @returns keys that lost a holder
   */
  reject(identities: readonly string[], events: readonly string[]): readonly string[] {
    const about = new Set(identities);
    const changed = new Set<string>();
    for (const identity of about)
      for (const key of [...(this.#keysOf.get(identity) ?? none)]) {
        const holders = this.holdersOf(key);
        const all = events.length === 0 && holders.size > 1 && [...holders.keys()].every((one) => about.has(one));
        for (const [one, { event }] of [...holders])
          if (all || (one === identity && events.includes(event))) {
            this.#remove(key, one);
            changed.add(key);
          }
      }
    return [...changed].sort();
  }

  kept(): KeptKeys {
    const shared = [...this.#holders.keys()].filter((key) => !this.#alone.has(key));
    return { keys: [...shared, ...this.#alone].map((key) => [key, [...this.holdersOf(key)]] as const) };
  }

  /** Into an empty one. */
  restore({ keys }: KeptKeys): void {
    for (const [key, holders] of keys) for (const [identity, holder] of holders) this.#put(key, identity, holder);
  }

  facts(): string[] {
    const words = (key: string): string =>
      `${key} held by ${[...this.holdersOf(key)].map(([identity, { event }]) => `${identity} ${event}`).join(" ")}`;
    const shared = [...this.#holders.keys()].filter((key) => !this.#alone.has(key)).sort();
    return [...shared, ...this.#alone].map(words);
  }

  #put(key: string, identity: string, holder: Holder): void {
    const holders = this.#holders.get(key) ?? new Map<string, Holder>();
    this.#holders.set(key, holders.set(identity, holder));
    this.#keysOf.set(identity, (this.#keysOf.get(identity) ?? new Set<string>()).add(key));
    this.#count(key, holders);
  }

  #remove(key: string, identity: string): void {
    const holders = this.#holders.get(key);
    const keys = this.#keysOf.get(identity);
    holders?.delete(identity);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysOf.delete(identity);
    if (holders?.size === 0) this.#holders.delete(key);
    this.#count(key, holders ?? nobody);
  }

  #count(key: string, holders: ReadonlyMap<string, Holder>): void {
    if (holders.size === 1) this.#alone.add(key);
    else this.#alone.delete(key);
    const actors = new Set([...holders.values()].map(({ principal }) => principal));
    if (actors.size > this.#bounds.keyActorsMax) this.#common.add(key);
    else this.#common.delete(key);
  }

  #makeRoom(identity: string): void {
    const own = this.#keysOf.get(identity) ?? none;
    let alone = 0;
    for (const key of own) if (this.#alone.has(key)) alone += 1;
    if (alone > this.#bounds.keysPerIdentityMax) this.#forget((key) => own.has(key));
    if (this.#holders.size > this.#bounds.keysKeptMax) this.#forget(() => true);
  }

  /** Of those that tie nobody the one that was shown longest ago. */
  #forget(isMeant: (key: string) => boolean): void {
    for (const key of this.#alone) {
      if (!isMeant(key)) continue;
      for (const identity of [...this.holdersOf(key).keys()]) this.#remove(key, identity);
      return;
    }
  }
}
