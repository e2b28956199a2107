/** A set of whole numbers that mostly come one after the other: kept as runs without gaps. */

/** Runs that are remembered; beyond, the lowest is forgotten. */
const runsMax = 10_000;

export class Runs {
  /** From, to, from, to…: ascending, never touching. */
  #ends: number[] = [];

  static of(ends: readonly number[]): Runs {
    const runs = new Runs();
    runs.#ends = [...ends];
    return runs;
  }

  kept(): readonly number[] {
    return [...this.#ends];
  }

  /** @returns whether it is there; from now on it is */
  has(number: number): boolean {
    const ends = this.#ends;
    const last = ends.length - 1;
    if (number === (ends[last] ?? Number.NaN) + 1) {
      ends[last] = number;
      return false;
    }
    return this.#place(number);
  }

  #place(number: number): boolean {
    const ends = this.#ends;
    // The first run that ends at the number or behind it.
    let [low, high] = [0, ends.length / 2];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ends[2 * middle + 1] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    if (low < ends.length / 2 && (ends[2 * low] ?? 0) <= number) return true;
    const meetsBefore = ends[2 * low - 1] === number - 1;
    const meetsBehind = ends[2 * low] === number + 1;
    if (meetsBefore && meetsBehind) ends.splice(2 * low - 1, 2);
    else if (meetsBefore) ends[2 * low - 1] = number;
    else if (meetsBehind) ends[2 * low] = number;
    else ends.splice(2 * low, 0, number, number);
    if (ends.length > 2 * runsMax) ends.splice(0, 2);
    return false;
  }
}
