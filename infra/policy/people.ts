/**
 * Who is known, and who is the same human: folded from log-ins, grants, sessions (and the keys they showed) and strong identity links. Needed to keep
 * a requester's second identity from approving, to count one human once, to see at once that nobody is left to ask, and
 * to say a name. The gate and the api fold the same: an answer that one takes the other takes.
 *
 * It is no directory: of somebody who never came here it knows nothing.
 */
import type { Person } from "../../schemas/api.ts";
import type { Identity } from "../../schemas/identity.ts";
import type { Entry } from "../log/entry.ts";
import { HeldKeys, type KeptKeys, shownKey } from "./held-keys.ts";
import type { Approver } from "./quorum.ts";

export interface KeptPeople {
  readonly known: readonly Identity[];
  readonly humans: readonly (readonly string[])[];
  readonly keys: KeptKeys;
}

export class People {
  readonly #known = new Map<string, Identity>();
  /** Identity → all that are the same human, itself included. One shared Set per human. */
  readonly #same = new Map<string, Set<string>>();
  readonly #keys = new HeldKeys();

  fold(entry: Entry): void {
    if (entry.type === "identity.logged_in" || entry.type === "grant.issued")
      this.#known.set(entry.data.identity.key, entry.data.identity);
    else if (entry.type === "session.opened") this.#meet(entry);
    else if (entry.type === "identity.linked" && entry.data.strength === "strong") this.#link(entry.data.identities);
    // What was one human stays one for answers; only who comes later is not tied by what was rejected.
    else if (entry.type === "identity.unlinked") this.#keys.reject(entry.data.identities, entry.data.links);
  }

  /** For a snapshot. */
  kept(): KeptPeople {
    const humans = [...new Set(this.#same.values())].map((same) => [...same]);
    return { known: [...this.#known.values()], humans, keys: this.#keys.kept() };
  }

  /** Into an empty one. */
  restore({ known, humans, keys }: KeptPeople): void {
    this.#keys.restore(keys);
    for (const identity of known) this.#known.set(identity.key, identity);
    for (const same of humans) this.#link(same);
  }

  named(identity: string): Person {
    return { identity, name: this.#known.get(identity)?.name ?? identity.slice(identity.indexOf("|") + 1) };
  }

  /** @returns these identities and everybody strongly linked to them, sorted */
  linkedTo(identities: Iterable<string>): readonly string[] {
    const all = new Set<string>();
    for (const identity of identities) for (const same of this.#same.get(identity) ?? [identity]) all.add(same);
    return [...all].sort();
  }

  /** @returns one name for all identities of the same human */
  humanOf(identity: string): string {
    return this.linkedTo([identity])[0] ?? identity;
  }

  /** Everybody who was seen with one of these groups. */
  inGroups(groups: readonly string[]): readonly (Approver & { readonly identity: string })[] {
    return [...this.#known.values()]
      .filter((one) => one.groups.some((group) => groups.includes(group)))
      .map((one) => ({ identity: one.key, human: this.humanOf(one.key), kind: one.kind, groups: one.groups }));
  }

  /** A session carries its Grant's identity, which may be older than the last log-in. */
  #meet(entry: Extract<Entry, { type: "session.opened" }>): void {
    const { identity } = entry.data;
    if (!this.#known.has(identity.key)) this.#known.set(identity.key, identity);
    const shown = shownKey(entry);
    if (shown !== null && this.#keys.meet(shown) && !this.#keys.isCommon(shown.key))
      this.#link([...this.#keys.holdersOf(shown.key).keys()]);
  }

  #link(identities: readonly string[]): void {
    if (identities.length < 2) return;
    const merged = new Set(this.linkedTo(identities));
    for (const identity of merged) this.#same.set(identity, merged);
  }
}
