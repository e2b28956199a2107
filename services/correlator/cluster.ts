/**
 * Who is the same actor. Strong evidence (`act` chains, strong links) merges identities; weak evidence only ties a pair.
 * Evaluated at the completing event's position: clusters only ever are what the log has said so far.
 */
export interface Clusters {
  merge(identities: readonly string[]): void;
  tie(identities: readonly string[]): void;
  /** The cluster's name: its smallest identity. */
  rootOf(identity: string): string;
  /** Everybody in the identity's cluster, itself included, sorted. */
  membersOf(identity: string): readonly string[];
  /** Whether weak evidence ties the two. */
  tied(one: string, other: string): boolean;
  /** Identities that weak evidence ties to this one. */
  tiedTo(identity: string): readonly string[];
  facts(): string[];
}

export function createClusters(): Clusters {
  const clusters = new Map<string, readonly string[]>();
  const ties = new Map<string, Set<string>>();
  const membersOf = (identity: string) => clusters.get(identity) ?? [identity];
  return {
    membersOf,
    rootOf: (identity) => membersOf(identity)[0] ?? identity,
    merge(identities) {
      if (new Set(identities.map((identity) => membersOf(identity)[0])).size <= 1) return;
      const merged = [...new Set(identities.flatMap(membersOf))].sort();
      for (const identity of merged) clusters.set(identity, merged);
    },
    tie(identities) {
      for (const one of identities)
        for (const other of identities) if (one !== other) ties.set(one, (ties.get(one) ?? new Set()).add(other));
    },
    tied: (one, other) => ties.get(one)?.has(other) === true,
    tiedTo: (identity) => [...(ties.get(identity) ?? [])],
    facts: () => {
      const tied = [...ties].map(([one, others]) => `${one} ~ ${[...others].sort().join(" ")}`);
      return [...new Set([...clusters.values()].map((members) => members.join(" "))), ...tied].sort();
    },
  };
}

/** Which task belongs to which; as the gateway and the api signed it. */
export interface Tasks {
  learn(task: string, parent: string | undefined): void;
  /** Equal, or one is the other's ancestor. */
  related(one: string, other: string): boolean;
  /** The task, its ancestors and all that belong to it. */
  relatives(task: string): readonly string[];
  facts(): string[];
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
  };
}
