/**
 * The brute-force definition for plain events (DETECTION §6, §7): every sequence is enumerated, every set is written out.
 * Shares nothing with the engine. History only grows here, so what was true of an event at its place stays true of it.
 */
import {
  type Catalog,
  isInside,
  type Known,
  overlap,
  type PlainEffect,
  type PlainLine,
  PlainOrigins,
  touches,
} from "./plain-origins.ts";

export type { Catalog, PlainEffect, PlainLine } from "./plain-origins.ts";

/** Whether one effect, or an event without effects (null), matches; `tags` of what the effect touches. */
export type Matches = (effect: PlainEffect | null, event: PlainLine, tags: readonly string[]) => boolean;

export interface OracleStep {
  readonly name: string;
  readonly matches: Matches | OracleRule;
}

export interface OracleRule {
  readonly name: string;
  readonly kind: "ordered" | "any order" | "events" | "values" | "sum" | "avg" | "percentile" | "share";
  readonly action: "hold" | "block" | "alert";
  readonly steps: readonly OracleStep[];
  readonly runs: readonly number[];
  readonly timespanMs: number;
  /** One name per step and, last, for events of `absent`. */
  readonly groupBy: readonly (readonly string[])[];
  readonly groupNull: boolean;
  readonly links: readonly { readonly from: number; readonly to: number; readonly by: readonly string[] }[];
  readonly distinct: { readonly field: string; readonly min: number } | null;
  readonly absent: readonly { readonly step: OracleStep; readonly between: readonly [number, number] | null }[];
  readonly ways: readonly { readonly happens: readonly number[]; readonly never: readonly number[] }[];
  readonly field: string;
  readonly percentile: number;
  readonly holds: (number: number) => boolean;
}

/** An event at its place, with all that §6 says of it there; and without what opaque events moved. */
interface Placed extends PlainLine {
  readonly at: number;
  readonly live: readonly PlainEffect[];
  readonly all: Known;
  readonly sure: Known;
}

const unique = <T>(all: readonly T[]): T[] => [...new Set(all)];
const narrower = (a: string, b: string) => (isInside(a, b) ? a : b);
const meet = (as: readonly string[], bs: readonly string[]) =>
  unique(as.flatMap((a) => bs.filter((b) => overlap(a, b)).map((b) => narrower(a, b))));
const lasting = new Set(["write", "transform", "delete", "define", "grant"]);
const weakKinds = ["trace", "address"];

/** What is asked of each sequence. */
interface Asked {
  readonly rule: OracleRule;
  readonly places: readonly number[];
  readonly never: readonly number[];
  readonly last: Placed;
  /** Only by strong evidence. */
  readonly sure: boolean;
}

export class PlainOracle {
  readonly #rules: readonly OracleRule[];
  readonly #events: Placed[] = [];
  readonly #origins: PlainOrigins;
  readonly #sureOrigins: PlainOrigins;
  readonly #actors = new Map<string, string>();
  readonly #parents = new Map<string, string>();
  readonly #fired = new Map<OracleRule, Map<string, boolean>>();

  constructor(rules: readonly OracleRule[], catalog: Catalog) {
    this.#rules = rules;
    this.#origins = new PlainOrigins(catalog);
    this.#sureOrigins = new PlainOrigins(catalog);
  }

  /** @returns the lines that `rules run` prints for this event */
  take(line: PlainLine): { rule: string; event: string; action: string; chain: string[] }[] {
    for (const other of line.onBehalfOf ?? []) this.#merge(line.identity, other);
    if (line.task && line.parentTask && !this.#parents.has(line.task) && !this.#above(line.parentTask, line.task))
      this.#parents.set(line.task, line.parentTask);
    const event = this.#place(line);
    if (line.effects && event.live.length === 0) return [];
    this.#events.push(event);
    for (const rule of this.#rules) this.#settle(rule, event);
    const firings = this.#rules.flatMap((rule) => {
      const strong = rule.action === "block" ? this.#fires(rule, event, true) : null;
      const chain = strong ?? this.#fires(rule, event, false);
      const action = rule.action === "block" && strong === null ? "hold" : rule.action;
      return chain === null ? [] : [{ rule: rule.name, event: event.id, action, chain: chain.map(({ id }) => id) }];
    });
    this.#origins.flow(event);
    if (!event.opaque) this.#sureOrigins.flow(event);
    return firings;
  }

