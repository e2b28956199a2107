/** Which identities are one actor and which tasks belong together, and from which position on it was known. */

/** Holds both ways round from `since` on. */
export interface Tie {
  readonly one: string;
  readonly other: string;
  readonly since: number;
}

const ancestorsMax = 64;

/** @param merges strong evidence, in order: identities that are one */
export function actorTies(merges: readonly { readonly at: number; readonly identities: readonly string[] }[]): Tie[] {
  const clusters = new Map<string, readonly string[]>();
  const ties: Tie[] = [];
  for (const { at, identities } of merges) {
    const groups = [...new Set(identities.map((identity) => clusters.get(identity) ?? [identity]))];
    const apart = new Map(groups.map((members) => [[...members].sort().join("\0"), members]));
    if (apart.size < 2) continue;
    const merged = [...new Set([...apart.values()].flat())];
    for (const mine of apart.values())
      for (const one of mine)
        for (const other of merged) if (!mine.includes(other)) ties.push({ one, other, since: at });
    for (const identity of merged) clusters.set(identity, merged);
  }
  return ties;
}

/** @param parents in order; the first word on a task stands, and none that would make a circle counts */
export function taskTies(
  parents: readonly { readonly at: number; readonly task: string; readonly parent: string }[],
): Tie[] {
  const known = new Map<string, string>();
  const above = (task: string): string[] => {
    const found: string[] = [];
    for (let now = known.get(task); now !== undefined && found.length < ancestorsMax; now = known.get(now))
      found.push(now);
    return found;
  };
  const ties: Tie[] = [];
  for (const { at, task, parent } of parents) {
    if (known.has(task) || parent === task || above(parent).includes(task)) continue;
    const below = [task, ...[...known.keys()].filter((other) => above(other).includes(task))];
    known.set(task, parent);
    for (const one of below)
      for (const other of [parent, ...above(parent)])
        ties.push({ one, other, since: at }, { one: other, other: one, since: at });
  }
  return ties;
}
