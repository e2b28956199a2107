/**
 * Who is the same actor. Strong evidence (`act` chains, strong links, one private key) merges identities; weak evidence (said
 * so, or a key that many hold) only ties a pair. Kept are the links with their evidence (event ids), so that a person can reject one: then what it alone held together falls
 * apart. Evaluated at the completing event's position: clusters only ever are what the log has said so far.
 */
import { HeldKeys, type KeptKeys, type ShownKey } from "../../infra/policy/held-keys.ts";
import { Addresses, type KeptAddresses } from "./addresses.ts";

export interface Clusters {
  /** @param event whose word it is; @param act one acts for the others, as every session of theirs says again */
  merge(identities: readonly string[], event: string, act?: boolean): void;
  tie(identities: readonly string[], event: string): void;
  /** Somebody has shown that they hold a private key. */
  hold(shown: ShownKey): void;
  /**
   * Rejects evidence: that of these events, or all that there is between these identities when none are named. Who rejects one
   * event of an `act` chain means all that have said it so far.
   * @returns whether anything was known by it
   */
  split(identities: readonly string[], events: readonly string[]): boolean;
  /** The cluster's name: its smallest identity. */
  rootOf(identity: string): string;
  /** Everybody in the identity's cluster, itself included, sorted. */
  membersOf(identity: string): readonly string[];
  /** Whether weak evidence ties the two. */
  tied(one: string, other: string): boolean;
  /** Identities that weak evidence ties to this one, sorted. */
  tiedTo(identity: string): readonly string[];
  /** Events by which the two are one actor or tied, one per link on the shortest way, two for a key; [] when nothing connects them. */
  evidence(one: string, other: string): readonly string[];
  /** Where they come from. */
  readonly addresses: Addresses;
  facts(): string[];
  kept(): KeptClusters;
  restore(kept: KeptClusters): void;
}

/** One word of evidence about these identities, said by the events. */
interface Link {
  readonly identities: readonly string[];
  readonly strong: boolean;
  readonly act: boolean;
  /** Enough of those that said it to show; `said` counts all. */
  readonly events: string[];
  said: number;
}

/** How an identity was reached: from whom, and the events that say so. */
interface Way {
  readonly from: string;
  readonly events: readonly string[];
}

export interface KeptClusters {
  readonly links: readonly Link[];
  readonly keys: KeptKeys;
  readonly addresses: KeptAddresses;
}

/** Evidence kept by name of one link. What said the same beyond that is rejected with the link as a whole. */
const eventsKept = 16;

function keyOf({ strong, act, identities }: Pick<Link, "strong" | "act" | "identities">): string {
  return JSON.stringify([strong, act, identities]);
}

export function createClusters(): Clusters {
  return new Links();
}

class Links implements Clusters {
  readonly addresses = new Addresses();
  readonly #keys = new HeldKeys();
  readonly #links = new Map<string, Link>();
  readonly #byIdentity = new Map<string, Set<Link>>();
  /** Identity → its cluster: one shared list, sorted. Absent = alone. */
  readonly #clusters = new Map<string, readonly string[]>();

  merge(identities: readonly string[], event: string, act = false): void {
    const link = this.#learn(identities, event, true, act);
    if (link !== null) this.#unite(link.identities);
  }

