/**
 * Links between identities as the log tells them: said by a person (`identity.linked`), from the `act` chain of a token
 * (grant.issued, session.opened), or from a client certificate that others showed before (session.opened). Each has the event
 * that says it, so that a person can reject exactly that one; of a certificate any opening that it rests on may be named. The
 * correlator folds the same records; here is what people are shown of them.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { HeldKeys, type ShownKey, shownKey } from "../../infra/policy/held-keys.ts";
import type { LinkInfo } from "../../schemas/link-shapes.ts";

export interface Linked {
  /** Id of the event that says it. */
  readonly event: string;
  readonly from: LinkInfo["from"];
  identities: readonly string[];
  strength: "strong" | "weak";
  readonly by: string | null;
  readonly reason: string;
  readonly atMs: number;
  /** What the identities showed; absent where no key ties them. */
  readonly key?: string;
  /** Events by which they showed it. */
  readonly openings?: readonly string[];
  rejected: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
}

/** The oldest go first: they are read again from the log, not from here. */
const linksKept = 20_000;

export class Links {
  readonly #links = new Map<string, Linked>();
  /** Act chains known already: every session repeats its own. */
  readonly #acts = new Set<string>();
  readonly #keys = new HeldKeys();

  fold(entry: Entry): void {
    if (entry.type === "grant.issued" || entry.type === "session.opened") this.#act(entry);
    if (entry.type === "session.opened") this.#show(entry);
    else if (entry.type === "identity.linked") this.#say(entry);
    else if (entry.type === "identity.unlinked") this.#reject(entry);
  }

  get(event: string): Linked | null {
    return this.#links.get(event) ?? this.#byOpening(event);
  }

  /** Where it is one of several openings that a link rests on: one that still does, or one that did. */
  #byOpening(event: string): Linked | null {
    const links = [...this.#links.values()].filter(({ openings }) => openings?.includes(event));
    const holds = ({ key = "", rejected }: Linked) =>
      rejected === null && [...this.#keys.holdersOf(key).values()].some((holder) => holder.event === event);
    return links.find(holds) ?? links[0] ?? null;
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

  #show(entry: Extract<Entry, { type: "session.opened" }>): void {
    const shown = shownKey(entry);
    if (shown === null || !this.#keys.meet(shown)) return;
    const holders = this.#keys.holdersOf(shown.key);
    if (holders.size < 2) return;
    // The same opening may say that one acts for another.
    const act = this.#links.get(entry.id);
    const identities = [...new Set([...holders.keys(), ...(act?.identities ?? [])])].sort();
    const openings = [...holders.values()].map(({ event }) => event);
    const strength = this.#strengthOf(shown);
    for (const link of this.#links.values()) if (link.key === shown.key) link.strength = strength;
    const { certificate } = entry.data;
    const same = `the same client certificate (${certificate?.subject ?? ""}, key ${certificate?.key.slice(0, 16) ?? ""})`;
    const reason = act === undefined ? same : `${act.reason}; ${same}`;
    const about = { identities, strength, by: null, reason, atMs: entry.atMs, key: shown.key, openings };
    this.#keep({ event: entry.id, from: "certificate", ...about, rejected: null });
  }

  #strengthOf({ key }: Pick<ShownKey, "key">): Linked["strength"] {
    return this.#keys.isCommon(key) ? "weak" : "strong";
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
    const rejected = { by: data.by, reason: data.reason, atMs };
    for (const link of this.#links.values())
      if (link.rejected === null && meant(link)) {
        link.rejected = rejected;
        // Who acts for the other again says so anew.
        if (link.from === "act") this.#acts.delete(link.identities.join("\n"));
      }
    for (const key of this.#keys.reject(data.identities, data.links)) this.#shrink(key, rejected);
  }

  /** Some hold it no more: a link that it makes is of those who are left, or of nobody. */
  #shrink(key: string, rejected: NonNullable<Linked["rejected"]>): void {
    const holders = this.#keys.holdersOf(key);
    for (const link of this.#links.values()) {
      if (link.key !== key || link.rejected !== null) continue;
      const left = link.identities.filter((identity) => holders.has(identity));
      if (left.length < 2) link.rejected = rejected;
      else link.identities = left;
      link.strength = this.#strengthOf({ key });
    }
  }

  #keep(link: Linked): void {
    const [oldest] = this.#links.keys();
    if (this.#links.size >= linksKept && oldest !== undefined) this.#links.delete(oldest);
    this.#links.set(link.event, link);
  }
}
