/**
 * The walk backwards along flows, latest departure first: from where can data have come to these places by then?
 * Each place is visited once per stretch (between two cuts or mutes that matter to it), at its latest time, because an earlier
 * time of the same stretch reaches nothing more.
 */
import { containersOf } from "../../infra/catalog.ts";
import { type Edges, type Lane, type Mute, markBefore, type Settled, untilOf } from "./edges.ts";
import { lastUnder } from "./order.ts";

export interface Reached {
  readonly resource: string;
  /** What was here before this position can have come along. */
  readonly at: number;
  /** Tags that a person took off on the way. */
  readonly muted: readonly string[];
  /** Looked at by an effect that begins here: later ones of the same command bring it nothing. */
  readonly before?: number;
  /** Found without regard to order and ends: too much rather than too little. */
  readonly coarse?: true;
}

/** Places as something saw them: from the one position to the other. */
export interface Seen {
  readonly since: number;
  readonly until: number;
}

/**
 * @param strongOnly what an opaque command moved does not count
 * @param before the place of the effect that looks, where it is one of several
 */
export function walk(
  edges: Edges,
  starts: readonly string[],
  seen: Seen,
  strongOnly: boolean,
  before?: number,
): readonly Reached[] {
  const items: Reached[] = [];
  for (const resource of new Set(starts))
    for (const at of stretches(edges, new Map(), [resource], seen.since, seen.until))
      items.push(reach(resource, at, [], before));
  return follow(edges, items, strongOnly);
}

function follow(edges: Edges, items: readonly Reached[], strongOnly: boolean): readonly Reached[] {
  const queue = new Queue();
  for (const item of items) queue.push(item);
  const reached: Reached[] = [];
  const visited = new Set<string>();
  const sets: Sets = new Map();
  const { work } = edges;
  const enough = work.looks + work.looksMax;
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    work.looks += 1;
    if (work.looks > enough) return everything(edges, items, strongOnly);
    const key = `${markBefore(edges, next.resource, next.at)} ${next.before ?? ""} ${next.muted.join(",")} ${next.resource}`;
    if (visited.has(key)) continue;
    visited.add(key);
    const mutes = edges.mutes.size === 0 ? [] : mutesOf(edges, next.resource, next.at);
    reached.push(mutes.length === 0 ? next : { ...next, muted: muted(next.muted, mutes) });
    expand(edges, next, mutes, { queue, sets, enough }, reached, strongOnly);
    // It may have stopped where nothing is left to look at.
    if (work.looks > enough) return everything(edges, items, strongOnly);
  }
  return reached;
}

/** Where one walk goes on, and which lists of places it has gone on to already, from when and without what. */
interface Way {
  readonly queue: Queue;
  readonly sets: Sets;
  readonly enough: number;
}

type Sets = Map<readonly string[], { readonly seen: Set<string>; readonly marks: Map<number, number> }>;

/** One list for many places (an event that copies all of these to all of those) is gone on to once. */
const longFrom = 8;

function knownOf(sets: Sets, from: readonly string[]): NonNullable<ReturnType<Sets["get"]>> {
  let known = sets.get(from);
  if (known === undefined) {
    known = { seen: new Set(), marks: new Map() };
    sets.set(from, known);
  }
  return known;
}

