/**
 * Where data came from (DETECTION §6: Flow, Tags, Lineage, Data). Flows are kept as edges with positions and followed
 * backwards on demand, so that a withdrawal is a mark, not an undo, and one walk answers origins, tags and `flow` links.
 *
 * An end (DROP, TRUNCATE) is a cut at the position where its transaction is known committed; it loses only what commands
 * brought that had finished before the ending one was decided. A rename is a flow and, once it lasts, an end.
 * An opaque command moves what its known effects move, which is weak evidence, and ends nothing; that it may touch
 * anything moves nothing. Effects of one command are folded in order. A column is inside its table: it has what came to the table, not what came to its siblings.
 */
import { type Catalog, containersOf, overlaps } from "../../infra/catalog.ts";
import { touches } from "../../infra/rules/field.ts";
import type { Cut, Edges, Flow, Lane, Mute } from "./edges.ts";
import { lastUnder } from "./order.ts";
import type { Step, StepEffect } from "./step.ts";
import { type Reached, walk } from "./walk.ts";

export interface Tagged {
  /** Catalog-tagged members of the origins, sorted. */
  readonly members: readonly string[];
  readonly tags: readonly string[];
}

/** Flows that a lane may hold before those that no question can reach are dropped. */
const laneFlowsMax = 64;
const nothing: Tagged = { members: [], tags: [] };

