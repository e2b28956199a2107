/**
 * Flows, cuts and mutes as the walk backwards reads them. A flow is open from its decision until its command is known to be
 * finished: whatever is at its sources in between may have gone along, because a copy may wait for a lock.
 */
import { containersOf } from "../../infra/catalog.ts";
import { lastUnder } from "./order.ts";
import type { Step, StepEffect } from "./step.ts";

/** All of these places are brought what is at all of those. */
export interface Move {
  readonly to: readonly string[];
  readonly from: readonly string[];
  /** The whole place was renamed: what is inside comes from what was inside. */
  readonly renamed: boolean;
}

/** One command's move of data into a place. */
export interface Flow {
  /** The command's place; effects of one command begin one after another, at fractions of it. */
  readonly at: number;
  readonly step: Pick<Step, "finishedAt" | "lostAt">;
  readonly effect: Pick<StepEffect, "withdrawn">;
}

/** Moves from the same places into the same place, in the order in which they began. */
export interface Lane {
  readonly from: readonly string[];
  /** The whole place was renamed: what is inside comes from what was inside. */
  readonly renamed: boolean;
  /** By opaque commands: weak ways. */
  readonly opaque: boolean;
  /** By commands that move several times: what a later effect of the same command brings does not come on by an earlier. */
  readonly ordered: boolean;
  readonly flows: Flow[];
  /** For the first flows: the latest end of any up to there. As many as are still right. */
  readonly until: number[];
}

export interface News {
  readonly flow: Flow;
  readonly move: Move;
}

/** A flow whose command is not known to be finished. */
export interface Open extends News {
  /** Into each of its places one. */
  readonly lanes: readonly Lane[];
}

/** Places looked at by all walks so far, and how many one walk may look at. */
export interface Work {
  looks: number;
  readonly looksMax: number;
}

export interface KeptLineage {
  readonly lanes: ReadonlyMap<string, Map<string, Lane>>;
  readonly settled: ReadonlyMap<string, Settled[]>;
  readonly cuts: ReadonlyMap<string, Cut[]>;
  readonly mutes: ReadonlyMap<string, Mute[]>;
  readonly isDark: boolean;
  readonly open: readonly (readonly [Step, Open[]])[];
  /** Of these, the ones that were withdrawn. */
  readonly closed: readonly Open[];
  readonly heard: readonly (readonly [Step, News[]])[];
  readonly entered: number;
  readonly settledAt: number;
}

/** `floor`: what had finished before this position is lost. In force after `at`. */
export interface Cut {
  readonly at: number;
  readonly floor: number;
}

/** A person's word that what a place held until then no longer has these tags. */
export interface Mute {
  readonly at: number;
  readonly tags: readonly string[];
}

/** What had come to a place before the history that is kept: an origin, and when the last of it arrived and had left. */
export interface Settled {
  readonly resource: string;
  /** What was there before this position can have come along. */
  readonly at: number;
  readonly muted: readonly string[];
  /** Until when it came; and as far as is known, where what brought it was lost sight of. */
  readonly until: number;
  readonly known: number;
  readonly opaque: boolean;
  /** What is inside the place comes from what is inside the origin. */
  readonly renamed: boolean;
  /** Place of the effect that brought it, where its flow is kept besides: the effect itself sees nothing of it. */
  readonly by?: number;
}

export interface Edges {
  /** Something was moved by an opaque command: then there are weak ways. */
  readonly isDark: boolean;
  readonly lanes: ReadonlyMap<string, ReadonlyMap<string, Lane>>;
  readonly settled: ReadonlyMap<string, readonly Settled[]>;
  /** Places with lanes or settled origins inside a container. */
  readonly inside: ReadonlyMap<string, ReadonlySet<string>>;
  readonly cuts: ReadonlyMap<string, readonly Cut[]>;
  readonly mutes: ReadonlyMap<string, readonly Mute[]>;
  /** Positions of cuts and mutes, by place and by what contains it, in order. */
  readonly marks: ReadonlyMap<string, readonly number[]>;
  readonly marksInside: ReadonlyMap<string, readonly number[]>;
  readonly work: Work;
}

/** Until when a flow brings what comes to its sources; -1 when it does not count. */
function endOf({ at, step, effect }: Flow): number {
  return effect.withdrawn ? -1 : Math.max(at, step.finishedAt);
}

/** @returns the latest end of the lane's flows up to and including this one */
export function untilOf(lane: Lane, index: number): number {
  const { flows, until } = lane;
  for (let next = until.length; next <= index; next += 1) {
    const flow = flows[next];
    if (flow !== undefined) until.push(Math.max(until[next - 1] ?? -1, endOf(flow)));
  }
  return until[index] ?? -1;
}

/** The end of a flow has changed: what was worked out from it is not right any more. */
export function unsettle(lane: Lane, flow: Flow): void {
  const index = lastUnder(lane.flows, flow.at) + 1;
  if (index < lane.until.length) lane.until.length = index;
}

/** Position of the last cut or mute before `at` that touches this place, something around it or inside it. */
export function markBefore({ marks, marksInside }: Edges, resource: string, at: number): number {
  if (marks.size === 0) return 0;
  let last = under(marks.get(resource), at);
  for (const container of containersOf(resource)) last = Math.max(last, under(marks.get(container), at));
  return Math.max(last, under(marksInside.get(resource), at));
}

/** @returns the last of these numbers before `at`, or 0 */
function under(numbers: readonly number[] | undefined, at: number): number {
  if (numbers === undefined) return 0;
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return numbers[low - 1] ?? 0;
}

/** All that is kept, sorted. */
export function factsOf({ lanes: all, settled, cuts: ended, mutes: untagged }: Edges): string[] {
  const facts: string[] = [];
  for (const [to, lanes] of all)
    for (const [key, lane] of lanes) {
      const flows = lane.flows.filter(({ effect }) => !effect.withdrawn).map(({ at }) => at);
      if (flows.length > 0) facts.push(`${to} ${key} ${flows.join(" ")}`);
    }
  for (const [place, origins] of settled) facts.push(`settled ${place} ${JSON.stringify(origins)}`);
  for (const [resource, cuts] of ended) facts.push(`cut ${resource} ${cuts.map(({ at, floor }) => `${at}/${floor}`)}`);
  for (const [resource, mutes] of untagged)
    facts.push(`mute ${resource} ${mutes.map(({ at, tags }) => `${at}/${tags}`)}`);
  return facts.sort();
}
