/**
 * What an event must say for a detection to match at all: read from its written form, so that only detections whose
 * necessary conditions hold are tried (matcher.ts). May find too few conditions, never one that is not necessary: a
 * modifier, a wildcard, a `not` or an `or` over different fields gives none.
 */
import { type Condition, parseCondition } from "./condition.ts";

/** One of `texts` (lower case) is a value of `field`. */
export interface Necessary {
  readonly field: string;
  readonly texts: ReadonlySet<string>;
}

/** More values than this tell little apart, and are not worth a place in an index. */
const textsMax = 1_000;

/** @param written the map under `detection:` of a detection that has been compiled */
export function necessaryOf(written: Readonly<Record<string, unknown>>): readonly Necessary[] {
  const { condition, ...named } = written;
  if (typeof condition !== "string") return [];
  return ofCondition(parseCondition(condition, Object.keys(named)), named);
}

function ofCondition(tree: Condition, named: Readonly<Record<string, unknown>>): readonly Necessary[] {
  if (tree.kind === "name") return ofPart(named[tree.name]);
  if (tree.kind === "not") return [];
  const parts = tree.of.map((branch) => ofCondition(branch, named));
  return tree.kind === "and" ? parts.flat() : ofAny(parts);
}

/** A map: every item. A list of maps: one of them. */
function ofPart(value: unknown): readonly Necessary[] {
  if (Array.isArray(value)) return ofAny(value.map(ofPart));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([field, wanted]) => ofItem(field, wanted));
}

function ofItem(field: string, wanted: unknown): readonly Necessary[] {
  const values: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted];
  if (field.includes("|") || values.length === 0 || values.length > textsMax) return [];
  if (!values.every(isPlain)) return [];
  return [{ field, texts: new Set(values.map((value) => String(value).toLowerCase())) }];
}

function isPlain(value: unknown): boolean {
  if (typeof value === "string") return value !== "" && !/[*?\\]/.test(value);
  return typeof value === "number" || typeof value === "boolean";
}

/** What every branch asks of the same field. */
function ofAny(branches: readonly (readonly Necessary[])[]): readonly Necessary[] {
  const [first = [], ...others] = branches;
  return first.flatMap(({ field, texts }) => {
    const all = new Set(texts);
    for (const branch of others) {
      const same = branch.find((one) => one.field === field);
      if (same === undefined) return [];
      for (const text of same.texts) all.add(text);
    }
    return all.size > textsMax ? [] : [{ field, texts: all }];
  });
}