export class Lineage implements Edges {
  readonly lanes = new Map<string, Map<string, Lane>>();
  readonly inside = new Map<string, Set<string>>();
  readonly cuts = new Map<string, Cut[]>();
  readonly cutsInside = new Map<string, number[]>();
  readonly mutes = new Map<string, Mute[]>();
  /** No question goes further back than this position. */
  horizon = 0;
  /** Something was moved by an opaque command: then there are weak ways. */
  isDark = false;
  /** Steps that brought what only another engine saw. */
  readonly #heard = new Set<Step>();
  /** Goes up when an earlier answer may be wrong. */
  #version = 0;
  /** Goes up when something was lost: withdrawal, end, untag. */
  #losses = 0;
  readonly #current = new Map<string, { version: number; tagged: Tagged }>();
  readonly #carried = new Map<string, { losses: number; members: Set<string> }>();
  #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  retag(catalog: Catalog): void {
    this.#catalog = catalog;
    this.#lost();
  }

  /** Origins that count and their tags, now. */
  tagged(resource: string): Tagged {
    const known = this.#current.get(resource);
    if (known?.version === this.#version) return known.tagged;
    const tagged = this.taggedAt([resource], Number.POSITIVE_INFINITY);
    if (this.#current.size > 100_000) this.#current.clear();
    this.#current.set(resource, { version: this.#version, tagged });
    return tagged;
  }

  /** The same for several, merged. */
  taggedNow(resources: readonly string[]): Tagged {
    const only = resources[0];
    if (only === undefined) return nothing;
    return resources.length === 1 ? this.tagged(only) : merge(resources.map((resource) => this.tagged(resource)));
  }

  /** As it was before a position, with what has been withdrawn since left out. */
  taggedAt(resources: readonly string[], at: number, strongOnly = false): Tagged {
    const found = new Map<string, Set<string>>();
    for (const { resource, muted } of this.reach(resources, at, strongOnly)) {
      const tags = unmuted(this.#catalog.tagsOf(resource), muted);
      if (tags.length > 0) found.set(resource, new Set([...(found.get(resource) ?? []), ...tags]));
    }
    if (found.size === 0) return nothing;
    return {
      members: [...found.keys()].sort(),
      tags: [...new Set([...found.values()].flatMap((set) => [...set]))].sort(),
    };
  }

  /** Everything that data in these places at a position can have come from, with the latest time it could have left. */
  reach(resources: readonly string[], at: number, strongOnly = false): readonly Reached[] {
    return walk(this, resources, at, strongOnly);
  }

  /** Tags per effect of a step, each with what the effects before it brought. @param at null = now */
  tagsInOrder(step: Step, at: number | null): (readonly string[])[] {
    const news: { readonly to: string; readonly tagged: Tagged }[] = [];
    const look = (names: readonly string[]): Tagged => {
      const before = at === null ? this.taggedNow(names) : this.taggedAt(names, at);
      const own = news.filter(({ to }) => names.some((name) => overlaps(name, to)));
      return own.length === 0 ? before : merge([before, ...own.map(({ tagged }) => tagged)]);
    };
    return step.effects.map((effect) => {
      const { tags } = look(touches(effect.effect));
      const moves = effect.withdrawn || step.commit ? [] : movesOf(step, effect);
      news.push(...moves.map(({ to, from }) => ({ to, tagged: look(from) })));
      return tags;
    });
  }

  /** Adds what a step moves. @returns places that may have gained tags, each once */
  add(step: Step): readonly string[] {
    if (step.commit) return [];
    const gained = new Set<string>();
    for (const [index, effect] of step.effects.entries()) {
      if (effect.withdrawn) continue;
      // All moves of one effect happen at once: what each brings is looked up before any is made.
      const moves = movesOf(step, effect).map((move) => ({ move, brought: this.taggedNow(move.from).members }));
      const flow: Flow = { at: step.at + index / step.effects.length, step, effect };
      for (const { move, brought } of moves) if (this.#move(flow, move, brought)) gained.add(move.to);
    }
    return [...gained];
  }

  /**
   * What another engine said has come to a place: a move of its own where this one sees less.
   * @param step that brought it, where it is still known: the move ends with it. @returns whether that was news
   */
  hear(told: { resource: string; tags: readonly string[]; from: readonly string[] }, at: number, step: Step | null) {
    const known = this.tagged(told.resource).tags;
    if (told.from.length === 0 || told.tags.every((tag) => known.includes(tag))) return false;
    const effect = step?.effects.find(({ effect: { writes } }) => writes.some((name) => overlaps(name, told.resource)));
    const flow: Flow =
      step === null
        ? { at, step: { finishedAt: at, settled: true, opaque: false }, effect: { withdrawn: false } }
        : { at: step.at, step, effect: effect ?? step.effects[0] ?? { withdrawn: false } };
    if (step !== null) this.#heard.add(step);
    return this.#move(flow, { to: told.resource, from: told.from, renamed: false }, this.taggedNow(told.from).members);
  }

  #move(flow: Flow, { to, from, renamed }: Move, brought: readonly string[]): boolean {
    if (flow.step.opaque) this.isDark = true;
    const lanes = this.lanes.get(to) ?? this.#place(to);
    const key = `${renamed ? "renamed" : "moved"} ${from.join(" ")}`;
    const lane = lanes.get(key) ?? { from, renamed, flows: [] };
    lanes.set(key, lane);
    lane.flows.push(flow);
    if (lane.flows.length % laneFlowsMax === 0) this.#pruneLane(lane);
    const known = this.#carried.get(to);
    const carried = known?.losses === this.#losses ? known.members : new Set<string>();
    if (brought.every((member) => carried.has(member))) return false;
    for (const member of brought) carried.add(member);
    this.#carried.set(to, { losses: this.#losses, members: carried });
    this.#version += 1;
    return true;
  }

  #place(to: string): Map<string, Lane> {
    const lanes = new Map<string, Lane>();
    this.lanes.set(to, lanes);
    for (const container of containersOf(to)) {
      const inside = this.inside.get(container) ?? new Set();
      this.inside.set(container, inside.add(to));
    }
    return lanes;
  }

  /** Effects known to last: what they end is lost from here on. */
  last(step: Step, at: number): void {
    if (step.opaque || step.commit) return;
    for (const { effect, withdrawn } of step.effects) {
      if (withdrawn) continue;
      const ended = [...effect.ends, ...(effect.renames ?? []).map(([old]) => old)];
      for (const resource of new Set<string>(ended)) this.#cut(resource, at, step.decidedAt);
    }
  }

  #cut(resource: string, at: number, decidedAt: number): void {
    const cuts = this.cuts.get(resource) ?? [];
    cuts.push({ at, floor: Math.max(decidedAt, cuts.at(-1)?.floor ?? 0) });
    this.cuts.set(resource, cuts);
    for (const container of containersOf(resource)) {
      const inside = this.cutsInside.get(container) ?? [];
      inside.push(at);
      this.cutsInside.set(container, inside);
    }
    this.#lost();
  }

  /** @returns whether the step had moved anything, so that later steps must be looked at again */
  withdraw(step: Step): boolean {
    const moved =
      this.#heard.has(step) || step.effects.some((effect) => effect.withdrawn && movesOf(step, effect).length > 0);
    if (moved && !step.commit) this.#lost();
    return moved;
  }

  /** Places that what the step moved can have come to, and what contains them. */
  downstream(step: Step): ReadonlySet<string> {
    const places = new Set<string>(step.effects.flatMap((effect) => movesOf(step, effect).map(({ to }) => to)));
    if (this.#heard.has(step)) for (const { effect } of step.effects) for (const to of effect.writes) places.add(to);
    for (let before = -1; before !== places.size; ) {
      before = places.size;
      for (const [to, lanes] of this.lanes) {
        if (places.has(to)) continue;
        for (const { from, flows } of lanes.values()) {
          if ((flows.at(-1)?.at ?? 0) > step.at && from.some((name) => touchesAny(name, places))) places.add(to);
        }
      }
    }
    return new Set([...places, ...[...places].flatMap(containersOf)]);
  }

  untag(resource: string, tags: readonly string[], at: number): void {
    const mutes = this.mutes.get(resource) ?? [];
    mutes.push({ at, tags });
    this.mutes.set(resource, mutes);
    this.#lost();
  }

  #lost(): void {
    this.#version += 1;
    this.#losses += 1;
  }

  /** Drops flows that a later, settled flow from the same places covers for every question after the horizon. */
  #pruneLane(lane: Lane): void {
    const flows = lane.flows.filter(({ effect }) => !effect.withdrawn);
    lane.flows = flows;
    const covering = flows[lastUnder(flows, this.horizon)];
    const uncut = lane.from.every(
      (from) => [from, ...containersOf(from)].every((name) => !this.cuts.has(name)) && !this.cutsInside.has(from),
    );
    if (covering === undefined || !covering.step.settled || !uncut || this.mutes.size > 0) return;
    lane.flows = flows.filter(({ at, step }) => at >= covering.at || step.finishedAt > covering.step.finishedAt);
  }

  facts(): string[] {
    const facts: string[] = [];
    for (const [to, lanes] of this.lanes)
      for (const [key, lane] of lanes) {
        const flows = lane.flows.filter(({ effect }) => !effect.withdrawn).map(({ at }) => at);
        if (flows.length > 0) facts.push(`${to} ${key} ${flows.join(" ")}`);
      }
    for (const [resource, cuts] of this.cuts)
      facts.push(`cut ${resource} ${cuts.map(({ at, floor }) => `${at}/${floor}`)}`);
    for (const [resource, mutes] of this.mutes)
      facts.push(`mute ${resource} ${mutes.map(({ at, tags }) => `${at}/${tags}`)}`);
    return facts.sort();
  }
}

