/**
 * Where data came from (DETECTION §6: Flow, Tags, Lineage, Data). Flows are kept as edges with positions and followed
 * backwards on demand, so that a withdrawal is a mark, not an undo, and one walk answers origins, tags and `flow` links.
 *
 * A flow is open until its command is known to be finished: what comes to its sources until then counts as having been there,
 * since a copy may wait for a lock. An end (DROP, TRUNCATE) is a cut at the position where its transaction is known committed;
 * it loses only what commands brought that had finished before the ending one was decided. A rename is a flow and, once it
 * lasts, an end.
 * An opaque command moves what its known effects move, which is weak evidence, and ends nothing; that it may touch
 * anything moves nothing. Effects of one command are folded in order. A column is inside its table: it has what came to the table, not what came to its siblings.
 */
import { type Catalog, containersOf, overlaps } from "../../infra/catalog.ts";
import { touches } from "../../infra/rules/field.ts";
import { type Cut, type Edges, type Flow, type Lane, type Mute, type Settled, unsettle, untilOf } from "./edges.ts";
import { isIntertwined, laneKey, type Move, movesOf } from "./moves.ts";
import { Near } from "./near.ts";
import { insert } from "./order.ts";
import type { Step } from "./step.ts";
import { merge, nothing, type Tagged, unmuted } from "./tagged.ts";
import { type Reached, type Seen, walk } from "./walk.ts";

/** A flow whose command is not known to be finished. */
interface Open {
  readonly to: string;
  readonly lane: Lane;
  readonly flow: Flow;
}

const now: Seen = { since: Number.POSITIVE_INFINITY, until: Number.POSITIVE_INFINITY };

export class Lineage implements Edges {
  readonly lanes = new Map<string, Map<string, Lane>>();
  readonly settled = new Map<string, Settled[]>();
  readonly inside = new Map<string, Set<string>>();
  readonly cuts = new Map<string, Cut[]>();
  readonly mutes = new Map<string, Mute[]>();
  readonly marks = new Map<string, number[]>();
  readonly marksInside = new Map<string, number[]>();
  /** Something was moved by an opaque command: then there are weak ways. */
  isDark = false;
  /** What is not finished, by step; and by where it comes from. */
  readonly #open = new Map<Step, Open[]>();
  readonly #openFrom = new Near<Open>();
  /** Steps that brought what only another engine saw. */
  readonly #heard = new Map<Step, Open[]>();
  /** Goes up when an earlier answer may be wrong. */
  #version = 0;
  /** Goes up when something was lost: withdrawal, end, untag. */
  #losses = 0;
  readonly #current = new Map<string, { version: number; tagged: Tagged }>();
  /** By place: members and tags that have come to it since something was lost last. */
  readonly #carried = new Map<string, { losses: number; known: Set<string> }>();
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
    const tagged = this.taggedAt([resource], now);
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

