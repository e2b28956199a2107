/**
 * The brute-force definition (DETECTION §6): everything is worked out again from the whole history at every question, by
 * folding forward and enumerating every sequence. Slow and obviously right; the engine must agree with it.
 */
import { containersOf, overlaps } from "../../infra/catalog.ts";
import type { Effect } from "../../schemas/command.ts";

export interface Part {
  readonly effect: Effect;
  readonly of: string;
  gone: boolean;
}

/** A command that counts, with all that is known of it now. */
export interface Event {
  readonly id: string;
  readonly at: number;
  readonly atMs: number;
  readonly identity: string;
  readonly account: string;
  readonly task: string;
  readonly command: string;
  readonly opaque: boolean;
  readonly commit: boolean;
  parts: Part[];
  decidedAt: number;
  finishedAt: number;
  lastedAt: number;
}

export interface OracleStep {
  readonly matches: (effect: Effect, tags: readonly string[], event: Event) => boolean;
}

export interface OracleRule {
  readonly ordered: boolean;
  readonly steps: readonly OracleStep[];
  readonly timespanMs: number;
  readonly groupBy: readonly ("account" | "chain.lineage" | "chain.actor" | "task")[];
  readonly links: readonly { from: number; to: number; by: readonly string[] }[];
  readonly distinct: { field: "account" | "identity" | "task"; min: number } | null;
  readonly absent: { step: OracleStep; between: readonly [number, number] | null } | null;
  readonly strongOnly?: boolean;
}

export interface World {
  readonly events: readonly Event[];
  readonly catalogTags: (resource: string) => readonly string[];
  readonly clusterOf: (identity: string) => string;
}

/** place → member → the events that brought it there. */
type Brought = Map<string, Map<string, Set<Event>>>;

const live = (event: Event) => event.parts.filter(({ gone }) => !gone).map(({ effect }) => effect);
const unique = (names: readonly string[]) => [...new Set(names)];
export const touches = (event: Event) => unique(live(event).flatMap(({ reads, writes }) => [...reads, ...writes]));
const writes = (event: Event) => unique(live(event).flatMap((effect) => effect.writes));

/** [from, to] of everything that these parts of an event move, per effect, in order. What an opaque command may touch
 * besides (the target itself) moves nothing. */
function movesByEffect(event: Event, parts: readonly Part[] = event.parts): [string, string][][] {
  if (event.commit) return [];
  const isKnown = (effect: Effect) => ![...effect.reads, ...effect.writes].some((name) => !name.includes("/"));
  const counted = parts.flatMap(({ effect, gone }) => (gone || (event.opaque && !isKnown(effect)) ? [] : [effect]));
  return counted.map((effect) => [
    ...(effect.renames ?? []).map(([from, to]): [string, string] => [from, to]),
    ...(effect.operation === "write" || effect.operation === "transform"
      ? (effect.flows ?? effect.reads.flatMap((from) => effect.writes.map((to) => [from, to] as const)))
      : []
    ).map(([from, to]): [string, string] => [from, to]),
  ]);
}

const isInside = (name: string, outer: string) => name === outer || containersOf(name).includes(outer);

/** What is in a place: what came to it, to what contains it, or to what is inside it. */
function at(brought: Brought, resource: string): Set<string> {
  const found = new Set<string>([resource]);
  for (const [place, members] of brought)
    if (overlaps(place, resource)) for (const member of members.keys()) found.add(member);
  return found;
}

/** What was worked out for one world: it stands still while a question is answered. */
const known = new WeakMap<World, Map<string, unknown>>();

function once<T>(world: World, question: string, answer: () => T): T {
  const answers = known.get(world) ?? new Map<string, unknown>();
  known.set(world, answers);
  if (!answers.has(question)) answers.set(question, answer());
  return answers.get(question) as T;
}

/** Plays everything before a position; `label` marks one event's writes as a member of their own. Not to be changed. */
const play = (world: World, before: number, label: Event | null, strongOnly = false): Brought =>
  once(world, `play ${before} ${label?.id} ${strongOnly}`, () => playAll(world, before, label, strongOnly));

