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
import type { Limits } from "../../schemas/limits.ts";
import {
  type Cut,
  type Edges,
  type Flow,
  type KeptLineage,
  type Lane,
  type Move,
  type Mute,
  type News,
  type Open,
  type Settled,
  unsettle,
  type Work,
} from "./edges.ts";
import { downstreamOf, isIntertwined, laneKey, meets, movesOf, newsOf, type Places } from "./moves.ts";
import { Near } from "./near.ts";
import { insert } from "./order.ts";
import { forgetBefore, marksOf, settle } from "./settle.ts";
import type { Step } from "./step.ts";
import { TagCache } from "./tag-cache.ts";
import { anyIn, isAmong, merge, nothing, type Tagged, tagsOf } from "./tagged.ts";
import { type Reached, type Seen, walk } from "./walk.ts";

export type LineageLimits = Pick<
  Limits,
  "flowsSettledEvery" | "flowsOpenMax" | "originsPerResourceMax" | "lineageLooksMax"
>;

/** So many places are looked at in one walk rather than each by itself. */
const togetherFrom = 64;
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
  readonly #heard = new Map<Step, News[]>();
  readonly #cache = new TagCache();
  /** Flows since history was put in short last, and up to where that was. */
  #entered = 0;
  #settledAt = 0;
  #catalog: Catalog;

  readonly work: Work;

  /** @param looksMax places that one walk looks at before it forgets about order and ends */
  constructor(catalog: Catalog, looksMax = Number.POSITIVE_INFINITY) {
    this.#catalog = catalog;
    this.work = { looks: 0, looksMax };
  }

  retag(catalog: Catalog): void {
    this.#catalog = catalog;
    this.#cache.clear();
  }

  /** Origins that count and their tags, now. */
  tagged(resource: string): Tagged {
    const known = this.#cache.of(resource);
    if (known !== undefined) return known;
    const reached = this.#notice(walk(this, [resource], now, false));
    const tagged = tagsOf(reached, this.#catalog);
    this.#cache.keep(
      resource,
      tagged,
      reached.map((one) => one.resource),
    );
    return tagged;
  }

  /** The same for several, merged. */
  taggedNow(resources: readonly string[]): Tagged {
    const only = resources[0];
    if (only === undefined) return nothing;
    if (resources.length > togetherFrom) return this.taggedAt(resources, now);
    return resources.length === 1 ? this.tagged(only) : merge(resources.map((resource) => this.tagged(resource)));
  }

  /** As it was seen then, with what has been withdrawn since left out. Strong is nothing of what was found without order. */
  taggedAt(resources: readonly string[], seen: Seen, strongOnly = false, before?: number): Tagged {
    const reached = this.#notice(walk(this, resources, seen, strongOnly, before));
    return strongOnly && reached[0]?.coarse ? nothing : tagsOf(reached, this.#catalog);
  }

  /** A walk that gave up order found too much: from here on strong ties are asked for apart. */
  #notice(reached: readonly Reached[]): readonly Reached[] {
    if (reached[0]?.coarse) this.isDark = true;
    return reached;
  }

  /** Everything that data in these places can have come from, with the latest time it could have left. */
  reach(resources: readonly string[], seen: Seen, strongOnly = false): readonly Reached[] {
    return walk(this, resources, seen, strongOnly);
  }

  /** Tags per effect of a step that is only asked about, each with what the effects before it will bring. */
  tagsInOrder(step: Step): (readonly string[])[] {
    const news: { readonly to: readonly string[]; readonly tagged: Tagged }[] = [];
    const look = (names: readonly string[]): Tagged => {
      const before = this.taggedNow(names);
      const own = news.filter(({ to }) => meets(names, to));
      return own.length === 0 ? before : merge([before, ...own.map(({ tagged }) => tagged)]);
    };
    return step.effects.map((effect) => {
      const { tags } = look(touches(effect.effect));
      const moves = effect.withdrawn ? [] : movesOf(step, effect);
      news.push(...moves.map(({ to, from }) => ({ to, tagged: look(from) })));
      return tags;
    });
  }

  /** Adds what a step moves. @returns places that gained tags, each once: also by flows that are open still */
  add(step: Step): readonly string[] {
    const news = newsOf(step);
    return news.length === 0 ? [] : this.#bring(news, step, isIntertwined(step));
  }

  /** The same where nobody asks what gained, and nothing is open. */
  put(step: Step): void {
    const ordered = isIntertwined(step);
    for (const { flow, move } of newsOf(step)) {
      this.#enter(flow, move, step, ordered);
      for (const place of move.to) this.#cache.drop(place);
    }
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
    const move = { to: [told.resource], from: told.from, renamed: false };
    if (step === null) {
      const flow = { at, step: { finishedAt: at, lostAt: Number.POSITIVE_INFINITY }, effect: { withdrawn: false } };
      return this.#bring([{ flow, move }], null, false);
    }
    const effect = step.effects.find(({ effect: { writes } }) => writes.some((name) => overlaps(name, told.resource)));
    const flow: Flow = { at: step.at, step, effect: effect ?? step.effects[0] ?? { withdrawn: false } };
    const heard = this.#heard.get(step) ?? [];
    heard.push({ flow, move });
    this.#heard.set(step, heard);
    return this.#bring([{ flow, move }], step, false);
  }

  /** @returns where it, or what is open and comes on from there, brought what was not there before */
  #bring(news: readonly News[], step: Step | null, ordered: boolean): readonly string[] {
    const isOld = ({ move: { from, to } }: News) => {
      const source = this.taggedNow(from);
      // What is open there may carry on from this command what it does not carry on from another.
      return to.every((place) => isAmong(source, this.everywhereIn(place)) && this.#openFrom.isQuiet(place));
    };
    const before = news.every(isOld) ? null : this.#comesTo(news);
    for (const { flow, move } of news) this.#enter(flow, move, step, ordered);
    // What contains a place names it from now on, whatever it brings.
    for (const place of before?.keys() ?? news.flatMap(({ move }) => move.to)) this.#cache.drop(place);
    if (before === null) return [];
    // What was renamed brings to each column its own: that is not compared column by column.
    const renamed = new Set(news.flatMap(({ move }) => (move.renamed ? move.to : [])));
    const isSame = (place: string, [all, each]: readonly [Tagged, Tagged]) =>
      isAmong(this.tagged(place), all) && isAmong(this.everywhereIn(place), each) && !renamed.has(place);
    return [...before].flatMap(([place, was]) => (isSame(place, was) ? [] : place)).sort();
  }

  /** What any place inside has, whatever its name: what came to this one as a whole. */
  everywhereIn(place: string): Tagged {
    const any = place.includes("#") ? place : anyIn(place);
    return any === null ? nothing : this.tagged(any);
  }

  /** Places that these moves can bring something to, with what is there: anywhere in it, and everywhere in it. */
  #comesTo(news: readonly News[]): Map<string, readonly [Tagged, Tagged]> {
    const places = new Map<string, readonly [Tagged, Tagged]>();
    const left = news.flatMap(({ move: { to } }) => to);
    for (let place = left.pop(); place !== undefined; place = left.pop()) {
      if (places.has(place)) continue;
      places.set(place, [this.tagged(place), this.everywhereIn(place)]);
      for (const { move } of this.#openFrom.about(place)) left.push(...move.to);
    }
    return places;
  }

  #enter(flow: Flow, move: Move, step: Step | null, ordered: boolean): void {
    const { to, from, renamed } = move;
    const opaque = step?.opaque ?? false;
    if (opaque) this.isDark = true;
    const key = laneKey({ from, renamed, opaque, ordered });
    const into: Lane[] = [];
    for (const place of to) {
      const lanes = this.lanes.get(place) ?? this.#place(place);
      const lane = lanes.get(key) ?? { from, renamed, opaque, ordered, flows: [], until: [] };
      lanes.set(key, lane);
      unsettle(lane, flow);
      insert(lane.flows, flow);
      into.push(lane);
    }
    this.#entered += to.length;
    if (step === null || step.finishedAt !== Number.POSITIVE_INFINITY) return;
    const open = { flow, move, lanes: into };
    const others = this.#open.get(step);
    if (others === undefined) this.#open.set(step, [open]);
    else others.push(open);
    this.#openFrom.add(open, from);
  }

  #place(to: string): Map<string, Lane> {
    const lanes = new Map<string, Lane>();
    this.lanes.set(to, lanes);
    this.#contain(to);
    return lanes;
  }

  #contain(place: string): void {
    for (const container of containersOf(place)) {
      const inside = this.inside.get(container) ?? new Set();
      this.inside.set(container, inside.add(place));
    }
  }

  /** The step is finished: nothing comes by its flows any more. */
  close(step: Step): void {
    for (const open of this.#open.get(step) ?? []) {
      for (const lane of open.lanes) unsettle(lane, open.flow);
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

  /** A session is closed: its temporary tables (`…/pg_temp.<name>@<session>`) are gone with it. */
  endSession(session: string, at: number): void {
    for (const [container, places] of this.inside)
      if (container.endsWith("/pg_temp"))
        for (const table of new Set([...places].map((place) => place.split("#")[0] ?? place)))
          if (table.endsWith(`@${session}`)) this.#cut(table, at, at);
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
    this.#cache.drop(resource);
  }

  /** @returns whether the step had moved anything, so that other steps must be looked at again */
  withdraw(step: Step): boolean {
    const heard = this.#heard.get(step) ?? [];
    for (const { flow, move } of heard) this.#touch(flow, move, false, step);
    let moved = heard.length > 0;
    const ordered = isIntertwined(step);
    for (const [index, effect] of step.effects.entries()) {
      if (!effect.withdrawn) continue;
      const at = step.at + index / step.effects.length;
      for (const move of movesOf(step, effect)) {
        this.#touch({ at, step, effect }, move, ordered, step);
        moved = true;
      }
    }
    for (const open of this.#open.get(step) ?? []) if (open.flow.effect.withdrawn) this.#openFrom.delete(open);
    return moved;
  }

  /** A flow may count no more: what was worked out from it is not right. */
  #touch(flow: Flow, move: Move, ordered: boolean, { opaque }: Step): void {
    const key = laneKey({ ...move, opaque, ordered });
    for (const place of move.to) {
      const lane = this.lanes.get(place)?.get(key);
      if (lane !== undefined) unsettle(lane, flow);
      this.#cache.drop(place);
    }
  }

  /** Places that what the step moved can have come to. */
  downstream(step: Step): Places {
    return downstreamOf(this.lanes, step, this.#heard.get(step) ?? []);
  }

  untag(resource: string, tags: readonly string[], at: number): void {
    const mutes = this.mutes.get(resource) ?? [];
    mutes.push({ at, tags });
    this.mutes.set(resource, mutes);
    this.#mark(resource, at);
  }

  /**
   * Puts what is older than every question in short, once that is worth it.
   * @param horizon no question goes further back
   * @param oldest of what may still be withdrawn or found to last, if that is before the horizon
   */
  forget(horizon: number, oldest: number, limits: LineageLimits): void {
    const before = this.#entered >= limits.flowsOpenMax ? horizon : Math.min(horizon, oldest);
    if (this.#entered < limits.flowsSettledEvery || before <= this.#settledAt) return;
    this.#entered = 0;
    this.#settledAt = before;
    const settled = settle(this, before, this.#catalog, limits.originsPerResourceMax);
    this.settled.clear();
    for (const [place, origins] of settled) {
      this.settled.set(place, origins);
      if (origins.some(({ opaque }) => opaque)) this.isDark = true;
    }
    forgetBefore(before, this.lanes, this.cuts);
    for (const step of this.#heard.keys()) if (step.finishedAt < before) this.#heard.delete(step);
    this.#reindex();
    this.#cache.clear();
  }

  #reindex(): void {
    const [own, inside] = marksOf(this);
    this.marks.clear();
    this.marksInside.clear();
    this.inside.clear();
    for (const [name, positions] of own) this.marks.set(name, positions);
    for (const [name, positions] of inside) this.marksInside.set(name, positions);
    for (const place of new Set([...this.lanes.keys(), ...this.settled.keys()])) this.#contain(place);
  }

  kept(): KeptLineage {
    const open = [...this.#open.values()].flat();
    return {
      ...{ lanes: this.lanes, settled: this.settled, cuts: this.cuts, mutes: this.mutes, isDark: this.isDark },
      ...{ open: [...this.#open], heard: [...this.#heard], entered: this.#entered, settledAt: this.#settledAt },
      closed: open.filter((one) => !this.#openFrom.has(one)),
    };
  }

  /** Into an empty one. */
  restore(kept: KeptLineage, catalog: Catalog): void {
    this.#catalog = catalog;
    for (const [name, lanes] of kept.lanes) this.lanes.set(name, lanes);
    for (const [name, origins] of kept.settled) this.settled.set(name, origins);
    for (const [name, cuts] of kept.cuts) this.cuts.set(name, cuts);
    for (const [name, mutes] of kept.mutes) this.mutes.set(name, mutes);
    for (const [step, open] of kept.open) this.#open.set(step, open);
    for (const [step, news] of kept.heard) this.#heard.set(step, news);
    const closed = new Set(kept.closed);
    for (const one of kept.open.flatMap(([, open]) => open))
      if (!closed.has(one)) this.#openFrom.add(one, one.move.from);
    [this.isDark, this.#entered, this.#settledAt] = [kept.isDark, kept.entered, kept.settledAt];
    this.#reindex();
  }
}
