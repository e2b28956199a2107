/**
 * What a resource is tagged with right now: by the catalog, and by the data that travelled into it (resource.tagged,
 * said by the correlator). A person's resource.untagged takes travelled tags away, with those of everything inside;
 * what the catalog says stays, because the catalog is a file that people change.
 */

import { type Catalog, containersOf, contains, withAncestors } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";

/** Answers kept; names come from SQL, so a client could otherwise grow it without end. */
const answersKeptMax = 50_000;

export type KeptTags = readonly (readonly [resource: string, tags: readonly string[]])[];

export class Tags {
  #catalog: Catalog;
  readonly #travelled = new Map<string, Set<string>>();
  /** Tags of what lies inside a container. */
  readonly #inside = new Map<string, Set<string>>();
  readonly #answers = new Map<string, readonly string[]>();
  /** Grows with every change: decisions made under another number are void. */
  version = 0;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Sorted, with ancestors. A container has the tags of what it holds, and what it holds has the container's. */
  readonly of = (resource: string): readonly string[] => {
    let tags = this.#answers.get(resource);
    if (tags === undefined) {
      const places = [resource, ...containersOf(resource)].map((uri) => this.#travelled.get(uri));
      const travelled = [...places, this.#inside.get(resource)].flatMap((set) => [...(set ?? [])]);
      const byCatalog = this.#catalog.tagsOf(resource);
      tags = travelled.length === 0 ? byCatalog : withAncestors([...byCatalog, ...travelled]);
      if (this.#answers.size >= answersKeptMax) this.#answers.clear();
      this.#answers.set(resource, tags);
    }
    return tags;
  };

  /** Another catalog is in force. */
  useCatalog(catalog: Catalog): void {
    this.#catalog = catalog;
    this.version += 1;
    this.#answers.clear();
  }

  /** Tags that travelled, for a snapshot. */
  kept(): KeptTags {
    return [...this.#travelled].map(([resource, tags]) => [resource, [...tags]] as const);
  }

  /** Into an empty one. */
  restore(kept: KeptTags): void {
    for (const [resource, tags] of kept) this.#tag(resource, tags);
    this.version += 1;
    this.#answers.clear();
  }

  fold(entry: Entry): void {
    if (entry.type === "resource.tagged") this.#tag(entry.data.resource, entry.data.tags);
    else if (entry.type === "resource.untagged") this.#untag(entry.data.resource, entry.data.tags);
    else return;
    this.version += 1;
    this.#answers.clear();
  }

  #tag(resource: string, tags: readonly string[]): void {
    add(this.#travelled, resource, tags);
    for (const container of containersOf(resource)) add(this.#inside, container, tags);
  }

  #untag(resource: string, tags: readonly string[]): void {
    for (const [uri, held] of this.#travelled) {
      if (contains(resource, uri)) for (const tag of tags) held.delete(tag);
      if (held.size === 0) this.#travelled.delete(uri);
    }
    this.#inside.clear();
    for (const [uri, held] of this.#travelled)
      for (const container of containersOf(uri)) add(this.#inside, container, [...held]);
  }
}

function add(map: Map<string, Set<string>>, key: string, tags: readonly string[]): void {
  const set = map.get(key) ?? new Set();
  for (const tag of tags) set.add(tag);
  map.set(key, set);
}
