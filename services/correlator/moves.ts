/** What one effect of a command moves, and from where (DETECTION §6, Flow). */
import { containersOf, overlaps } from "../../infra/catalog.ts";
import { touches } from "../../infra/rules/field.ts";
import { type Edges, type Flow, type Lane, type Move, type News, untilOf } from "./edges.ts";
import { allSized } from "./sized.ts";
import type { Step, StepEffect } from "./step.ts";

/** Into which place an effect moves what. Of an opaque command only what is known of it: not that it may touch anything. */
export function movesOf({ opaque, commit }: Step, { effect }: StepEffect): readonly Move[] {
  if (commit || (opaque && touches(effect).some(isTarget))) return [];
  const moves: Move[] = [];
  for (const [old, to] of effect.renames ?? []) moves.push({ to: [to], from: [old], renamed: true });
  const carries = effect.operation === "write" || effect.operation === "transform";
  if (!carries || effect.reads.length === 0 || effect.writes.length === 0) return moves;
  if (effect.flows === undefined) {
    moves.push({ to: effect.writes, from: effect.reads, renamed: false });
    return moves;
  }
  const into = new Map<string, string[]>();
  for (const [from, to] of effect.flows) {
    const sources = into.get(to);
    if (sources === undefined) into.set(to, [from]);
    else sources.push(from);
  }
  for (const [to, from] of into) moves.push({ to: [to], from, renamed: false });
  return moves;
}

/** The same of all effects of a command that count, with where each begins. */
export function newsOf(step: Step): readonly News[] {
  const news: News[] = [];
  for (const [index, effect] of step.effects.entries()) {
    if (effect.withdrawn) continue;
    const flow: Flow = { at: step.at + index / step.effects.length, step, effect };
    for (const move of movesOf(step, effect)) news.push({ flow, move });
  }
  return news;
}

/** @returns places that what a step moved, or was heard to move, can have come to */
export function downstreamOf(all: Edges["lanes"], step: Step, heard: readonly News[]): Places {
  const moves = [...step.effects.flatMap((effect) => movesOf(step, effect)), ...heard.map(({ move }) => move)];
  const places = new Places(moves.flatMap(({ to }) => to));
  for (let before = -1; before !== places.names.size; ) {
    before = places.names.size;
    for (const [to, lanes] of all) {
      if (places.names.has(to)) continue;
      for (const lane of lanes.values()) {
        const isLater = untilOf(lane, lane.flows.length - 1) > step.at;
        if (isLater && lane.from.some((name) => places.meet(name))) places.add(to);
      }
    }
  }
  return places;
}

function isTarget(name: string): boolean {
  return !name.includes("/");
}

/** Comparing more than this costs more than taking care of the order. */
const comparedMax = 4_096;

/** Whether what one effect brings comes to where it, or an earlier one of its command, looks: then their order matters. */
export function isIntertwined(step: Step): boolean {
  const before = new Places([]);
  let compared = 0;
  for (const effect of step.effects) {
    const moves = movesOf(step, effect);
    compared += moves.length ** 2;
    if (compared > comparedMax) return true;
    const sources = moves.map(({ from }) => new Places(from));
    for (const [index, { to }] of moves.entries()) {
      if (to.some((name) => before.meet(name))) return true;
      const isOwn = (other: number) => other === index && to.length === 1;
      if (sources.some((places, other) => !isOwn(other) && to.some((name) => places.meet(name)))) return true;
    }
    if (step.effects.length > 1) for (const name of touches(effect.effect)) before.add(name);
  }
  return false;
}

/** Places among which one that overlaps a name is found without comparing all. */
export class Places {
  readonly names = new Set<string>();
  readonly #around = new Set<string>();

  constructor(names: readonly string[]) {
    for (const name of names) this.add(name);
  }

  add(name: string): void {
    this.names.add(name);
    for (const container of containersOf(name)) this.#around.add(container);
  }

  /** Those that overlap a name. */
  about(name: string): readonly string[] {
    if (this.#around.has(name)) return [...this.names];
    return [name, ...containersOf(name)].filter((place) => this.names.has(place));
  }

  meet(name: string): boolean {
    return this.names.has(name) || this.#around.has(name) || containersOf(name).some((outer) => this.names.has(outer));
  }
}

/** Whether any two of them overlap. */
export function meets(one: readonly string[], other: readonly string[]): boolean {
  if (one.length * other.length <= pairsMax) return one.some((left) => other.some((right) => overlaps(left, right)));
  const places = new Places(one);
  return other.some((name) => places.meet(name));
}

/** Comparing so many pairs is cheaper than making sets. */
const pairsMax = 64;

export function laneKey({ from, renamed, opaque, ordered }: Omit<Lane, "flows" | "until">): string {
  return `${opaque ? "opaque " : ""}${ordered ? "in order " : ""}${renamed ? "renamed" : "moved"} ${allSized(from)}`;
}