function isNew(sets: Sets, from: readonly string[], key: string): boolean {
  if (from.length < longFrom) return true;
  const { seen } = knownOf(sets, from);
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

/** Of the last cut or mute that touches any of them. */
function lastMark(edges: Edges, sets: Sets, from: readonly string[], at: number): number {
  if (edges.marks.size === 0) return 0;
  const known = from.length < longFrom ? undefined : knownOf(sets, from).marks;
  let mark = known?.get(at);
  if (mark !== undefined) return mark;
  edges.work.looks += from.length;
  mark = from.reduce((last, name) => Math.max(last, markBefore(edges, name, at)), 0);
  known?.set(at, mark);
  return mark;
}

/**
 * Times up to which a source was open, latest first: one for each stretch between cuts and mutes that matter to it, since an
 * earlier time of the same stretch reaches nothing more.
 */
function* stretches(
  edges: Edges,
  sets: Sets,
  from: readonly string[],
  since: number,
  until: number,
): Generator<number> {
  for (let time = until; ; ) {
    yield time;
    const mark = lastMark(edges, sets, from, time);
    if (mark <= since) return;
    time = mark;
  }
}

/** All that can ever have come to these places: each place once, whatever ended in between. */
function everything(edges: Edges, items: readonly Reached[], strongOnly: boolean): readonly Reached[] {
  const at = items.reduce((latest, item) => Math.max(latest, item.at), 0);
  const found = new Set(items.map(({ resource }) => resource));
  const sets: Sets = new Map();
  for (const resource of found)
    for (const place of [resource, ...containersOf(resource), ...(edges.inside.get(resource) ?? [])]) {
      const inner = resource.length > place.length ? resource.slice(place.length) : "";
      for (const { from, renamed, opaque } of edges.lanes.get(place)?.values() ?? []) {
        const rest = renamed ? inner : "";
        if ((strongOnly && opaque) || !isNew(sets, from, rest)) continue;
        for (const name of from) found.add(name + rest);
      }
      for (const origin of edges.settled.get(place) ?? [])
        if (!strongOnly || !origin.opaque) found.add(origin.resource + (origin.renamed ? inner : ""));
    }
  edges.work.looks += found.size;
  return [...found].map((resource) => ({ resource, at, muted: [], coarse: true }));
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

function reach(resource: string, at: number, muted: readonly string[], before: number | undefined): Reached {
  return before === undefined ? { resource, at, muted } : { resource, at, muted, before };
}

function expand(
  edges: Edges,
  looking: Reached,
  mutes: readonly Mute[],
  { queue, sets, enough }: Way,
  reached: Reached[],
  strongOnly: boolean,
): void {
  const { resource, at, muted: before } = looking;
  for (const place of [resource, ...containersOf(resource), ...(edges.inside.get(resource) ?? [])]) {
    const [lanes, settled] = [edges.lanes.get(place), edges.settled.get(place)];
    if (lanes === undefined && settled === undefined) continue;
    const floor = floorOf(edges, place, at);
    const placeMutes = edges.mutes.size === 0 || place === resource ? mutes : mutesOf(edges, place, at);
    const inner = resource.length > place.length ? resource.slice(place.length) : "";
    for (const lane of lanes?.values() ?? []) {
      if (strongOnly && lane.opaque) continue;
      const rest = lane.renamed ? inner : "";
      const alike = placeMutes.length === 0 && !lane.ordered;
      for (const [time, , known, own] of alike
        ? departures(edges, sets, lane, at, floor)
        : oneByOne(edges, sets, lane, looking, floor)) {
        edges.work.looks += 1;
        if (edges.work.looks > enough) return;
        const on = muted(before, after(placeMutes, known));
        if (!isNew(sets, lane.from, `${time} ${own ?? ""} ${on.join()} ${rest}`)) continue;
        edges.work.looks += lane.from.length;
        for (const from of lane.from) queue.push(reach(from + rest, time, on, own));
      }
    }
    for (const origin of settled ?? []) {
      if (origin.until < floor || (strongOnly && origin.opaque)) continue;
      if (origin.by !== undefined && isOwnOrLater(origin.by, looking.before)) continue;
      reached.push(arrived(origin, at, inner, muted(before, after(placeMutes, origin.known))));
    }
  }
}

function arrived(origin: Settled, at: number, inner: string, before: readonly string[]): Reached {
  const all = origin.muted.length === 0 ? before : [...new Set([...before, ...origin.muted])].sort();
  return { resource: origin.resource + (origin.renamed ? inner : ""), at: Math.min(at, origin.at), muted: all };
}

/** What had come to a place of its own, not by what is around or inside it. */
export interface Arrival extends Omit<Settled, "opaque"> {
  readonly place: string;
  readonly coarse?: true;
}

/** Renames of renames of renames: beyond this, what is inside is taken to be everywhere in it. */
const renamesMax = 16;

/** @returns everything that had come to the place by then and is there, with where it could have left from last */
export function arrivals(edges: Edges, place: string, at: number, strongOnly: boolean, depth = 0): Arrival[] {
  const floor = floorOf(edges, place, at);
  const mutes = mutesOf(edges, place, at);
  const found: Arrival[] = [];
  const put = (
    {
      resource,
      at: came,
      muted: lost,
      renamed,
      coarse,
    }: Pick<Arrival, "resource" | "at" | "muted" | "renamed" | "coarse">,
    place: string,
    until: number,
    known: number,
    by?: number,
  ) => {
    const whole = { resource, at: came, renamed, muted: muted(lost, after(mutes, known)), place, until, known };
    found.push({ ...whole, ...(by === undefined ? {} : { by }), ...(coarse ? { coarse } : {}) });
  };
  for (const origin of edges.settled.get(place) ?? [])
    if (origin.until >= floor && !(strongOnly && origin.opaque))
      put(origin, place, origin.until, origin.known, origin.until >= at ? origin.by : undefined);
  // What is over came before every end and every untag that is still to come: when exactly makes no difference.
  const over: Reached[] = [];
  let overUntil = 0;
  const sets: Sets = new Map();
  for (const lane of edges.lanes.get(place)?.values() ?? []) {
    if (strongOnly && lane.opaque) continue;
    for (const [time, until, known, own] of leaving(
      edges,
      sets,
      lane,
      { resource: place, at, muted: [] },
      floor,
      mutes,
    )) {
      const seen = { since: time, until: time };
      if (!lane.renamed && own === undefined && until <= at && mutes.length === 0) {
        over.push(...lane.from.map((resource) => reach(resource, time, [], undefined)));
        overUntil = Math.max(overUntil, until);
        continue;
      }
      if (!lane.renamed || depth >= renamesMax) {
        for (const one of walk(edges, lane.from, seen, strongOnly, own))
          put({ ...one, renamed: false }, place, until, known, until >= at ? own : undefined);
        continue;
      }
      for (const from of lane.from) {
        put({ resource: from, at: time, muted: [], renamed: true }, place, until, known);
        for (const name of [from, ...containersOf(from), ...(edges.inside.get(from) ?? [])])
          for (const one of arrivals(edges, name, time, strongOnly, depth + 1))
            put(one, one.place.startsWith(from) ? place + one.place.slice(from.length) : place, until, known);
      }
    }
  }
  for (const one of follow(edges, over, strongOnly)) put({ ...one, renamed: false }, place, overUntil, overUntil);
  return found;
}

/** Time up to which the sources were open; until when it brought something, as far as is known; the effect's own place where that matters. */
type Departure = readonly [time: number, until: number, known: number, own?: number];

function leaving(
  edges: Edges,
  sets: Sets,
  lane: Lane,
  looking: Reached,
  floor: number,
  mutes: readonly Mute[],
): Iterable<Departure> {
  const isAlike =
    mutes.length === 0 && !lane.ordered && untilOf(lane, lane.flows.length - 1) < Number.POSITIVE_INFINITY;
  return isAlike ? departures(edges, sets, lane, looking.at, floor) : oneByOne(edges, sets, lane, looking, floor);
}

/** Where nobody untagged the place, flows of one lane differ only in their ends: per stretch of the sources the latest counts. */
function* departures(edges: Edges, sets: Sets, lane: Lane, at: number, floor: number): Generator<Departure> {
  for (let bound = at; ; ) {
    const index = lastUnder(lane.flows, bound);
    const until = index < 0 ? -1 : untilOf(lane, index);
    if (until < 0 || until < floor) return;
    const time = Math.min(bound, until);
    yield [time, until, until];
    bound = lastMark(edges, sets, lane.from, time);
    if (bound === 0) return;
  }
}

function* oneByOne(edges: Edges, sets: Sets, lane: Lane, { at, before }: Reached, floor: number): Generator<Departure> {
  for (let index = lastUnder(lane.flows, at); index >= 0; index -= 1) {
    const flow = lane.flows[index];
    if (flow === undefined || flow.effect.withdrawn || flow.step.finishedAt < floor) continue;
    if (isOwnOrLater(flow.at, before)) continue;
    const until = Math.max(flow.at, flow.step.finishedAt);
    // A person who untags a place speaks of what was lost sight of, too.
    const known = Math.min(until, Math.max(flow.at, flow.step.lostAt));
    for (const time of stretches(edges, sets, lane.from, flow.at, Math.min(at, until)))
      yield lane.ordered ? [time, until, known, flow.at] : [time, until, known];
  }
}

/** An effect sees nothing of what it, or a later one of its own command, brings. */
function isOwnOrLater(at: number, before: number | undefined): boolean {
  return before !== undefined && at >= before && at < Math.floor(before) + 1;
}

function mutesOf(edges: Edges, resource: string, at: number): readonly Mute[] {
  return [resource, ...containersOf(resource)].flatMap((name) =>
    (edges.mutes.get(name) ?? []).filter((mute) => mute.at < at),
  );
}

/** Those that speak of what had come by then. */
function after(mutes: readonly Mute[], until: number): readonly Mute[] {
  return mutes.length === 0 ? mutes : mutes.filter(({ at }) => at > until);
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