  #place(line: PlainLine): Placed {
    const kept = (line.rows ?? 0) > 0;
    const isError = line.outcome === "error";
    const live = (line.effects ?? [])
      .filter(({ operation }) => !isError || (!lasting.has(operation) && kept))
      .map((effect) => (isError ? { ...effect, writes: [], ends: [] } : effect));
    const [all, sure] = [this.#origins.known(line, live), this.#sureOrigins.known(line, live)];
    return { ...line, at: this.#events.length, live, all, sure };
  }

  #merge(one: string, other: string): void {
    const both = [this.#actorOf(one), this.#actorOf(other)].sort();
    for (const name of unique([one, other, ...this.#actors.keys()]))
      if (both.includes(this.#actorOf(name))) this.#actors.set(name, both[0]!);
  }

  #actorOf(identity: string): string {
    return this.#actors.get(identity) ?? identity;
  }

  #above(task: string, ancestor: string): boolean {
    for (let now: string | undefined = task; now !== undefined; now = this.#parents.get(now))
      if (now === ancestor) return true;
    return false;
  }

  // ---- Rules

  /** @param sure also without the tags that opaque events moved */
  #matches({ matches }: OracleStep, event: Placed, sure: boolean): boolean {
    if (typeof matches !== "function") return this.#hasFired(matches, event, sure);
    if (!event.effects) return matches(null, event, []);
    const fits = (effect: PlainEffect, index: number, { tags }: Known) => matches(effect, event, tags[index]!);
    return event.live.some(
      (effect, index) => fits(effect, index, event.all) && (!sure || fits(effect, index, event.sure)),
    );
  }

  /** A firing is an event at its place: what is linked later changes nothing of it. */
  #hasFired(rule: OracleRule, event: Placed, sure: boolean): boolean {
    const known = this.#fired.get(rule) ?? new Map<string, boolean>();
    this.#fired.set(rule, known);
    const key = `${event.at} ${sure}`;
    const fired = known.get(key) ?? this.#fires(rule, event, sure) !== null;
    known.set(key, fired);
    return fired;
  }

  #settle({ steps, absent }: OracleRule, event: Placed): void {
    for (const { matches } of [...steps, ...absent.map(({ step }) => step)]) {
      if (typeof matches === "function") continue;
      this.#settle(matches, event);
      for (const sure of [false, true]) this.#hasFired(matches, event, sure);
    }
  }

  #key(rule: OracleRule, key: number, step: number, event: Placed, sure = false): string[] {
    const name = rule.groupBy[key]![step]!;
    const { lineage } = sure ? event.sure : event.all;
    const found = name === "chain.lineage" ? [...lineage] : this.#field(name, event);
    return found.length === 0 && rule.groupNull ? ["(none)"] : found;
  }

  #field(name: string, event: Placed): string[] {
    if (name === "chain.actor") return [this.#actorOf(event.identity)];
    if (name === "resource") return event.opaque ? [] : touches(event.live);
    if (name === "tags") return unique(event.all.tags.flat());
    if (name === "operation") return event.opaque ? [] : unique(event.live.map(({ operation }) => operation));
    const own = { identity: event.identity, account: event.account, task: event.task, rows: event.rows };
    const value = name in own ? own[name as keyof typeof own] : event.fields[name];
    return value === undefined ? [] : unique([value].flat().map(String));
  }

  #agree(rule: OracleRule, key: number, one: readonly string[], other: readonly string[]): string[] {
    const isUri = rule.groupBy[key]!.some((name) => name === "chain.lineage" || name === "resource");
    return isUri ? meet(one, other) : one.filter((member) => other.includes(member));
  }

