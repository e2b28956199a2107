/**
 * What a text's own statements have moved before its rows leave: `INSERT INTO plain SELECT email FROM customers
 * RETURNING email` shows customers#email under another name, before any tag could have travelled. So everything that
 * is shown or revealed stands also for what flowed into it within the same text.
 */
import type { Effect, ResourceUri } from "../../../schemas/command.ts";

/** @returns for a resource: what flowed into it, without itself */
export type Carried = (uri: ResourceUri) => readonly ResourceUri[];

export function carriedBy(effects: readonly Effect[]): Carried {
  const flows = effects.flatMap(flowsOf);
  const known = new Map<ResourceUri, readonly ResourceUri[]>();
  return (uri) => {
    let origins = known.get(uri);
    if (origins === undefined) {
      origins = flows.length === 0 ? [] : collect(uri, flows);
      known.set(uri, origins);
    }
    return origins;
  };
}

type Flow = readonly [ResourceUri, ResourceUri];

function flowsOf(effect: Effect): readonly Flow[] {
  if (effect.operation !== "write" && effect.operation !== "transform") return effect.renames ?? [];
  if (effect.flows) return effect.flows;
  return effect.reads.flatMap((from) => effect.writes.map((into): Flow => [from, into]));
}

function collect(uri: ResourceUri, flows: readonly Flow[]): readonly ResourceUri[] {
  const found = new Set<ResourceUri>([uri]);
  for (const one of found) {
    for (const [from, into] of flows) if (overlap(one, into)) found.add(from);
  }
  found.delete(uri);
  return [...found];
}

/** Equal, or one contains the other; `#`, `.` and `/` occur in URIs as separators only. */
function overlap(one: string, other: string): boolean {
  if (one === other) return true;
  const [outer, inner] = one.length < other.length ? [one, other] : [other, one];
  return inner.startsWith(outer) && "#./".includes(inner[outer.length] ?? " ");
}
