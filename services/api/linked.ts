/**
 * Links between identities as the log tells them: said by a person (`identity.linked`), or from the `act` chain of a token
 * (grant.issued, session.opened). Each has the event that says it, so that a person can reject exactly that one. The
 * correlator folds the same records; here is what people are shown of them.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { LinkInfo } from "../../schemas/link-shapes.ts";

export interface Linked {
  /** Id of the event that says it. */
  readonly event: string;
  readonly from: LinkInfo["from"];
  readonly identities: readonly string[];
  readonly strength: "strong" | "weak";
  readonly by: string | null;
  readonly reason: string;
  readonly atMs: number;
  rejected: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
}

/** The oldest go first: they are read again from the log, not from here. */
const linksKept = 20_000;

export class Links {
  readonly #links = new Map<string, Linked>();
  /** Act chains known already: every session repeats its own. */
  readonly #acts = new Set<string>();

  fold(entry: Entry): void {
    if (entry.type === "grant.issued" || entry.type === "session.opened") this.#act(entry);
    else if (entry.type === "identity.linked") this.#say(entry);
    else if (entry.type === "identity.unlinked") this.#reject(entry);
  }

  get(event: string): Linked | null {
    return this.#links.get(event) ?? null;
  }

  /** Newest first. @param identity only those about it; undefined = all */
  all(identity: string | undefined): readonly Linked[] {
    const all = [...this.#links.values()].reverse();
    return identity === undefined ? all : all.filter(({ identities }) => identities.includes(identity));
  }

  #act({ id, atMs, data }: Extract<Entry, { type: "grant.issued" | "session.opened" }>): void {
    const identities = [...new Set([data.identity.key, ...data.identity.onBehalfOf])].sort();
    const key = identities.join("\n");
    if (identities.length < 2 || this.#acts.has(key)) return;
    this.#acts.add(key);
    const about = { identities, strength: "strong" as const, by: null, reason: "one acts for the other", atMs };
    this.#keep({ event: id, from: "act", ...about, rejected: null });
  }

  #say({ id, atMs, data }: Extract<Entry, { type: "identity.linked" }>): void {
    const { identities, strength, by = null, reason = "" } = data;
    const about = { identities: [...identities].sort(), strength, by, reason, atMs };
    this.#keep({ event: id, from: "said", ...about, rejected: null });
  }

  #reject({ atMs, data }: Extract<Entry, { type: "identity.unlinked" }>): void {
    const about = new Set(data.identities);
    const meant = ({ event, identities }: Linked) =>
      data.links.length > 0 ? data.links.includes(event) : identities.every((one) => about.has(one));
    for (const link of this.#links.values())
      if (link.rejected === null && meant(link)) link.rejected = { by: data.by, reason: data.reason, atMs };
  }

  #keep(link: Linked): void {
    const [oldest] = this.#links.keys();
    if (this.#links.size >= linksKept && oldest !== undefined) this.#links.delete(oldest);
    this.#links.set(link.event, link);
  }
}
