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

export interface Ran {
  readonly address: string;
  readonly fingerprint: string;
  /** In force then; null where that is not known. */
  readonly role: string | null;
  /** What became of it, once that is known. */
  late: { readonly outcome: string; readonly rows: number } | null;
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
  /** By which pipelines know it; absent where none is declared. */
  readonly ran?: Ran;
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

/**
 * That something was in a place, and by whom it came. A member is a place, or "@" and the event whose data it is, and the
 * tags that it lost on the way. Moments lie between two happenings; it was there from the first to before the last.
 */
interface Fact {
  readonly place: string;
  readonly member: string;
  readonly by: By;
  readonly from: number;
  until: number;
}

const memberOf = (name: string, lost: readonly string[]) => [name, ...unique(lost).sort()].join(" ");
const nameOf = (member: string) => member.split(" ")[0] ?? "";
const tagsOf = (world: World, member: string) =>
  world.catalogTags(nameOf(member)).filter((tag) => !member.split(" ").slice(1).includes(tag));

export const live = (event: Event) => event.parts.filter(({ gone }) => !gone).map(({ effect }) => effect);
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

export const isInside = (name: string, outer: string) => name === outer || containersOf(name).includes(outer);

/** An effect sees nothing of what it, or a later one of its own command, brings. */
const laterThan = (looking: By | null) => (by: By) =>
  looking !== null && by.event === looking.event && by.index >= looking.index;

/** What was worked out for one world: it stands still while a question is answered. */
const known = new WeakMap<World, Map<object | string, Map<string, unknown>>>();

function once<T>(world: World, about: object | string, question: string, answer: () => T): T {
  const all = known.get(world) ?? new Map<object | string, Map<string, unknown>>();
  known.set(world, all);
  const answers = all.get(about) ?? new Map<string, unknown>();
  all.set(about, answers);
  if (!answers.has(question)) answers.set(question, answer());
  return answers.get(question) as T;
}

/** All that ever was where, and what was untagged since which moment. */
class Story {
  readonly #facts = new Map<string, Fact[]>();
  readonly #untags: { readonly untag: Untag; readonly from: number }[] = [];
  /** Positions of what happened; moment n is before the n-th. */
  readonly happened: number[] = [];

  get now(): number {
    return this.happened.length;
  }

  get untags(): readonly Untag[] {
    return this.#untags.map(({ untag }) => untag);
  }

