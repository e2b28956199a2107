/** Flows, cuts and mutes as the walk backwards reads them. */
import type { Step, StepEffect } from "./step.ts";

/** One command's move of data into a place. */
export interface Flow {
  /** The command's place; effects of one command come one after another, at fractions of it. */
  readonly at: number;
  readonly step: Pick<Step, "finishedAt" | "settled" | "opaque">;
  readonly effect: Pick<StepEffect, "withdrawn">;
}

/** Moves from the same places into the same place, in order. */
export interface Lane {
  readonly from: readonly string[];
  /** The whole place was renamed: what is inside comes from what was inside. */
  readonly renamed: boolean;
  flows: Flow[];
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

export interface Edges {
  readonly lanes: ReadonlyMap<string, ReadonlyMap<string, Lane>>;
  /** Places with lanes inside a container. */
  readonly inside: ReadonlyMap<string, ReadonlySet<string>>;
  readonly cuts: ReadonlyMap<string, readonly Cut[]>;
  readonly cutsInside: ReadonlyMap<string, readonly number[]>;
  readonly mutes: ReadonlyMap<string, readonly Mute[]>;
}
