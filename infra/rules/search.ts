/** Questions over the fields of an event, not over one value: does it have this field, does any field say this word? */

import { fieldNamed } from "../../schemas/fields.ts";
import { accessor, type FieldValue, further, isContentField, isLate, NoEffect, type Seen, unknown } from "./field.ts";
import { maybe, no, type Test, type Tri, yes } from "./tri.ts";

/** @returns whether an event has a field, whatever it holds; a list of ours that is empty says that there is none. */
export function presence(name: string): Test<Seen> {
  const read = accessor(name);
  const isOurs = fieldNamed(name) !== undefined;
  return (seen) => {
    if (!isOurs || seen.effect instanceof NoEffect) {
      // A late field is null on every plain event that does not have it.
      if (seen.more !== null && Object.hasOwn(seen.more, name))
        return isLate(name) && seen.more[name] === null ? no : yes;
      if (!isOurs) return no;
    }
    if (name === "operation" || name === "destroys") return seen.effect instanceof NoEffect ? no : yes;
    const value = read(seen);
    if (value === unknown) return maybe;
    return value !== null && !(typeof value === "object" && value.length === 0) ? yes : no;
  };
}

/**
 * Fields that a keyword is looked for in: what a person would read of the event. Ids, numbers, and what is known late or by
 * the log alone are left out.
 */
export const searched = [
  "identity",
  "onbehalfof",
  "account",
  "task",
  "target",
  "address",
  "kind",
  "operation",
  "statement",
  "role",
  "reads",
  "writes",
  "ends",
  "tags",
] as const;

function isSearched(field: string): boolean {
  return !isLate(field) && !isContentField(field) && field !== "id" && field !== "time" && field !== "fingerprint";
}

/**
 * Of a plain event further fields are searched too; of an event of another product all fields.
 * @param judge one value of one field @returns the best answer of all searched fields
 */
export function searching(judge: (value: FieldValue, seen: Seen, field: string) => Tri): Test<Seen> {
  const reads = searched.map((field) => [field, accessor(field)] as const);
  return (seen) => {
    let best: Tri = no;
    for (const [field, read] of reads) {
      const found = judge(read(seen), seen, field);
      if (found === yes) return yes;
      if (found > best) best = found;
    }
    if (seen.more === null) return best;
    const all = seen.effect instanceof NoEffect;
    for (const field in seen.more) {
      if (!all && !isSearched(field)) continue;
      const found = judge(further(seen, field), seen, field);
      if (found === yes) return yes;
      if (found > best) best = found;
    }
    return best;
  };
}
