/**
 * The walk backwards along flows, latest departure first: from where can data have come to these places by then?
 * Each place is visited once per generation (between two cuts that matter to it), at its latest time, because an earlier
 * time of the same generation reaches nothing more.
 */
import { containersOf } from "../../infra/catalog.ts";
import type { Cut, Edges, Flow, Lane, Mute } from "./edges.ts";
import { lastUnder } from "./order.ts";

export interface Reached {
  readonly resource: string;
  /** What was here before this position can have come along. */
  readonly at: number;
  /** Tags that a person took off on the way. */
  readonly muted: readonly string[];
}

/** @param strongOnly what an opaque command moved does not count */
export function walk(edges: Edges, starts: readonly string[], at: number, strongOnly: boolean): readonly Reached[] {
  const queue = new Queue();
  for (const resource of new Set(starts)) queue.push({ resource, at, muted: [] });
  const reached: Reached[] = [];
  const visited = new Set<string>();
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const key = `${generation(edges, next.resource, next.at)} ${next.muted.join(",")} ${next.resource}`;
    if (visited.has(key)) continue;
    visited.add(key);
    const mutes = edges.mutes.size === 0 ? [] : mutesOf(edges, next.resource, next.at);
    reached.push(mutes.length === 0 ? next : { ...next, muted: muted(next.muted, mutes) });
    expand(edges, next, mutes, queue, strongOnly);
  }
  return reached;
}

/** Position of the last cut before `at` that touches this place, something around it or inside it. */
function generation(edges: Edges, resource: string, at: number): number {
  if (edges.cuts.size === 0) return 0;
  let last = lastCut(edges.cuts.get(resource), at);
  for (const container of containersOf(resource)) last = Math.max(last, lastCut(edges.cuts.get(container), at));
  const inside = edges.cutsInside.get(resource);
  if (inside) last = Math.max(last, inside.findLast((cut) => cut < at) ?? 0);
  return last;
}

function lastCut(cuts: readonly Cut[] | undefined, at: number): number {
  return cuts ? (cuts[lastUnder(cuts, at)]?.at ?? 0) : 0;
}

/** What had finished before this position is not in the place at `at`: it, or what contains it, was ended. */
export function floorOf(edges: Pick<Edges, "cuts">, resource: string, at: number): number {
  if (edges.cuts.size === 0) return 0;
  const floor = (name: string) => {
    const cuts = edges.cuts.get(name);
    return cuts ? (cuts[lastUnder(cuts, at)]?.floor ?? 0) : 0;
  };
  return containersOf(resource).reduce((highest, container) => Math.max(highest, floor(container)), floor(resource));
}

function expand(
  edges: Edges,
  { resource, at, muted: before }: Reached,
  mutes: readonly Mute[],
  queue: Queue,
  strongOnly: boolean,
): void {
  for (const place of [resource, ...containersOf(resource), ...(edges.inside.get(resource) ?? [])]) {
    const lanes = edges.lanes.get(place);
    if (lanes === undefined) continue;
    const floor = floorOf(edges, place, at);
    const placeMutes = edges.mutes.size === 0 || place === resource ? mutes : mutesOf(edges, place, at);
    for (const lane of lanes.values()) {
      for (const flow of latest(edges, lane, at, floor, strongOnly)) {
        const since = placeMutes.filter((mute) => mute.at > flow.at);
        const rest = lane.renamed && resource.length > place.length ? resource.slice(place.length) : "";
        for (const from of lane.from) queue.push({ resource: from + rest, at: flow.at, muted: muted(before, since) });
      }
    }
  }
}

/** The latest flow that counts of each generation of its sources; one in all where nothing was cut or muted. */
function* latest(edges: Edges, lane: Lane, at: number, floor: number, strongOnly: boolean): Generator<Flow> {
  const { flows, from } = lane;
  let index = lastUnder(flows, at);
  while (index >= 0) {
    const flow = flows[index];
    if (flow === undefined) return;
    if (flow.effect.withdrawn || flow.step.finishedAt < floor || (strongOnly && flow.step.opaque)) {
      index -= 1;
      continue;
    }
    yield flow;
    if (edges.cuts.size === 0 && edges.mutes.size === 0) return;
    const boundary = from.reduce((last, name) => Math.max(last, generation(edges, name, flow.at)), 0);
    index = edges.mutes.size === 0 ? Math.min(index - 1, lastUnder(flows, boundary + 1)) : index - 1;
  }
}

function mutesOf(edges: Edges, resource: string, at: number): readonly Mute[] {
  return [resource, ...containersOf(resource)].flatMap((name) =>
    (edges.mutes.get(name) ?? []).filter((mute) => mute.at < at),
  );
}

function muted(before: readonly string[], mutes: readonly Mute[]): readonly string[] {
  return mutes.length === 0 ? before : [...new Set([...before, ...mutes.flatMap(({ tags }) => tags)])].sort();
}

/** A heap with the latest on top. */
class Queue {
  readonly #items: Reached[] = [];

  push(item: Reached): void {
    const items = this.#items;
    let index = items.length;
    items.push(item);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      const above = items[parent];
      if (above === undefined || above.at >= item.at) break;
      items[index] = above;
      index = parent;
    }
    items[index] = item;
  }

  pop(): Reached | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if ((items[child + 1]?.at ?? -1) > (items[child]?.at ?? -1)) child += 1;
      const below = items[child];
      if (below === undefined || below.at <= last.at) break;
      items[index] = below;
      index = child;
    }
    items[index] = last;
    return top;
  }
}