  #unite(identities: readonly string[]): void {
    if (new Set(identities.map((one) => this.rootOf(one))).size < 2) return;
    const merged = [...new Set(identities.flatMap((one) => this.membersOf(one)))].sort();
    for (const identity of merged) this.#clusters.set(identity, merged);
  }

  hold(shown: ShownKey): void {
    const { key } = shown;
    const wasCommon = this.#keys.isCommon(key);
    if (!this.#keys.meet(shown)) return;
    const holders = [...this.#keys.holdersOf(key).keys()];
    if (!this.#keys.isCommon(key)) this.#unite(holders);
    else if (!wasCommon) this.#fallApart(holders);
  }

  tie(identities: readonly string[], event: string): void {
    this.#learn(identities, event, false, false);
  }

  #learn(identities: readonly string[], event: string, strong: boolean, act: boolean): Link | null {
    const sorted = [...new Set(identities)].sort();
    if (sorted.length < 2) return null;
    const key = keyOf({ strong, act, identities: sorted });
    let link = this.#links.get(key);
    if (link === undefined) {
      link = { identities: sorted, strong, act, events: [], said: 0 };
      this.#links.set(key, link);
      for (const identity of sorted) {
        const links = this.#byIdentity.get(identity) ?? new Set();
        this.#byIdentity.set(identity, links.add(link));
      }
    }
    link.said += 1;
    if (link.events.length < eventsKept) link.events.push(event);
    return link;
  }

  split(identities: readonly string[], events: readonly string[]): boolean {
    const about = new Set(identities);
    const near = new Set([...about].flatMap((identity) => [...(this.#byIdentity.get(identity) ?? [])]));
    const gone: Link[] = [];
    let known = false;
    for (const link of near) {
      if (events.length === 0 && link.identities.every((one) => about.has(one))) gone.push(link);
      else if (events.length > 0) known = this.#reject(link, events, gone) || known;
    }
    for (const link of gone) this.#forget(link);
    const keys = this.#keys.reject(identities, events);
    this.#fallApart([
      ...gone.flatMap((link) => (link.strong ? link.identities : [])),
      ...(keys.length > 0 ? about : []),
    ]);
    // With fewer holders a key may not be common any more.
    for (const key of keys) if (!this.#keys.isCommon(key)) this.#unite([...this.#keys.holdersOf(key).keys()]);
    return known || gone.length > 0 || keys.length > 0;
  }

  #reject(link: Link, events: readonly string[], gone: Link[]): boolean {
    const kept = link.events.filter((event) => !events.includes(event));
    const rejected = link.events.length - kept.length;
    if (rejected === 0) return false;
    if (link.act) {
      gone.push(link);
      return true;
    }
    link.events.splice(0, link.events.length, ...kept);
    link.said -= rejected;
    if (link.said === 0) gone.push(link);
    return true;
  }

  #forget(link: Link): void {
    this.#links.delete(keyOf(link));
    for (const identity of link.identities) {
      const links = this.#byIdentity.get(identity);
      links?.delete(link);
      if (links?.size === 0) this.#byIdentity.delete(identity);
    }
  }

  /** Only those who were together with these are looked at again. */
  #fallApart(identities: readonly string[]): void {
    for (const cluster of new Set(identities.map((one) => this.#clusters.get(one)))) {
      for (const identity of cluster ?? []) this.#clusters.delete(identity);
      for (const identity of cluster ?? []) {
        if (this.#clusters.has(identity)) continue;
        const together = [...this.#from(identity).keys()].sort();
        if (together.length > 1) for (const one of together) this.#clusters.set(one, together);
      }
    }
  }

  /** Everybody whom strong links reach from here, and how. */
  #from(start: string, goal?: string): Map<string, Way | null> {
    const reached = new Map<string, Way | null>([[start, null]]);
    for (const from of reached.keys()) {
      if (from === goal) return reached;
      for (const { identities, strong, events } of this.#byIdentity.get(from) ?? [])
        for (const one of strong ? identities : [])
          if (!reached.has(one)) reached.set(one, { from, events: events.slice(0, 1) });
      for (const key of this.#keys.sharedBy(from))
        for (const one of this.#keys.isCommon(key) ? [] : this.#keys.holdersOf(key).keys())
          if (!reached.has(one)) reached.set(one, { from, events: this.#openings(key, from, one) });
    }
    return reached;
  }

  /** By which both showed that they hold it. */
  #openings(key: string, ...identities: readonly string[]): readonly string[] {
    const holders = this.#keys.holdersOf(key);
    return identities.flatMap((identity) => holders.get(identity)?.event ?? []);
  }

  evidence(one: string, other: string): readonly string[] {
    if (one === other) return [];
    if (this.rootOf(one) !== this.rootOf(other)) return this.#weakly(one, other);
    const reached = this.#from(one, other);
    const way: string[] = [];
    for (let step = reached.get(other); step; step = reached.get(step.from)) way.unshift(...step.events);
    return way;
  }

  #weakly(one: string, other: string): readonly string[] {
    const said = this.#ties(one).flatMap(({ identities, events }) =>
      identities.includes(other) ? events.slice(0, 1) : [],
    );
    const shared = this.#keys.commonTo(one).filter((key) => this.#keys.holdersOf(key).has(other));
    return [...said, ...shared.flatMap((key) => this.#openings(key, one, other))];
  }

  rootOf(identity: string): string {
    return this.#clusters.get(identity)?.[0] ?? identity;
  }

  membersOf(identity: string): readonly string[] {
    return this.#clusters.get(identity) ?? [identity];
  }

  #ties(identity: string): Link[] {
    return [...(this.#byIdentity.get(identity) ?? [])].filter(({ strong }) => !strong);
  }

  tied(one: string, other: string): boolean {
    if (one === other) return false;
    return (
      this.#ties(one).some(({ identities }) => identities.includes(other)) ||
      this.#keys.commonTo(one).some((key) => this.#keys.holdersOf(key).has(other))
    );
  }

  tiedTo(identity: string): readonly string[] {
    const others = this.#ties(identity).flatMap(({ identities }) => identities);
    for (const key of this.#keys.commonTo(identity)) others.push(...this.#keys.holdersOf(key).keys());
    return [...new Set(others)].filter((one) => one !== identity).sort();
  }

  facts(): string[] {
    const links = [...this.#links].map(([key, { events, said }]) => `${key} ${said} ${events.join(" ")}`).sort();
    return [...links, ...this.#keys.facts(), ...this.addresses.facts()];
  }

  kept(): KeptClusters {
    return { links: [...this.#links.values()], keys: this.#keys.kept(), addresses: this.addresses.kept() };
  }

  restore({ links, keys, addresses }: KeptClusters): void {
    this.addresses.restore(addresses);
    this.#keys.restore(keys);
    for (const [key, holders] of keys.keys)
      if (!this.#keys.isCommon(key)) this.#unite(holders.map(([identity]) => identity));
    for (const one of links) {
      for (const event of one.events)
        if (one.strong) this.merge(one.identities, event, one.act);
        else this.tie(one.identities, event);
      const link = this.#links.get(keyOf(one));
      if (link !== undefined) link.said = one.said;
    }
  }
}

/** Which task belongs to which; as the gateway and the api signed it. */
export interface Tasks {
  learn(task: string, parent: string | undefined): void;
  /** Equal, or one is the other's ancestor. */
  related(one: string, other: string): boolean;
  /** The task, its ancestors and all that belong to it. */
  relatives(task: string): readonly string[];
  facts(): string[];
  /** Task and parent, in the order in which they were learned. */
  kept(): readonly (readonly [string, string])[];
}

/** Longer chains of tasks are not followed. */
const ancestorsMax = 64;

export function createTasks(): Tasks {
  const parents = new Map<string, string>();
  const children = new Map<string, string[]>();
  const below = (task: string, depth: number): string[] =>
    depth >= ancestorsMax ? [] : (children.get(task) ?? []).flatMap((child) => [child, ...below(child, depth + 1)]);
  const under = (task: string, ancestor: string): boolean => {
    let now: string | undefined = task;
    for (let depth = 0; now !== undefined && depth < ancestorsMax; depth += 1) {
      if (now === ancestor) return true;
      now = parents.get(now);
    }
    return false;
  };
  return {
    learn(task, parent) {
      // The first word stands: a later session cannot hang a task under another one.
      if (parent === undefined || parents.has(task) || under(parent, task)) return;
      parents.set(task, parent);
      children.set(parent, [...(children.get(parent) ?? []), task]);
    },
    related: (one, other) => under(one, other) || under(other, one),
    relatives(task) {
      const found = [task, ...below(task, 0)];
      let now = parents.get(task);
      for (let depth = 0; now !== undefined && depth < ancestorsMax; depth += 1) {
        found.push(now);
        now = parents.get(now);
      }
      return [...new Set(found)];
    },
    facts: () => [...parents].map(([task, parent]) => `${task} ${parent}`).sort(),
    kept: () => [...parents],
  };
}
