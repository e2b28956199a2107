/**
 * Functions of the target that catalog.yaml describes: which summary belongs to which function, by its oid. A summary is
 * the word of who reviewed one body, and what that calls in turn; it holds for exactly that body, and only where nobody
 * who calls the function can change what its names mean.
 *
 * It cannot see what the functions that a described one calls have become since, nor a library that was replaced on the
 * server.
 */
import type { FunctionSummary } from "../../../schemas/function-summary.ts";
import { type Column, isSystemSchema, type Relation, type TargetCatalog } from "./catalog.ts";
import type { RawCode, RawFunction } from "./raw-catalog.ts";
import { functionUri } from "./uri.ts";

/** A table, or a column of one. */
export interface SummaryPlace {
  readonly relation: Relation;
  readonly column: Column | null;
}

export interface Described {
  /** @returns null when nobody has described it */
  of(found: Pick<RawFunction, "oid">): Found | null;
  /** What a summary's resource is in the catalog; null for things that are no tables. */
  placeOf(uri: string): SummaryPlace | null;
  /** Of the catalog's functions those whose summary does not hold, with why. */
  readonly void: readonly { readonly function: string; readonly why: string; readonly digest: string }[];
}

export type Found =
  | { readonly summary: FunctionSummary; readonly why: null }
  /** It has a summary that does not hold. */
  | { readonly summary: null; readonly why: string };

export const nothingDescribed: Described = { of: () => null, placeOf: () => null, void: [] };

/** @param summaries of all targets */
export function describedIn(catalog: TargetCatalog, summaries: readonly FunctionSummary[]): Described {
  const byName = new Map<string, FunctionSummary[]>();
  for (const summary of summaries) {
    const own = byName.get(summary.function);
    if (own === undefined) byName.set(summary.function, [summary]);
    else own.push(summary);
  }
  if (byName.size === 0) return nothingDescribed;
  const places = placesIn(catalog);
  const found = new Map<number, Found>();
  const failing: { function: string; why: string; digest: string }[] = [];
  for (const one of catalog.functions) {
    const { code, oid } = one;
    const name = code === null ? "" : functionUri(catalog.target, one.schema, one.name, code.signature);
    const stated = byName.get(name);
    if (stated === undefined || code === null) continue;
    const summary = stated.find(({ digest }) => digest === digestOf(code)) ?? null;
    const why =
      summary === null
        ? "it is not what was described"
        : (unfit(one, code, summary) ?? lost(summary, catalog.target, places));
    if (why !== null) failing.push({ function: name, why, digest: digestOf(code) });
    found.set(oid, summary !== null && why === null ? { summary, why } : { summary: null, why: why ?? "" });
  }
  return { of: ({ oid }) => found.get(oid) ?? null, placeOf: (uri) => places.get(uri) ?? null, void: failing };
}

function placesIn(catalog: TargetCatalog): ReadonlyMap<string, SummaryPlace> {
  const places = new Map<string, SummaryPlace>();
  for (const relation of catalog.relations.values()) {
    places.set(relation.uri, { relation, column: null });
    if (isSystemSchema(relation.raw.schema)) continue;
    for (const column of relation.columns) places.set(column.uri, { relation, column });
  }
  return places;
}

/** A name that is not there would say less than was meant. Other targets, and things that are no tables, are taken as named. */
function lost({ reads, writes }: FunctionSummary, target: string, places: ReadonlyMap<string, unknown>) {
  const isElsewhere = (uri: string) => !`${uri}/`.startsWith(`${target}/`) || uri.startsWith(`${target}/pg_`);
  const unknown = [...reads, ...writes].find((uri) => !places.has(uri) && !isElsewhere(uri));
  if (unknown !== undefined) return `it names ${unknown}, which the target does not have: name tables or columns`;
  const own = writes.find((uri) => /^[^/]*\/(pg_catalog|information_schema)\b/.test(uri) && places.has(uri));
  return own === undefined ? null : `it writes ${own}, which is the system's own`;
}

export function digestOf({ digest }: RawCode): string {
  return `sha256:${digest}`;
}

export interface DescribableFunction {
  readonly function: string;
  readonly digest: string;
  /** Why no summary of it can hold; null when one can. */
  readonly why: string | null;
}

/** @returns every function that is not PostgreSQL's own nor an aggregate */
export function describable({ target, functions }: TargetCatalog): readonly DescribableFunction[] {
  return functions.flatMap((one) => {
    if (one.code === null || (one.code.kind !== "f" && one.code.kind !== "p")) return [];
    const why = unfit(one, one.code, { writes: [] });
    return { function: functionUri(target, one.schema, one.name, one.code.signature), digest: digestOf(one.code), why };
  });
}

/** Why no summary of it can hold; null when one can. @param writes whether it is said to write */
export function unfit(
  { volatility }: Pick<RawFunction, "volatility">,
  code: RawCode,
  { writes }: Pick<FunctionSummary, "writes">,
): string | null {
  if (code.kind !== "f" && code.kind !== "p") return "only functions and procedures can be described";
  if (code.isPolymorphic) return "it takes arguments of any type, with whatever operators these have";
  // EXPLAIN and the planner call what is not volatile.
  if (volatility !== "v" && writes.length > 0) return "it is said to write, and is not VOLATILE";
  if (code.isBound || code.language === "c" || code.language === "internal") return null;
  return isPinned(code.searchPath) ? null : unpinned;
}

/** Who calls it puts schemas, or temporary tables, before those that were meant. */
const unpinned =
  "its names mean what its caller says: give it a search_path that ends in pg_temp (ALTER FUNCTION … SET search_path = public, pg_temp)";

/** As PostgreSQL keeps it: names with commas between, in quotes where they need them. */
function isPinned(searchPath: string | null): boolean {
  const names = [...(searchPath ?? "").matchAll(/"((?:[^"]|"")*)"|[^",\s]+/g)].map(([bare, quoted]) => quoted ?? bare);
  return names.indexOf("pg_temp") === names.length - 1 && names.length > 0 && !names.includes("$user");
}