function playAll(world: World, before: number, label: Event | null, strongOnly: boolean): Brought {
  const brought: Brought = new Map();
  const bring = (place: string, member: string, by: Event) => {
    const members = brought.get(place) ?? new Map<string, Set<Event>>();
    members.set(member, (members.get(member) ?? new Set()).add(by));
    brought.set(place, members);
  };
  const happenings = world.events.flatMap((event) => [
    { at: event.at, event, ends: false },
    { at: event.lastedAt, event, ends: true },
  ]);
  for (const { event, ends, at: now } of happenings.sort((a, b) => a.at - b.at)) {
    if (now >= before) break;
    if (!ends) {
      for (const part of strongOnly && event.opaque ? [] : movesByEffect(event)) {
        const news = part.map(([from, to]) => [to, at(brought, from)] as const);
        for (const [to, members] of news) for (const member of members) bring(to, member, event);
      }
      if (event === label) for (const place of writes(event)) bring(place, "label", event);
    } else if (!event.opaque && !event.commit) {
      const ended = live(event).flatMap((effect) => [...effect.ends, ...(effect.renames ?? []).map(([old]) => old)]);
      for (const [place, members] of brought) {
        if (!ended.some((outer) => isInside(place, outer))) continue;
        for (const [member, by] of members) {
          for (const one of by) if (one.finishedAt < event.decidedAt) by.delete(one);
          if (by.size === 0) members.delete(member);
        }
      }
    }
  }
  return brought;
}

export function lineage(world: World, event: Event, strongOnly = false): string[] {
  return once(world, `lineage ${event.id} ${strongOnly}`, () => {
    const brought = play(world, event.at, null, strongOnly);
    return unique(touches(event).flatMap((name) => [...at(brought, name)])).filter(
      (name) => world.catalogTags(name).length > 0,
    );
  });
}

/** Tags of what an effect touches at a position, with what the effects before it in its command brought. */
export function tagsAt(world: World, { effect }: Part, event: Event, before: number): string[] {
  const brought = new Map(play(world, before, null));
  const earlier = event.parts.slice(
    0,
    event.parts.findIndex((part) => part.effect === effect),
  );
  for (const part of movesByEffect(event, earlier)) {
    const news = part.map(([from, to]) => [to, at(brought, from)] as const);
    for (const [to, members] of news) {
      const there = new Map(brought.get(to));
      for (const member of members) there.set(member, new Set([event]));
      brought.set(to, there);
    }
  }
  const names = unique([...effect.reads, ...effect.writes]);
  return unique(names.flatMap((name) => [...at(brought, name)].flatMap((member) => world.catalogTags(member))));
}

function matches(world: World, step: OracleStep, event: Event, only: (part: Part) => boolean = () => true): boolean {
  return event.parts.some(
    (part) => !part.gone && only(part) && step.matches(part.effect, tagsAt(world, part, event, event.at), event),
  );
}

const meet = (one: readonly string[], other: readonly string[]) =>
  one.flatMap((a) => other.filter((b) => overlaps(a, b)).map((b) => (a.length > b.length ? a : b)));

function linked(world: World, kind: string, x: Event, y: Event, strongOnly: boolean): boolean {
  const [a, b] = x.at < y.at ? [x, y] : [y, x];
  if (strongOnly && (a.opaque || b.opaque)) return false;
  if (kind === "lineage") return meet(lineage(world, a, strongOnly), lineage(world, b, strongOnly)).length > 0;
  if (kind === "resource") return meet(touches(a), touches(b)).length > 0;
  if (kind === "actor") return world.clusterOf(a.identity) === world.clusterOf(b.identity);
  if (kind === "account") return a.account === b.account;
  if (kind === "identity") return a.identity === b.identity;
  if (kind === "task") return a.task === b.task;
  const brought = play(world, b.at, a, strongOnly);
  return touches(b).some((name) => at(brought, name).has("label"));
}

