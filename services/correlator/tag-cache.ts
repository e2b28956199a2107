/** Tags that were worked out, by place, until something changes where they came from. */
import { everywhere, tableOf } from "./postings.ts";
import type { Tagged } from "./tagged.ts";

/** Names come from SQL: a client could otherwise grow it without end. */
const keptMax = 100_000;

export class TagCache {
  readonly #known = new Map<string, Tagged>();
  /** Table → places whose tags were worked out by way of it. */
  readonly #by = new Map<string, Set<string>>();

  of(resource: string): Tagged | undefined {
    return this.#known.get(resource);
  }

  /** @param ways everything that was looked at */
  keep(resource: string, tagged: Tagged, ways: Iterable<string>): void {
    if (this.#known.size >= keptMax) this.clear();
    this.#known.set(resource, tagged);
    for (const way of new Set([...ways].map(tableOf))) {
      const places = this.#by.get(way);
      if (places === undefined) this.#by.set(way, new Set([resource]));
      else places.add(resource);
    }
  }

  /** Something came to this place, or went. */
  drop(place: string): void {
    const table = tableOf(place);
    if (table === everywhere) this.clear();
    else for (const way of [table, everywhere]) this.#forget(way);
  }

  #forget(way: string): void {
    for (const resource of this.#by.get(way) ?? []) this.#known.delete(resource);
    this.#by.delete(way);
  }

  clear(): void {
    this.#known.clear();
    this.#by.clear();
  }
}
