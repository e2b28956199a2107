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
  /** Where it was lost sight of, if it was. */
  lostAt: number;
  lastedAt: number;
}

/** A person's word that what a place holds has lost these tags. */
export interface Untag {
  readonly at: number;
  readonly resource: string;
  readonly tags: readonly string[];
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
  readonly untags?: readonly Untag[];
}

/** One effect of an event. */
interface By {
  readonly event: Event;
  readonly index: number;
}

/** place → member → what brought it there. A member is a place, or "label", and the tags that it lost on the way. */
type Brought = Map<string, Map<string, Set<By>>>;

const memberOf = (name: string, lost: readonly string[]) => [name, ...unique(lost).sort()].join(" ");
const nameOf = (member: string) => member.split(" ")[0] ?? "";
const tagsOf = (world: World, member: string) =>
  world.catalogTags(nameOf(member)).filter((tag) => !member.split(" ").slice(1).includes(tag));

const live = (event: Event) => event.parts.filter(({ gone }) => !gone).map(({ effect }) => effect);
const unique = (names: readonly string[]) => [...new Set(names)];
export const touches = (event: Event) => unique(live(event).flatMap(({ reads, writes }) => [...reads, ...writes]));
const writes = (event: Event) => unique(live(event).flatMap((effect) => effect.writes));

/** [from, to] of everything that a part of an event moves. What an opaque command may touch besides (the target itself) moves nothing. */
function movesOf(event: Event, { effect, gone }: Part): [string, string][] {
  const isWide = [...effect.reads, ...effect.writes].some((name) => !name.includes("/"));
  if (event.commit || gone || (event.opaque && isWide)) return [];
  const carries = effect.operation === "write" || effect.operation === "transform";
  const flows = effect.flows ?? effect.reads.flatMap((from) => effect.writes.map((to) => [from, to] as const));
  return [...(effect.renames ?? []), ...(carries ? flows : [])].map(([from, to]) => [from, to]);
}

const isInside = (name: string, outer: string) => name === outer || containersOf(name).includes(outer);

/** An effect sees nothing of what it, or a later one of its own command, brings. */
const laterThan = (looking: By | null) => (by: By) =>
  looking !== null && by.event === looking.event && by.index >= looking.index;

