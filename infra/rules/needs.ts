/**
 * What a detection cannot match without, read off its predicate: for each field named here one of these texts, in lower
 * case, is among the field's values. An index may skip everything else. Says nothing of what is not known yet: a field that
 * is unknown for an event (opaque, late) must not be asked by it.
 */
import { plainText } from "./evaluate.ts";
import type { Predicate } from "./predicate.ts";

export type Needs = ReadonlyMap<string, ReadonlySet<string>>;

const none: Needs = new Map();

/** @returns by field, in no order that means anything */
export function needsOf(predicate: Predicate): Needs {
  if (predicate.kind === "and") return all(predicate.of.map(needsOf));
  if (predicate.kind === "or") return any(predicate.of.map(needsOf));
  if (predicate.kind !== "field" || predicate.match.how !== "text") return none;
  const { pieces } = predicate.match;
  if (!pieces.every((piece) => typeof piece === "object")) return none;
  return new Map([[predicate.field, new Set([plainText(pieces).toLowerCase()])]]);
}

/** Of two needs in one field either is one; they must not be intersected: a field may have both values. */
function all(parts: readonly Needs[]): Needs {
  const needs = new Map<string, ReadonlySet<string>>();
  for (const part of parts)
    for (const [field, texts] of part) {
      const other = needs.get(field);
      if (other === undefined || texts.size < other.size) needs.set(field, texts);
    }
  return needs;
}

function any(parts: readonly Needs[]): Needs {
  const [first = none, ...rest] = parts;
  const needs = new Map<string, ReadonlySet<string>>();
  for (const [field, texts] of first) {
    const union = new Set(texts);
    const everywhere = rest.every((part) => {
      for (const text of part.get(field) ?? []) union.add(text);
      return part.has(field);
    });
    if (everywhere) needs.set(field, union);
  }
  return needs;
}