  /** What is in a place from one moment to another: what came to it, to what contains it, or to what is inside it. */
  in(resource: string, isLater: (by: By) => boolean, first = this.now, last = this.now): Set<string> {
    const about = this.#untags.filter(({ untag, from }) => from <= last && isInside(resource, untag.resource));
    const moments = [first, ...about.map(({ from }) => from).filter((from) => from > first)];
    const found = new Set(
      moments.map((moment) => {
        const lost = about.filter(({ from }) => from <= moment).flatMap(({ untag }) => untag.tags);
        return memberOf(resource, lost);
      }),
    );
    for (const [place, facts] of this.#facts)
      if (overlaps(place, resource))
        for (const { member, by, from, until } of facts)
          if (from <= last && until > first && !isLater(by)) found.add(member);
    return found;
  }

  /** @returns whether it was not there */
  bring(place: string, member: string, by: By): boolean {
    const facts = this.#facts.get(place) ?? [];
    this.#facts.set(place, facts);
    if (facts.some((fact) => fact.by === by && fact.member === member && fact.until > this.now)) return false;
    facts.push({ place, member, by, from: this.now, until: Number.POSITIVE_INFINITY });
    return true;
  }

  /** What ends is lost, but for what was brought by those that had not finished. */
  end(event: Event): void {
    if (event.opaque || event.commit) return;
    const ended = live(event).flatMap((effect) => [...effect.ends, ...(effect.renames ?? []).map(([old]) => old)]);
    for (const fact of this.#present((place) => ended.some((outer) => isInside(place, outer))))
      if (fact.by.event.finishedAt < event.decidedAt) fact.until = this.now;
  }

  /** What had come by then, by those that had finished or were lost sight of, loses tags. */
  untag(untag: Untag): void {
    this.#untags.push({ untag, from: this.now });
    for (const fact of this.#present((place) => isInside(place, untag.resource))) {
      const { place, member, by } = fact;
      if (Math.min(by.event.finishedAt, by.event.lostAt) >= untag.at) continue;
      fact.until = this.now;
      this.bring(place, memberOf(nameOf(member), [...member.split(" ").slice(1), ...untag.tags]), by);
    }
  }

  #present(isMeant: (place: string) => boolean): Fact[] {
    const places = [...this.#facts.keys()].filter(isMeant);
    return places.flatMap((place) => this.#facts.get(place)?.filter(({ until }) => until > this.now) ?? []);
  }
}

/** Everything from the start, with the data of each event too where it is asked for. */
const storyOf = (world: World, strongOnly: boolean, withData: boolean): Story =>
  once(world, "story", `${strongOnly} ${withData}`, () => tell(world, strongOnly, withData));

/** From where it begins until it is finished a move is open: whatever comes to its sources comes on with it. */
function tell(world: World, strongOnly: boolean, withData: boolean): Story {
  const story = new Story();
  const running = new Map<By, readonly [string, string][]>();
  const start = (event: Event) => {
    for (const [index, part] of event.parts.entries())
      if (!strongOnly || !event.opaque) running.set({ event, index }, movesOf(event, part));
    const data = { event, index: -1 };
    if (withData) for (const place of writes(event)) story.bring(place, `@${event.id}`, data);
  };
  const finish = (event: Event) => {
    for (const by of running.keys()) if (by.event === event) running.delete(by);
  };
  const happenings = [
    ...world.events.flatMap((event) => [
      { at: event.at, happen: () => start(event) },
      { at: event.finishedAt, happen: () => finish(event) },
      { at: event.lastedAt, happen: () => story.end(event) },
    ]),
    ...(world.untags ?? []).map((untag) => ({ at: untag.at, happen: () => story.untag(untag) })),
  ];
  for (const { at, happen } of happenings
    .filter((one) => one.at < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.at - b.at)) {
    story.happened.push(at);
    happen();
    while (moveOn(story, running)) {}
  }
  return story;
}

/** What was in these places at a position, or from where an event began until it was finished. */
function inMeanwhile(story: Story, event: Event, resources: readonly string[], looking: By | null = null): string[] {
  const reach = (position: number) => {
    const next = story.happened.findIndex((at) => at >= position);
    return next === -1 ? story.now : next;
  };
  const [first, last] = [reach(event.at), reach(event.finishedAt)];
  return unique(resources.flatMap((name) => [...story.in(name, laterThan(looking), first, last)]));
}

/** A person who untags a place speaks for what was lost sight of before, too: whatever it still brings. */
function leftOf(member: string, to: string, event: Event, untags: readonly Untag[]): string {
  const later = untags.filter(({ at: then, resource }) => then > event.lostAt && isInside(to, resource));
  return memberOf(nameOf(member), [...member.split(" ").slice(1), ...later.flatMap(({ tags }) => tags)]);
}

/** @returns whether anything came to where it was not */
function moveOn(story: Story, running: ReadonlyMap<By, readonly [string, string][]>): boolean {
  let moved = false;
  for (const [by, moves] of running)
    for (const [from, to] of moves)
      for (const member of story.in(from, laterThan(by)))
        moved = story.bring(to, leftOf(member, to, by.event, story.untags), by) || moved;
  return moved;
}

export function lineage(world: World, event: Event, strongOnly = false): string[] {
  return once(world, event, `lineage ${strongOnly}`, () => {
    const there = inMeanwhile(storyOf(world, strongOnly, false), event, touches(event));
    return unique(there.filter((member) => tagsOf(world, member).length > 0).map(nameOf));
  });
}

/**
 * Tags of what an effect touches: of one that counts from where it began until it was finished; of one that is only asked about
 * as things are, with what the effects before it in its command will bring.
 */
export function tagsAt(world: World, part: Part, event: Event, strongOnly = false): string[] {
  const index = event.parts.findIndex(({ effect }) => effect === part.effect);
  const story = storyOf(world, strongOnly, false);
  return once(world, event, `tags ${index} ${strongOnly}`, () => tagsOfPart(world, story, part, index, event));
}

function tagsOfPart(world: World, story: Story, { effect }: Part, index: number, event: Event): string[] {
  const names = unique([...effect.reads, ...effect.writes]);
  if (world.events.includes(event))
    return unique(inMeanwhile(story, event, names, { event, index }).flatMap((member) => tagsOf(world, member)));
  const own: [string, string[]][] = [];
  const look = (name: string) => [
    ...inMeanwhile(story, event, [name]),
    ...own.flatMap(([to, members]) => (overlaps(to, name) ? members : [])),
  ];
  for (const part of event.parts.slice(0, index))
    own.push(...movesOf(event, part).map(([from, to]): [string, string[]] => [to, look(from)]));
  return unique(names.flatMap(look).flatMap((member) => tagsOf(world, member)));
}

/** @param strongOnly without the tags that an opaque command moved as well */
function matches(world: World, step: OracleStep, event: Event, strongOnly = false, isMeant = (_: Part) => true) {
  const fits = (part: Part, strongly: boolean) =>
    step.matches(part.effect, tagsAt(world, part, event, strongly), event);
  return event.parts.some(
    (part) => !part.gone && isMeant(part) && fits(part, false) && (!strongOnly || fits(part, true)),
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
  const there = inMeanwhile(storyOf(world, strongOnly, true), b, touches(b));
  return there.some((member) => nameOf(member) === `@${a.id}`);
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
    const isMeant = ({ of }: Part) => !others.has(of);
    if (event.commit && !matches(world, rule.steps[place]!, event, rule.strongOnly, isMeant)) return false;
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
    events.filter((event) => event.parts.some(({ gone }) => !gone) && matches(world, step, event, rule.strongOnly)),
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
