/**
 * History that no question reaches any more, in short: of each place, from where something had come to it by then. Exact, as
 * long as nothing older can still be withdrawn or end; what was open then stays a flow besides.
 */
import { type Catalog, containersOf } from "../../infra/catalog.ts";
import type { Cut, Edges, Flow, Lane, Settled } from "./edges.ts";
import { type Arrival, arrivals } from "./walk.ts";

/** @returns by place: everything that had come to it by a position and is there still */
export function settle(edges: Edges, at: number, catalog: Catalog, originsMax: number): Map<string, Settled[]> {
  const found = new Map<string, Map<string, Settled>>();
  for (const place of new Set([...edges.lanes.keys(), ...edges.settled.keys()])) {
    const strong = arrivals(edges, place, at, true);
    put(
      found,
      strong.filter(({ coarse }) => !coarse),
      false,
    );
    // Too much rather than too little: nothing of that is strong.
    put(
      found,
      strong.filter(({ coarse }) => coarse),
      true,
    );
    if (!edges.isDark) continue;
    const keys = new Set(strong.map((one) => keyOf(one)));
    put(
      found,
      arrivals(edges, place, at, false).filter((one) => !keys.has(keyOf(one))),
      true,
    );
  }
  return new Map(
    [...found].map(([place, origins]) => [place, bounded([...origins.values()], catalog, originsMax)] as const),
  );
}

function keyOf({ place, resource, muted, renamed, by }: Arrival): string {
  return `${place} ${renamed} ${by ?? ""} ${resource} ${muted.join(" ")}`;
}

function put(found: Map<string, Map<string, Settled>>, came: readonly Arrival[], opaque: boolean): void {
  for (const { place, resource, at, muted, until, known, renamed, by } of came) {
    const origins = found.get(place) ?? new Map<string, Settled>();
    found.set(place, origins);
    const key = `${opaque} ${renamed} ${by ?? ""} ${resource} ${muted.join(" ")}`;
    const other = origins.get(key);
    origins.set(key, {
      ...{ resource, muted, opaque, renamed, ...(by === undefined ? {} : { by }) },
      at: Math.max(at, other?.at ?? 0),
      until: Math.max(until, other?.until ?? 0),
      known: Math.max(known, other?.known ?? 0),
    });
  }
}

/** Too many origins: those without tags become the schema around them, then all of them: too much rather than too little, and weak. */
function bounded(origins: Settled[], catalog: Catalog, originsMax: number): Settled[] {
  if (origins.length <= originsMax) return origins;
  const plain = origins.filter(({ resource }) => catalog.tagsOf(resource).length === 0);
  const tagged = origins.filter(({ resource }) => catalog.tagsOf(resource).length > 0);
  const left = [...tagged, ...widened(plain)];
  return left.length <= originsMax ? left : widened(left);
}

function widened(origins: readonly Settled[]): Settled[] {
  const found = new Map<string, Map<string, Settled>>();
  const wide = origins.map((one) => ({
    ...one,
    place: "",
    resource: containersOf(one.resource).at(-2) ?? one.resource,
  }));
  put(found, wide, true);
  return [...(found.get("")?.values() ?? [])];
}

/** Takes out what was put in short: flows that were over by then, and ends. */
export function forgetBefore(before: number, all: Map<string, Map<string, Lane>>, ends: Map<string, Cut[]>): void {
  for (const [to, lanes] of all) {
    for (const [key, lane] of lanes) {
      const isKept = ({ at, step, effect }: Flow) => !effect.withdrawn && (at >= before || step.finishedAt >= before);
      lane.flows.splice(0, lane.flows.length, ...lane.flows.filter(isKept));
      lane.until.length = 0;
      if (lane.flows.length === 0) lanes.delete(key);
    }
    if (lanes.size === 0) all.delete(to);
  }
  for (const [resource, cuts] of ends) {
    const kept = cuts.filter(({ at }) => at >= before);
    if (kept.length === 0) ends.delete(resource);
    else ends.set(resource, kept);
  }
}

/** Positions of what still cuts or mutes, by place and by what contains it. */
export function marksOf(edges: Pick<Edges, "cuts" | "mutes">): [Map<string, number[]>, Map<string, number[]>] {
  const [own, inside] = [new Map<string, number[]>(), new Map<string, number[]>()];
  const put = (marks: Map<string, number[]>, name: string, at: number) => {
    const positions = marks.get(name) ?? [];
    positions.push(at);
    marks.set(name, positions);
  };
  const all = [...edges.cuts, ...edges.mutes].flatMap(([name, marks]) => marks.map(({ at }) => ({ name, at })));
  for (const { name, at } of all.sort((a, b) => a.at - b.at)) {
    put(own, name, at);
    for (const container of containersOf(name)) put(inside, container, at);
  }
  return [own, inside];
}