  /** As it was seen then, with what has been withdrawn since left out. */
  taggedAt(resources: readonly string[], seen: Seen, strongOnly = false, before?: number): Tagged {
    const found = new Map<string, Set<string>>();
    for (const { resource, muted } of walk(this, resources, seen, strongOnly, before)) {
      const tags = unmuted(this.#catalog.tagsOf(resource), muted);
      if (tags.length > 0) found.set(resource, new Set([...(found.get(resource) ?? []), ...tags]));
    }
    if (found.size === 0) return nothing;
    return {
      members: [...found.keys()].sort(),
      tags: [...new Set([...found.values()].flatMap((set) => [...set]))].sort(),
    };
  }

  /** Everything that data in these places can have come from, with the latest time it could have left. */
  reach(resources: readonly string[], seen: Seen, strongOnly = false): readonly Reached[] {
    return walk(this, resources, seen, strongOnly);
  }

  /** Tags per effect of a step that is only asked about, each with what the effects before it will bring. */
  tagsInOrder(step: Step): (readonly string[])[] {
    const news: { readonly to: string; readonly tagged: Tagged }[] = [];
    const look = (names: readonly string[]): Tagged => {
      const before = this.taggedNow(names);
      const own = news.filter(({ to }) => names.some((name) => overlaps(name, to)));
      return own.length === 0 ? before : merge([before, ...own.map(({ tagged }) => tagged)]);
    };
    return step.effects.map((effect) => {
      const { tags } = look(touches(effect.effect));
      const moves = effect.withdrawn ? [] : movesOf(step, effect);
      news.push(...moves.map(({ to, from }) => ({ to, tagged: look(from) })));
      return tags;
    });
  }

  /** Adds what a step moves. @returns places that may have gained tags, each once: also by flows that are open still */
  add(step: Step): readonly string[] {
    const moves: Move[] = [];
    const ordered = isIntertwined(step);
    for (const [index, effect] of step.effects.entries()) {
      if (effect.withdrawn) continue;
      const flow: Flow = { at: step.at + index / step.effects.length, step, effect };
      for (const move of movesOf(step, effect)) {
        this.#enter(flow, move, step, ordered);
        moves.push(move);
      }
    }
    return this.#spread(moves);
  }

  /**
   * What another engine said has come to a place: a move of its own where this one sees less.
   * @param step that brought it, where it is still known: the move ends with it. @returns places that gained by it
   */
  hear(
    told: { resource: string; tags: readonly string[]; from: readonly string[] },
    at: number,
    step: Step | null,
  ): readonly string[] {
    const known = this.tagged(told.resource).tags;
    if (told.from.length === 0 || told.tags.every((tag) => known.includes(tag))) return [];
    const move = { to: told.resource, from: told.from, renamed: false };
    if (step === null) {
      const flow = { at, step: { finishedAt: at, lostAt: Number.POSITIVE_INFINITY }, effect: { withdrawn: false } };
      this.#enter(flow, move, null, false);
      return this.#spread([move]);
    }
    const effect = step.effects.find(({ effect: { writes } }) => writes.some((name) => overlaps(name, told.resource)));
    const flow: Flow = { at: step.at, step, effect: effect ?? step.effects[0] ?? { withdrawn: false } };
    const heard = this.#heard.get(step) ?? [];
    heard.push(this.#enter(flow, move, step, false));
    this.#heard.set(step, heard);
    return this.#spread([move]);
  }

  #enter(flow: Flow, { to, from, renamed }: Move, step: Step | null, ordered: boolean): Open {
    const opaque = step?.opaque ?? false;
    if (opaque) this.isDark = true;
    const lanes = this.lanes.get(to) ?? this.#place(to);
    const key = laneKey({ from, renamed, opaque, ordered });
    const lane = lanes.get(key) ?? { from, renamed, opaque, ordered, flows: [], until: [] };
    lanes.set(key, lane);
    unsettle(lane, flow);
    insert(lane.flows, flow);
    const open = { to, lane, flow };
    if (step === null || step.finishedAt !== Number.POSITIVE_INFINITY) return open;
    const others = this.#open.get(step);
    if (others === undefined) this.#open.set(step, [open]);
    else others.push(open);
    this.#openFrom.add(open, from);
    return open;
  }

  /** What comes on from there: at once by these moves, and by what is open wherever it comes to. */
  #spread(moves: readonly Pick<Move, "to" | "from">[]): readonly string[] {
    const gained = new Set<string>();
    const left = [...moves];
    for (let move = left.pop(); move !== undefined; move = left.pop()) {
      if (!this.#isNews(move)) continue;
      gained.add(move.to);
      for (const { to, lane } of this.#openFrom.about(move.to)) left.push({ to, from: lane.from });
    }
    return [...gained].sort();
  }

  #isNews({ to, from }: Pick<Move, "to" | "from">): boolean {
    const carried = this.#carried.get(to);
    const known = carried?.losses === this.#losses ? carried.known : new Set<string>();
    const isKnown = ({ members, tags }: Tagged) =>
      members.every((name) => known.has(name)) && tags.every((tag) => known.has(` ${tag}`));
    if (isKnown(this.taggedNow(from))) return false;
    // Not all that is there comes along: a later effect of the same command may have brought it.
    const there = this.taggedAt([to], now);
    if (isKnown(there)) return false;
    for (const member of there.members) known.add(member);
    for (const tag of there.tags) known.add(` ${tag}`);
    this.#carried.set(to, { losses: this.#losses, known });
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

  /** The step is finished: nothing comes by its flows any more. */
  close(step: Step): void {
    for (const open of this.#open.get(step) ?? []) {
      unsettle(open.lane, open.flow);
      this.#openFrom.delete(open);
    }
    this.#open.delete(step);
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
    this.#mark(resource, at);
  }

  #mark(resource: string, at: number): void {
    const put = (marks: Map<string, number[]>, name: string) => {
      const positions = marks.get(name);
      if (positions === undefined) marks.set(name, [at]);
      else if (positions.at(-1) !== at) positions.push(at);
    };
    put(this.marks, resource);
    for (const container of containersOf(resource)) put(this.marksInside, container);
    this.#lost();
  }

  /** @returns whether the step had moved anything, so that other steps must be looked at again */
  withdraw(step: Step): boolean {
    const heard = this.#heard.get(step) ?? [];
    for (const { lane, flow } of heard) unsettle(lane, flow);
    let moved = heard.length > 0;
    const kind = { opaque: step.opaque, ordered: isIntertwined(step) };
    for (const [index, effect] of step.effects.entries()) {
      if (!effect.withdrawn) continue;
      const at = step.at + index / step.effects.length;
      for (const move of movesOf(step, effect)) {
        const lane = this.lanes.get(move.to)?.get(laneKey({ ...move, ...kind }));
        if (lane !== undefined) unsettle(lane, { at, step, effect });
        moved = true;
      }
    }
    for (const open of this.#open.get(step) ?? []) if (open.flow.effect.withdrawn) this.#openFrom.delete(open);
    if (moved) this.#lost();
    return moved;
  }

  /** Places that what the step moved can have come to, and what contains them. */
  downstream(step: Step): ReadonlySet<string> {
    const places = new Set<string>(step.effects.flatMap((effect) => movesOf(step, effect).map(({ to }) => to)));
    for (const { to } of this.#heard.get(step) ?? []) places.add(to);
    for (let before = -1; before !== places.size; ) {
      before = places.size;
      for (const [to, lanes] of this.lanes) {
        if (places.has(to)) continue;
        for (const lane of lanes.values()) {
          const isLater = untilOf(lane, lane.flows.length - 1) > step.at;
          if (isLater && lane.from.some((name) => touchesAny(name, places))) places.add(to);
        }
      }
    }
    return new Set([...places, ...[...places].flatMap(containersOf)]);
  }

  untag(resource: string, tags: readonly string[], at: number): void {
    const mutes = this.mutes.get(resource) ?? [];
    mutes.push({ at, tags });
    this.mutes.set(resource, mutes);
    this.#mark(resource, at);
  }

  #lost(): void {
    this.#version += 1;
    this.#losses += 1;
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

function touchesAny(name: string, places: ReadonlySet<string>): boolean {
  if (places.has(name)) return true;
  for (const place of places) if (overlaps(name, place)) return true;
  return false;
}