/** What is in a place: what came to it, to what contains it, or to what is inside it. */
function at(brought: Brought, resource: string, untags: readonly Untag[], isLater: (by: By) => boolean): Set<string> {
  const own = untags.filter((untag) => isInside(resource, untag.resource)).flatMap(({ tags }) => tags);
  const found = new Set<string>([memberOf(resource, own)]);
  for (const [place, members] of brought)
    if (overlaps(place, resource))
      for (const [member, by] of members) if ([...by].some((one) => !isLater(one))) found.add(member);
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

interface Played {
  /** What was in one of these places in the meantime. */
  readonly in: (resources: readonly string[], looking?: By) => string[];
}

interface Asked {
  readonly since: number;
  readonly until: number;
  /** Whose writes are a member of their own, "label". */
  readonly label?: Event;
  readonly strongOnly?: boolean;
}

/** What was where from one position to another. Not to be changed. */
const play = (world: World, asked: Asked): Played =>
  once(world, `play ${asked.since} ${asked.until} ${asked.label?.id} ${asked.strongOnly}`, () => playAll(world, asked));

/**
 * Plays everything from the start. From where it begins until it is finished a move is open: whatever comes to its sources
 * comes on with it.
 */
function playAll(world: World, { since, until, label, strongOnly }: Asked): Played {
  const brought: Brought = new Map();
  const meanwhile: Brought = new Map();
  const running = new Set<By>();
  const untagged: Untag[] = [];
  const untaggedThen: Untag[][] = [];
  const note = () => {
    for (const [place, members] of brought)
      for (const [member, by] of members) for (const one of by) bring(meanwhile, place, member, one);
    untaggedThen.push([...untagged]);
  };
  const start = (event: Event) => {
    for (const index of event.parts.keys()) running.add({ event, index });
    for (const place of event === label ? writes(event) : []) bring(brought, place, "label", { event, index: -1 });
  };
  const finish = (event: Event) => {
    for (const by of running) if (by.event === event) running.delete(by);
  };
  const untag = (one: Untag) => {
    untagged.push(one);
    mute(brought, one);
  };
  const happenings = [
    ...world.events.flatMap((event) => [
      { at: event.at, happen: () => start(event) },
      { at: event.finishedAt, happen: () => finish(event) },
      { at: event.lastedAt, happen: () => end(brought, event) },
    ]),
    ...(world.untags ?? []).map((one) => ({ at: one.at, happen: () => untag(one) })),
  ].sort((a, b) => a.at - b.at);
  for (const { at: now, happen } of happenings) {
    if (now >= until) break;
    if (now >= since) note();
    happen();
    while (moveOn(brought, running, untagged, strongOnly ?? false)) {}
  }
  note();
  return {
    in: (resources, looking) => {
      const isLater = laterThan(looking ?? null);
      const found = resources.flatMap((name) =>
        untaggedThen.flatMap((untags) => [...at(meanwhile, name, untags, isLater)]),
      );
      return unique(found);
    },
  };
}

/** A person who untags a place speaks for what was lost sight of before, too: whatever it still brings. */
function leftOf(member: string, to: string, event: Event, untags: readonly Untag[]): string {
  const later = untags.filter(({ at: then, resource }) => then > event.lostAt && isInside(to, resource));
  return memberOf(nameOf(member), [...member.split(" ").slice(1), ...later.flatMap(({ tags }) => tags)]);
}

function bring(brought: Brought, place: string, member: string, by: By): boolean {
  const members = brought.get(place) ?? new Map<string, Set<By>>();
  brought.set(place, members);
  const bringers = members.get(member) ?? new Set();
  members.set(member, bringers);
  if (bringers.has(by)) return false;
  bringers.add(by);
  return true;
}

/** @returns whether anything came to where it was not */
function moveOn(brought: Brought, running: ReadonlySet<By>, untags: readonly Untag[], strongOnly: boolean): boolean {
  let moved = false;
  for (const by of running)
    for (const [from, to] of strongOnly && by.event.opaque ? [] : movesOf(by.event, by.event.parts[by.index]!))
      for (const member of at(brought, from, untags, laterThan(by)))
        moved = bring(brought, to, leftOf(member, to, by.event, untags), by) || moved;
  return moved;
}

/** What ends is lost, but for what was brought by those that had not finished. */
function end(brought: Brought, event: Event): void {
  if (event.opaque || event.commit) return;
  const ended = live(event).flatMap((effect) => [...effect.ends, ...(effect.renames ?? []).map(([old]) => old)]);
  for (const [place, members] of brought) {
    if (!ended.some((outer) => isInside(place, outer))) continue;
    for (const [member, by] of members) {
      for (const one of by) if (one.event.finishedAt < event.decidedAt) by.delete(one);
      if (by.size === 0) members.delete(member);
    }
  }
}

/** What had come by then, by those that had finished or were lost sight of, loses tags. */
function mute(brought: Brought, { at: now, resource, tags }: Untag): void {
  for (const [place, members] of brought) {
    if (!isInside(place, resource)) continue;
    for (const [member, by] of [...members])
      for (const one of [...by]) {
        if (Math.min(one.event.finishedAt, one.event.lostAt) >= now) continue;
        by.delete(one);
        if (by.size === 0) members.delete(member);
        bring(brought, place, memberOf(nameOf(member), [...member.split(" ").slice(1), ...tags]), one);
      }
  }
}

export function lineage(world: World, event: Event, strongOnly = false): string[] {
  return once(world, `lineage ${event.id} ${strongOnly}`, () => {
    const there = play(world, { since: event.at, until: event.finishedAt, strongOnly }).in(touches(event));
    return unique(there.filter((member) => tagsOf(world, member).length > 0).map(nameOf));
  });
}

/**
 * Tags of what an effect touches: of one that counts from where it began until it was finished; of one that is only asked about
 * as things are, with what the effects before it in its command will bring.
 */
export function tagsAt(world: World, { effect }: Part, event: Event): string[] {
  const names = unique([...effect.reads, ...effect.writes]);
  const there = play(world, { since: event.at, until: event.finishedAt });
  const index = event.parts.findIndex((part) => part.effect === effect);
  if (world.events.includes(event))
    return unique(there.in(names, { event, index }).flatMap((member) => tagsOf(world, member)));
  const own: [string, string[]][] = [];
  const look = (name: string) => [
    ...there.in([name]),
    ...own.flatMap(([to, members]) => (overlaps(to, name) ? members : [])),
  ];
  for (const part of event.parts.slice(0, index))
    own.push(...movesOf(event, part).map(([from, to]): [string, string[]] => [to, look(from)]));
  return unique(names.flatMap(look).flatMap((member) => tagsOf(world, member)));
}

function matches(world: World, step: OracleStep, event: Event, only: (part: Part) => boolean = () => true): boolean {
  return event.parts.some(
    (part) => !part.gone && only(part) && step.matches(part.effect, tagsAt(world, part, event), event),
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
  const brought = play(world, { since: b.at, until: b.finishedAt, label: a, strongOnly });
  return brought.in(touches(b)).some((member) => nameOf(member) === "label");
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
