/**
 * Names of identities, and who is the same human: folded from log-ins, grants, sessions and strong identity links.
 * It is no directory: of somebody who never came here it knows nothing.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { Person } from "../../schemas/api.ts";

export class People {
  readonly #names = new Map<string, string>();
  /** Identity → all that are the same human, itself included. One shared Set per human. */
  readonly #same = new Map<string, Set<string>>();

  fold(entry: Entry): void {
    if (entry.type === "identity.logged_in" || entry.type === "grant.issued" || entry.type === "session.opened")
      this.#names.set(entry.data.identity.key, entry.data.identity.name);
    else if (entry.type === "identity.linked" && entry.data.strength === "strong") this.#link(entry.data.identities);
  }

  named(identity: string): Person {
    return { identity, name: this.#names.get(identity) ?? identity.slice(identity.indexOf("|") + 1) };
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

  #link(identities: readonly string[]): void {
    const merged = new Set(this.linkedTo(identities));
    for (const identity of merged) this.#same.set(identity, merged);
  }
}
