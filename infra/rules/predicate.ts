/**
 * A detection as plain data: what its names, lists, modifiers and condition come to. Closures, shared predicates and
 * queries for other engines are made from this, so that they cannot read a rule differently.
 */
import type { Piece } from "../pattern/glob.ts";

export const dateParts = ["minute", "hour", "day", "week", "month", "year"] as const;
export type DatePart = (typeof dateParts)[number];

/** How one value of a field is judged. Without `cased` texts are compared in lower case. */
export type Match =
  /** The whole text of the value is these pieces. Numbers and truth values are compared by their text. */
  | { readonly how: "text"; readonly pieces: readonly Piece[]; readonly cased: boolean }
  /** Found anywhere, by RE2. `flags`: any of i, m, s. */
  | { readonly how: "re"; readonly source: string; readonly flags: string }
  /** An address (a port may follow) inside the network. */
  | { readonly how: "cidr"; readonly network: string }
  /** A number, or a part of a date. */
  | {
      readonly how: "lt" | "lte" | "gt" | "gte" | "eq";
      readonly value: number;
      readonly part: DatePart | null;
    }
  /** A value of another field of the same event. */
  | {
      readonly how: "field";
      readonly field: string;
      readonly place: "equal" | "startswith" | "endswith" | "contains";
      readonly cased: boolean;
    }
  /** The field has no value. */
  | { readonly how: "null" }
  /** The event has the field, whatever it holds. */
  | { readonly how: "exists" };

export type Predicate =
  | { readonly kind: "and" | "or"; readonly of: readonly Predicate[] }
  | { readonly kind: "not"; readonly of: Predicate }
  /** Of a field with several values, one that matches is enough. */
  | { readonly kind: "field"; readonly field: string; readonly match: Match }
  /** The same, over every field that is searched for keywords. */
  | { readonly kind: "keyword"; readonly match: Match };

/** One is itself; none is never asked for. */
export function joined(kind: "and" | "or", of: readonly Predicate[]): Predicate {
  const only = of[0];
  return of.length === 1 && only !== undefined ? only : { kind, of };
}

/** Where an error is: keys under `detection`. */
export class DetectionError extends Error {
  readonly path: readonly (string | number)[];
  readonly unsupported: boolean;

  constructor(path: readonly (string | number)[], message: string, unsupported = false) {
    super(message);
    this.path = path;
    this.unsupported = unsupported;
  }
}

/** @returns the names of all fields that it reads */
export function fieldsOf(predicate: Predicate, into = new Set<string>()): Set<string> {
  if (predicate.kind === "not") fieldsOf(predicate.of, into);
  else if ("of" in predicate) for (const part of predicate.of) fieldsOf(part, into);
  else {
    if (predicate.kind === "field") into.add(predicate.field);
    if (predicate.match.how === "field") into.add(predicate.match.field);
  }
  return into;
}
