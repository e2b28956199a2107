/** Who is one person with whom in a random stream: links that are made and rejected. */
import type { Dice } from "./dice.ts";

interface Link {
  /** Of the event that made it. */
  readonly id: string;
  readonly identities: readonly string[];
}

export class People {
  #links: readonly Link[] = [];

  /** @returns what an `identity.linked` says */
  link(dice: Dice) {
    const identities = [`i${dice(3)}`, `i${dice(3)}`].sort();
    return { identities, strength: "strong", evidence: [] };
  }

  linked(id: string, identities: readonly string[]): void {
    this.#links = [...this.#links, { id, identities }];
  }

  /** Rejects links: some that are named, or all between two. @returns what an `identity.unlinked` says */
  unlink(dice: Dice) {
    const identities = [`i${dice(3)}`, `i${dice(3)}`];
    const links = this.#links.filter(() => dice(3) === 0).map(({ id }) => id);
    this.#links = this.#links.filter((link) =>
      links.length > 0
        ? !links.includes(link.id) || !link.identities.some((one) => identities.includes(one))
        : !link.identities.every((one) => identities.includes(one)),
    );
    return { identities, links, by: "olga", reason: "dice" };
  }

  /** The smallest of all that links lead to. */
  clusterOf(identity: string): string {
    const reached = new Set([identity]);
    for (let before = 0; before < reached.size; ) {
      before = reached.size;
      for (const { identities } of this.#links)
        if (identities.some((one) => reached.has(one))) for (const one of identities) reached.add(one);
    }
    return [...reached].sort()[0] ?? identity;
  }
}