function keyOf(world: World, key: OracleRule["groupBy"][number], event: Event, strongOnly = false): string[] {
  if (key === "chain.lineage") return lineage(world, event, strongOnly);
  if (key === "chain.actor") return [world.clusterOf(event.identity)];
  return [event[key]];
}

const agree = (key: string, one: readonly string[], other: readonly string[]) =>
  key === "chain.lineage" ? meet(one, other) : one.filter((name) => other.includes(name));

function isAdmissible(world: World, rule: OracleRule, chain: readonly Event[]): boolean {
  const times = chain.map(({ atMs }) => atMs);
  if (Math.max(...times) - Math.min(...times) > rule.timespanMs) return false;
  const { distinct, absent } = rule;
  if (distinct && new Set(chain.map((event) => event[distinct.field])).size < distinct.min) return false;
  if (rule.strongOnly && chain.some(({ opaque }) => opaque)) return false;
  for (const [place, event] of chain.entries()) {
    const others = new Set(chain.filter((other) => other !== event).map(({ command }) => command));
    if (event.commit && !matches(world, rule.steps[place]!, event, ({ of }) => !others.has(of))) return false;
  }
  for (const { from, to, by } of rule.links)
    if (!by.some((kind) => linked(world, kind, chain[from]!, chain[to]!, rule.strongOnly ?? false))) return false;
  const common = rule.groupBy.map((key) =>
    chain.map((event) => keyOf(world, key, event, rule.strongOnly)).reduce((one, other) => agree(key, one, other)),
  );
  if (common.some((members) => members.length === 0)) return false;
  return absent === null || isFree(world, rule, chain, common);
}

function isFree(
  world: World,
  rule: OracleRule,
  chain: readonly Event[],
  common: readonly (readonly string[])[],
): boolean {
  const { step, between } = rule.absent!;
  const ends = (between ?? chain.map((_, place) => place)).map((place) => chain[place]!.at);
  const offenders = world.events.filter(
    (event) =>
      event.at > Math.min(...ends) &&
      event.at < Math.max(...ends) &&
      !event.opaque &&
      !chain.some(({ identity }) => identity === event.identity) &&
      matches(world, step, event),
  );
  const choices = common.reduce<string[][]>(
    (made, members) => made.flatMap((c) => members.map((m) => [...c, m])),
    [[]],
  );
  return choices.some((choice) =>
    offenders.every((event) =>
      choice.some((member, index) => {
        const key = rule.groupBy[index]!;
        return agree(key, [member], keyOf(world, key, event)).length === 0;
      }),
    ),
  );
}

/** Every admissible chain that the last event completes. @param last may not be among the events yet */
export function allChains(world: World, rule: OracleRule, last: Event): Event[][] {
  const events = [...world.events.filter(({ at: place }) => place < last.at), last];
  const fitting = rule.steps.map((step) =>
    events.filter((event) => event.parts.some(({ gone }) => !gone) && matches(world, step, event)),
  );
  const found: Event[][] = [];
  const extend = (chain: Event[]) => {
    const candidates = fitting[chain.length];
    if (candidates === undefined) {
      if (chain.includes(last) && isAdmissible(world, rule, chain)) found.push(chain);
      return;
    }
    for (const event of candidates) {
      if (chain.includes(event) || (rule.ordered && (chain.at(-1)?.at ?? -1) > event.at)) continue;
      extend([...chain, event]);
    }
  };
  extend([]);
  return found.filter((chain) => !rule.ordered || chain.at(-1) === last);
}

/** The one with the latest positions, compared from the last step backwards. */
export function latestChain(chains: readonly Event[][]): Event[] | null {
  const isLater = (one: Event[], other: Event[]) => {
    for (let place = one.length - 1; place >= 0; place -= 1)
      if (one[place]!.at !== other[place]!.at) return one[place]!.at > other[place]!.at;
    return false;
  };
  return chains.reduce<Event[] | null>((best, chain) => (best === null || isLater(chain, best) ? chain : best), null);
}
