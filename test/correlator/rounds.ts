/** Which round compares what, and with which dice. */
import { seeded } from "./dice.ts";
import { Disagreement, type Play, shrunk } from "./disagreement.ts";
import { playKilled, playLive, playPlain } from "./plays.ts";

/** Neighbouring rounds have dice that have nothing to do with each other. */
export function seedOf(seed: number, round: number): number {
  return (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) ^ Math.imul(round + 1, 0x297a2d39)) >>> 0 || 1;
}

const killedEvery = 32;
/** One of them compares as many answers as ten of live records, and costs as much as two. */
const plainEvery = 3;

/** Live records, every few rounds plain events, and now and then replicas that are killed. */
export function kindOf(round: number): Play {
  if (round % killedEvery === 0) return playKilled;
  return round % plainEvery === 0 ? playPlain : playLive;
}

export async function playRound(seed: number, play: Play): Promise<number | Disagreement> {
  try {
    return await play(seeded(seed));
  } catch (error) {
    if (error instanceof Disagreement) return error;
    throw error;
  }
}

export function shrinkRound(seed: number, play: Play): Promise<Disagreement | null> {
  return shrunk(play, seed);
}
