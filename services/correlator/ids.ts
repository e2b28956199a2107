/** The latest ids, to know what came before: between one and two times as many as asked for. */
export class Ids {
  readonly #max: number;
  #now = new Set<string>();
  #before = new Set<string>();

  constructor(max: number) {
    this.#max = max;
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
