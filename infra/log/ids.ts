/**
 * The latest ids, to know what came before: between one and two times as many as asked for. Replicas of the correlator say
 * the same output under the same id; who folds it twice would place a block again that somebody has lifted meanwhile.
 */
export class Ids {
  readonly #max: number;
  #now = new Set<string>();
  #before = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** The latest ones, for a snapshot. */
  kept(): readonly string[] {
    return [...this.#before, ...this.#now].slice(-this.#max);
  }

  /** @returns whether it came before; from now on it did */
  has(id: string): boolean {
    if (this.#now.has(id) || this.#before.has(id)) return true;
    if (this.#now.size >= this.#max) {
      this.#before = this.#now;
      this.#now = new Set();
    }
    this.#now.add(id);
    return false;
  }
}
