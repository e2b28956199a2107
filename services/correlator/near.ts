/** Things by the places they are about, to find those that can have to do with a place without looking at all of them. */
import { Places } from "./moves.ts";
import { everywhere, tableOf } from "./postings.ts";

export class Near<T> {
  readonly #names = new Map<T, Places>();
  readonly #byTable = new Map<string, Set<T>>();

  get size(): number {
    return this.#names.size;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#names.keys();
  }

  has(item: T): boolean {
    return this.#names.has(item);
  }

  add(item: T, names: readonly string[]): void {
    this.delete(item);
    this.#names.set(item, new Places(names));
    for (const table of new Set(names.map(tableOf))) {
      const items = this.#byTable.get(table);
      if (items === undefined) this.#byTable.set(table, new Set([item]));
      else items.add(item);
    }
  }

  delete(item: T): void {
    const names = this.#names.get(item);
    if (names === undefined) return;
    this.#names.delete(item);
    for (const table of new Set([...names.names].map(tableOf))) {
      const items = this.#byTable.get(table);
      items?.delete(item);
      if (items?.size === 0) this.#byTable.delete(table);
    }
  }

  /** Whether it holds nothing about a place. */
  isQuiet(place: string): boolean {
    return this.about(place).next().done === true;
  }

  /** Those with a name that overlaps this place, in the order in which they came. */
  *about(place: string): Generator<T> {
    if (this.#names.size === 0) return;
    const table = tableOf(place);
    const groups =
      table === everywhere ? [this.#names.keys()] : [this.#byTable.get(table), this.#byTable.get(everywhere)];
    for (const group of groups) for (const item of group ?? []) if (this.#names.get(item)?.meet(place)) yield item;
  }
}
