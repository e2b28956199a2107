import { type Catalog, containersOf } from "../../infra/catalog.ts";
import type { Reached } from "./walk.ts";

/** Origins that count, and their tags. */
export interface Tagged {
  /** Catalog-tagged members of the origins, sorted. */
  readonly members: readonly string[];
  readonly tags: readonly string[];
}

export const nothing: Tagged = { members: [], tags: [] };

export function merge(parts: readonly Tagged[]): Tagged {
  const found = parts.filter(({ members }) => members.length > 0);
  if (found.length <= 1) return found[0] ?? nothing;
  return {
    members: [...new Set(found.flatMap(({ members }) => members))].sort(),
    tags: [...new Set(found.flatMap(({ tags }) => tags))].sort(),
  };
}

/** What is left of a place's tags; a tag whose kinds are all gone goes with them. */
export function unmuted(tags: readonly string[], muted: readonly string[]): readonly string[] {
  if (muted.length === 0 || tags.length === 0) return tags;
  const isMuted = (tag: string) => muted.some((mute) => tag === mute || tag.startsWith(`${mute}.`));
  const kept = tags.filter((tag) => !isMuted(tag));
  return kept.filter((tag) => {
    const kinds = tags.filter((other) => other.startsWith(`${tag}.`));
    return kinds.length === 0 || kinds.some((kind) => !isMuted(kind));
  });
}

/** Whether all of the one is in the other. */
export function isAmong(one: Tagged, other: Tagged): boolean {
  if (one === other) return true;
  return (
    one.members.every((member) => other.members.includes(member)) && one.tags.every((tag) => other.tags.includes(tag))
  );
}

/** @returns a name for any column of a table, whatever it is called; null where the place is no table */
export function anyIn(place: string): string | null {
  return !place.includes("#") && containersOf(place).length === 2 ? `${place}#` : null;
}

/** What the catalog says of all that was reached, without what people took off on the way. */
export function tagsOf(reached: readonly Reached[], catalog: Catalog): Tagged {
  const found = new Map<string, Set<string>>();
  for (const { resource, muted } of reached) {
    const tags = unmuted(catalog.tagsOf(resource), muted);
    if (tags.length > 0) found.set(resource, new Set([...(found.get(resource) ?? []), ...tags]));
  }
  if (found.size === 0) return nothing;
  return {
    members: [...found.keys()].sort(),
    tags: [...new Set([...found.values()].flatMap((set) => [...set]))].sort(),
  };
}