  /** @returns the chain of §3 when the rule fires at an event */
  #fires(rule: OracleRule, event: Placed, sure: boolean): Placed[] | null {
    const isChain = rule.kind === "ordered" || rule.kind === "any order";
    const found = isChain ? this.#chains(rule, event, sure) : this.#counts(rule, event, sure);
    return found.reduce<Placed[] | null>((best, chain) => (best && !isLater(chain, best) ? best : chain), null);
  }

  #chains(rule: OracleRule, last: Placed, sure: boolean): Placed[][] {
    const isNear = ({ time, opaque }: Placed) => last.time - time <= rule.timespanMs && !(sure && opaque);
    const before = this.#events.slice(0, last.at + 1).filter(isNear);
    return rule.ways.flatMap(({ happens, never }) => {
      const places = happens.flatMap((step) => Array<number>(rule.runs[step]!).fill(step));
      const fitting = places.map((step) => before.filter((event) => this.#matches(rule.steps[step]!, event, sure)));
      const found: Placed[][] = [];
      const extend = (chain: Placed[]) => {
        const place = chain.length;
        if (place === places.length) {
          if (this.#isAdmissible({ rule, places, never, last, sure }, chain)) found.push(chain);
          return;
        }
        const sameRun = place > 0 && places[place] === places[place - 1];
        for (const event of fitting[place]!)
          if (!chain.includes(event) && ((rule.kind !== "ordered" && !sameRun) || (chain.at(-1)?.at ?? -1) < event.at))
            extend([...chain, event]);
      };
      extend([]);
      return found;
    });
  }

  #isAdmissible({ rule, places, never, last, sure }: Asked, chain: readonly Placed[]): boolean {
    if (!chain.includes(last)) return false;
    const { distinct } = rule;
    if (distinct && unique(chain.flatMap((event) => this.#field(distinct.field, event))).length < distinct.min)
      return false;
    for (const { from, to, by } of rule.links)
      for (const [i, one] of chain.entries())
        for (const [j, other] of chain.entries())
          if (places[i] === from && places[j] === to && !by.some((kind) => this.#linked(kind, one, other, sure)))
            return false;
    const common = rule.groupBy.map((_, key) =>
      chain
        .map((event, place) => this.#key(rule, key, places[place]!, event, sure))
        .reduce((one, other) => this.#agree(rule, key, one, other)),
    );
    if (common.some((members) => members.length === 0)) return false;
    const free = (offenders: readonly Placed[], step: number) =>
      combine(common).some((choice) =>
        offenders.every((event) =>
          choice.some(
            (member, key) => this.#agree(rule, key, [member], this.#key(rule, key, step, event)).length === 0,
          ),
        ),
      );
    const certain = (step: OracleStep, event: Placed) => !event.opaque && this.#matches(step, event, false);
    const frame = this.#events.filter(({ at, time }) => at <= last.at && last.time - time <= rule.timespanMs);
    if (
      !never.every((step) =>
        free(
          frame.filter((event) => certain(rule.steps[step]!, event)),
          step,
        ),
      )
    )
      return false;
    return rule.absent.every(({ step, between }) => {
      if (between?.some((place) => !places.includes(place))) return true;
      const ends = between ? between.map((place) => chain[places.lastIndexOf(place)]!.at) : chain.map(({ at }) => at);
      const inside = this.#events.filter(({ at }) => at > Math.min(...ends) && at < Math.max(...ends));
      const outsiders = inside.filter(({ identity }) => !chain.some((event) => event.identity === identity));
      return free(
        outsiders.filter((event) => certain(step, event)),
        rule.steps.length,
      );
    });
  }

  #linked(kind: string, x: Placed, y: Placed, sure: boolean): boolean {
    const [a, b] = x.at < y.at ? [x, y] : [y, x];
    if (sure && weakKinds.includes(kind)) return false;
    const [mine, theirs] = sure ? [a.sure, b.sure] : [a.all, b.all];
    if (kind === "flow") return theirs.flowsFrom.has(a.at);
    if (kind === "lineage") return meet(mine.lineage, theirs.lineage).length > 0;
    if (kind === "resource") return meet(touches(a.live), touches(b.live)).length > 0;
    if (kind === "actor") return this.#actorOf(a.identity) === this.#actorOf(b.identity);
    if (kind === "task") return !!a.task && !!b.task && (this.#above(a.task, b.task) || this.#above(b.task, a.task));
    return this.#field(kind, a).some((value) => this.#field(kind, b).includes(value));
  }

  #counts(rule: OracleRule, last: Placed, sure: boolean): Placed[][] {
    const fitting = (event: Placed, sure = false) =>
      rule.steps.flatMap((step, place) => (this.#matches(step, event, sure) ? [place] : []));
    const share = (counted: readonly Placed[], key: number) =>
      counted
        .map((event) => this.#key(rule, key, 0, event, true))
        .reduce((one, other) => this.#agree(rule, key, one, other)).length > 0;
    const isSure = (counted: readonly Placed[]) =>
      counted.every((event) => !event.opaque && fitting(event, true).length > 0) &&
      rule.groupBy.every(([name], key) => name !== "chain.lineage" || share(counted, key));
    const groups = fitting(last).flatMap((place) =>
      combine(rule.groupBy.map((_, key) => this.#key(rule, key, place, last))),
    );
    const before = this.#events.slice(0, last.at + 1).filter(({ time }) => last.time - time <= rule.timespanMs);
    return groups.flatMap((group) => {
      const counted = before.filter((event) =>
        fitting(event).some((place) =>
          group.every((member, key) => this.#agree(rule, key, [member], this.#key(rule, key, place, event)).length > 0),
        ),
      );
      return this.#holds(rule, counted, last) && (!sure || isSure(counted)) ? [counted] : [];
    });
  }

  #holds({ kind, field, percentile, holds }: OracleRule, counted: readonly Placed[], last: Placed): boolean {
    if (kind === "events") return holds(counted.length);
    const values = counted.map((event) => this.#field(field, event));
    if (kind === "values") return holds(unique(values.flat()).length);
    const having = values.filter((own) => own.length > 0).length;
    if (kind === "share")
      return this.#field(field, last).some((value) =>
        holds((100 * values.filter((own) => own.includes(value)).length) / having),
      );
    const numbers = values
      .flat()
      .filter((text) => /^-?[0-9.]+$/.test(text))
      .map(Number);
    const sum = numbers.reduce((one, other) => one + other, 0);
    if (kind === "sum") return holds(sum);
    if (numbers.length === 0) return false;
    if (kind === "avg") return holds(sum / numbers.length);
    const sorted = numbers.sort((a, b) => a - b);
    const place = ((sorted.length - 1) * percentile) / 100;
    const under = sorted[Math.floor(place)]!;
    return holds(under + (sorted[Math.ceil(place)]! - under) * (place % 1));
  }
}

function combine(sets: readonly (readonly string[])[]): string[][] {
  return sets.reduce<string[][]>(
    (made, set) => made.flatMap((choice) => set.map((member) => [...choice, member])),
    [[]],
  );
}

/** Latest positions, compared from the last step backwards; where one is the other's end, the longer one. */
function isLater(one: readonly Placed[], other: readonly Placed[]): boolean {
  const [a, b] = [one, other].map((chain) => chain.map(({ at }) => at).reverse());
  const index = a!.findIndex((at, i) => at !== b![i]);
  return index !== -1 && (b![index] === undefined || a![index]! > b![index]!);
}
