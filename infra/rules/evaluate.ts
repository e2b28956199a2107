/**
 * Predicate → one test over one effect of one event. Parts are tried cheapest first, which no answer depends on; a list of
 * plain texts is one look into a set. Nothing is made per event but what lower case makes.
 */
import { type Accessor, accessor, type FieldValue, NoEffect, type Scalar, type Seen, unknown } from "./field.ts";
import { compileMatch, type ScalarTest } from "./match.ts";
import type { Match, Predicate } from "./predicate.ts";
import { presence, searching } from "./search.ts";
import { every, maybe, no, not, some, type Test, type Tri, yes } from "./tri.ts";

type Leaf = Extract<Predicate, { readonly match: Match }>;

export function compilePredicate(predicate: Predicate): Test<Seen> {
  if ("match" in predicate) return compileLeaf(predicate);
  if (predicate.kind === "not") {
    const test = compilePredicate(predicate.of);
    return (seen) => not(test(seen));
  }
  const parts = predicate.of.toSorted((a, b) => costOf(a) - costOf(b));
  if (predicate.kind === "and") return every(parts.map(compilePredicate));
  const { sets, others } = gather(parts);
  return some([...sets, ...others.map(compilePredicate)]);
}

function costOf(predicate: Predicate): number {
  if (predicate.kind === "not") return costOf(predicate.of);
  if ("of" in predicate) return predicate.of.reduce((most, part) => Math.max(most, costOf(part)), 0);
  if (predicate.kind === "keyword") return 5;
  const texts = predicate.field === "tags" ? 2 : 1;
  return predicate.match.how === "re" ? 4 : isPlain(predicate.match) ? texts : 3;
}

function isPlain(match: Match): match is Extract<Match, { readonly how: "text" }> {
  return match.how === "text" && match.pieces.every((piece) => typeof piece === "object");
}

/** Lower-case values by nature: closed sets of ours (another product's are as they are). */
const lowerFields = new Set(["operation", "kind"]);
const setSizeMin = 3;

/** Plain texts of one field become one set. */
function gather(parts: readonly Predicate[]): { readonly sets: Test<Seen>[]; readonly others: Predicate[] } {
  const groups = new Map<string, { field: string; cased: boolean; texts: Set<string>; members: Predicate[] }>();
  const others: Predicate[] = [];
  for (const part of parts) {
    if (part.kind !== "field" || !isPlain(part.match)) {
      others.push(part);
      continue;
    }
    const { cased } = part.match;
    const key = `${cased} ${part.field}`;
    const group = groups.get(key) ?? { field: part.field, cased, texts: new Set(), members: [] };
    groups.set(key, group);
    const text = plainText(part.match.pieces);
    group.texts.add(cased ? text : text.toLowerCase());
    group.members.push(part);
  }
  const sets: Test<Seen>[] = [];
  for (const { field, cased, texts, members } of groups.values()) {
    if (members.length < setSizeMin) others.unshift(...members);
    else sets.push(fieldTest(field, (value) => texts.has(cased ? String(value) : String(value).toLowerCase())));
  }
  return { sets, others };
}

/** The pieces of a text without wildcards, as one. */
export function plainText(pieces: readonly unknown[]): string {
  return pieces.map((piece) => (piece as { readonly text: string }).text).join("");
}

function compileLeaf({ match, ...leaf }: Leaf): Test<Seen> {
  if (leaf.kind === "keyword") {
    if (match.how !== "text" && match.how !== "re") throw new Error(`${match.how} needs a field`);
    const one = compileMatch(match);
    return searching((value, seen, field) => certain(anyOf(value, one), field, seen));
  }
  const { field } = leaf;
  if (match.how === "field") return compileReference(field, match);
  if (match.how === "null") return compileNull(field);
  if (match.how === "exists") {
    const there = presence(field);
    return (seen) => certain(there(seen), field, seen);
  }
  const loose = fieldTest(field, compileMatch(match));
  if (!lowerFields.has(field)) return loose;
  const strict = fieldTest(field, compileMatch(match, true));
  return (seen) => (seen.effect instanceof NoEffect ? loose(seen) : strict(seen));
}

function fieldTest(field: string, one: ScalarTest): Test<Seen> {
  const read = accessor(field);
  if (field === "tags") return (seen) => certain(anyOf(read(seen), one), field, seen);
  return (seen) => anyOf(read(seen), one);
}

/** One member that matches is enough. */
function anyOf(value: FieldValue, one: ScalarTest): Tri {
  if (value === unknown) return maybe;
  if (value === null) return no;
  if (typeof value !== "object") return one(value) ? yes : no;
  for (let at = 0; at < value.length; at += 1) if (one(value[at] as Scalar)) return yes;
  return no;
}

/** Tags of an opaque command are all that it could touch: one of them may be meant, none is certain. Nor is what may be gone. */
function certain(answer: Tri, field: string, seen: Seen): Tri {
  return answer === yes && field === "tags" && isSuperset(seen) ? maybe : answer;
}

function isSuperset({ opaque, tagsMayBeGone }: Seen): boolean {
  return opaque || tagsMayBeGone === true;
}

function compileNull(field: string): Test<Seen> {
  const read = accessor(field);
  return (seen) => {
    const value = read(seen);
    if (value === unknown) return maybe;
    if (value === null || (typeof value === "object" && value.length === 0)) return yes;
    return field === "tags" && isSuperset(seen) ? maybe : no;
  };
}

function compileReference(field: string, match: Extract<Match, { readonly how: "field" }>): Test<Seen> {
  const [left, right]: readonly [Accessor, Accessor] = [accessor(field), accessor(match.field)];
  const fold = match.cased ? String : (value: Scalar) => String(value).toLowerCase();
  const places: Record<typeof match.place, (a: string, b: string) => boolean> = {
    equal: (a, b) => a === b,
    startswith: (a, b) => a.startsWith(b),
    endswith: (a, b) => a.endsWith(b),
    contains: (a, b) => a.includes(b),
  };
  const holds = places[match.place];
  const about = field === "tags" || match.field === "tags" ? "tags" : field;
  return (seen) => {
    const a = left(seen);
    const b = right(seen);
    if (a === unknown || b === unknown) return maybe;
    if (a === null || b === null) return no;
    const others = textsOf(b, fold);
    return certain(textsOf(a, fold).some((one) => others.some((other) => holds(one, other))) ? yes : no, about, seen);
  };
}

function textsOf(value: Scalar | readonly Scalar[], fold: (value: Scalar) => string): readonly string[] {
  return typeof value === "object" ? value.map((member) => fold(member)) : [fold(value)];
}