interface Move {
  readonly to: string;
  readonly from: readonly string[];
  readonly renamed: boolean;
}

function touchesAny(name: string, places: ReadonlySet<string>): boolean {
  if (places.has(name)) return true;
  for (const place of places) if (overlaps(name, place)) return true;
  return false;
}

/** Into which place an effect moves what. Of an opaque command only what is known of it: not that it may touch anything. */
function movesOf({ opaque }: Step, { effect }: StepEffect): readonly Move[] {
  if (opaque && touches(effect).some(isTarget)) return [];
  const moves: Move[] = [];
  for (const [old, to] of effect.renames ?? []) moves.push({ to, from: [old], renamed: true });
  const carries = effect.operation === "write" || effect.operation === "transform";
  if (!carries || effect.reads.length === 0 || effect.writes.length === 0) return moves;
  if (effect.flows === undefined) {
    for (const to of effect.writes) moves.push({ to, from: effect.reads, renamed: false });
    return moves;
  }
  const into = new Map<string, string[]>();
  for (const [from, to] of effect.flows) into.set(to, [...(into.get(to) ?? []), from]);
  for (const [to, from] of into) moves.push({ to, from, renamed: false });
  return moves;
}

function isTarget(name: string): boolean {
  return !name.includes("/");
}

function merge(parts: readonly Tagged[]): Tagged {
  const found = parts.filter(({ members }) => members.length > 0);
  if (found.length <= 1) return found[0] ?? nothing;
  return {
    members: [...new Set(found.flatMap(({ members }) => members))].sort(),
    tags: [...new Set(found.flatMap(({ tags }) => tags))].sort(),
  };
}

/** What is left of a place's tags; a tag whose kinds are all gone goes with them. */
function unmuted(tags: readonly string[], muted: readonly string[]): readonly string[] {
  if (muted.length === 0 || tags.length === 0) return tags;
  const isMuted = (tag: string) => muted.some((mute) => tag === mute || tag.startsWith(`${mute}.`));
  const kept = tags.filter((tag) => !isMuted(tag));
  return kept.filter((tag) => {
    const kinds = tags.filter((other) => other.startsWith(`${tag}.`));
    return kinds.length === 0 || kinds.some((kind) => !isMuted(kind));
  });
}
