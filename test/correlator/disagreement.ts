/** A random case that came out wrong, with all that is needed to see why; and how it is made as small as it gets. */
import { type Dice, seeded } from "./dice.ts";

export class Disagreement extends Error {
  readonly rules: string;
  readonly events: readonly string[];

  /** @param events one JSON text each; @param cause says what was found and what was expected */
  constructor(rules: string, events: readonly string[], cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.rules = rules;
    this.events = events;
  }
}

/** @returns both answers in words */
export function differenceOf(found: unknown, expected: unknown): string {
  return `found    ${JSON.stringify(found)}\nexpected ${JSON.stringify(expected)}`;
}

/** @returns the number of answers compared; @throws Disagreement */
export type Play = (dice: Dice) => number | Promise<number>;

/** The dice of a seed, and what they have shown so far. */
function recorded(seed: number): { readonly dice: Dice; readonly shown: number[] } {
  const dice = seeded(seed);
  const shown: number[] = [];
  return {
    shown,
    dice(sides) {
      const value = dice(sides);
      shown.push(value);
      return value;
    },
  };
}

/** Dice that show these numbers, and then ones. */
function scripted(shown: readonly number[]): Dice {
  let at = 0;
  return (sides) => {
    const value = shown[at] ?? 0;
    at += 1;
    return value % sides;
  };
}

async function disagreementOf(play: Play, dice: Dice): Promise<Disagreement | null> {
  try {
    await play(dice);
    return null;
  } catch (error) {
    return error instanceof Disagreement ? error : null;
  }
}

const triesMax = 3_000;
const shrinkMsMax = 60_000;

/** Leaves out what the disagreement does not need: runs of throws, then their height. @returns the smallest one found */
export async function shrunk(play: Play, seed: number): Promise<Disagreement | null> {
  const { dice, shown } = recorded(seed);
  let best = await disagreementOf(play, dice);
  let throws = shown;
  let tries = 0;
  const untilMs = performance.now() + shrinkMsMax;
  const mayTry = () => tries < triesMax && performance.now() < untilMs;
  const attempt = async (candidate: number[]): Promise<boolean> => {
    tries += 1;
    const found = await disagreementOf(play, scripted(candidate));
    if (found === null || (best !== null && found.events.length > best.events.length)) return false;
    best = found;
    throws = candidate;
    return true;
  };
  for (let length = throws.length >> 1; length >= 1 && mayTry(); length >>= 1)
    for (let from = 0; from + length <= throws.length && mayTry(); )
      if (!(await attempt([...throws.slice(0, from), ...throws.slice(from + length)]))) from += length;
  for (let at = 0; at < throws.length && mayTry(); at += 1) if (throws[at] !== 0) await attempt(throws.with(at, 0));
  return best;
}
