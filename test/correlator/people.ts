/** Who is one person with whom in a random stream: links that are made and rejected, and keys that several show. */
import type { Dice } from "./dice.ts";

interface Link {
  /** Of the event that made it. */
  readonly id: string;
  readonly identities: readonly string[];
}

interface Showing {
  readonly key: string;
  readonly identity: string;
  /** Of the session's opening. */
  readonly id: string;
}

/** Puts the data of a `session.opened` into the log. @returns its id */
type Open = (data: object) => string;

export class People {
  #links: readonly Link[] = [];
  /** Of an identity and a key the first one that nobody has rejected. */
  #showings: readonly Showing[] = [];

  /** In some streams two and two come with one key; nothing is thrown for it, so that all others stay as they were. */
  arrive(rule: string, sessions: readonly { readonly identity: string }[], open: Open): void {
    if (rule.length % 3 === 0)
      for (const [turn, { identity }] of sessions.entries()) this.show(identity, turn >> 1, open);
  }

  /** With one of two keys. */
  show(who: string, turn: number, open: Open): void {
    const key = String(turn % 2).repeat(64);
    const identity = { key: who, kind: "person", name: "", groups: [], onBehalfOf: [] };
    const certificate = { key, subject: "", issuer: "", serial: "", notAfterMs: 0 };
    const about = { wire: "postgres", tls: true, task: { id: "", justification: "" }, keyId: "", application: "" };
    const id = open({ ...about, identity, certificate, expiresAtMs: 0 });
    if (!this.#showings.some((one) => one.identity === who && one.key === key))
      this.#showings = [...this.#showings, { key, identity: who, id }];
  }

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
    const said = this.#links.filter(() => dice(3) === 0).map(({ id }) => id);
    const links = [...said, ...this.#showings.map(({ id }) => id).filter((id) => Number(id.slice(1)) % 3 === 0)];
    this.#links = this.#links.filter((link) =>
      links.length > 0
        ? !links.includes(link.id) || !link.identities.some((one) => identities.includes(one))
        : !link.identities.every((one) => identities.includes(one)),
    );
    const holders = ({ key }: Showing) => this.#showings.filter((one) => one.key === key);
    this.#showings = this.#showings.filter((one) =>
      links.length > 0
        ? !links.includes(one.id) || !identities.includes(one.identity)
        : holders(one).length < 2 || !holders(one).every(({ identity }) => identities.includes(identity)),
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
      for (const one of this.#showings)
        if (this.#showings.some(({ key, identity }) => key === one.key && reached.has(identity)))
          reached.add(one.identity);
    }
    return [...reached].sort()[0] ?? identity;
  }
}
