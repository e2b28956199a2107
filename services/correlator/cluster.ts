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
  facts(): string[];
}

export function createClusters(): Clusters {
  const clusters = new Map<string, readonly string[]>();
  const pairs = new Set<string>();
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
      for (const one of identities) for (const other of identities) if (one < other) pairs.add(`${one}\n${other}`);
    },
    tied: (one, other) => pairs.has(one < other ? `${one}\n${other}` : `${other}\n${one}`),
    facts: () => [...new Set([...clusters.values()].map((members) => members.join(" "))), ...pairs].sort(),
  };
}

/** Which task belongs to which; as the gateway and the api signed it. */
export interface Tasks {
  learn(task: string, parent: string | undefined): void;
  /** Equal, or one is the other's ancestor. */
  related(one: string, other: string): boolean;
  facts(): string[];
}

/** Longer chains of tasks are not followed. */
const ancestorsMax = 64;

export function createTasks(): Tasks {
  const parents = new Map<string, string>();
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
      if (parent !== undefined && parent !== task && !parents.has(task)) parents.set(task, parent);
    },
    related: (one, other) => under(one, other) || under(other, one),
    facts: () => [...parents].map(([task, parent]) => `${task} ${parent}`).sort(),
  };
}
