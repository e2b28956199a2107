/** Numbers below a bound, from a seed: the same seed gives the same stream, so a failure can be played again. */
export type Dice = (sides: number) => number;

export function seeded(seed: number): Dice {
  let state = seed >>> 0 || 1;
  return (sides) => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % sides;
  };
}
