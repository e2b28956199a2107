/**
 * Compiles the `detection` of a Sigma rule into one test over one effect of one event.
 * Every modifier that this version does not evaluate is an error that names it; nothing is ignored.
 */
import { operations } from "../../schemas/command.ts";
import { type Condition, parseCondition } from "./condition.ts";
import { type Accessor, accessor, isLate, type Seen, unknown } from "./field.ts";
import { every, maybe, no, not, some, type Test, yes } from "./tri.ts";
import { type Comparison, compileValue, type ValueTest } from "./value.ts";

export interface CompiledDetection {
  readonly test: Test<Seen>;
  readonly fields: ReadonlySet<string>;
  /** A condition on what is known only when the command has finished. */
  readonly usesLate: boolean;
  /** Operations without which it cannot match, or null: lets most events skip it. Never asked for opaque commands. */
  readonly operations: ReadonlySet<string> | null;
  /** It cannot match what destroys nothing. */
  readonly needsDestroys: boolean;
  /** As it is written: what other readers of the rule (ClickHouse SQL) are made from. */
  readonly written: Readonly<Record<string, unknown>>;
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

interface Part {
  readonly test: Test<Seen>;
  readonly fields: readonly string[];
  readonly operations: ReadonlySet<string> | null;
  readonly needsDestroys: boolean;
}

/** @throws DetectionError */
export function compileDetection(detection: Readonly<Record<string, unknown>>): CompiledDetection {
  const { condition, timeframe, ...named } = detection;
  if (timeframe !== undefined)
    throw new DetectionError(["timeframe"], "is no longer part of Sigma: write a correlation rule", true);
  if (typeof condition !== "string") throw new DetectionError(["condition"], "must be one text");
  const names = Object.keys(named);
  const parts = new Map(names.map((name) => [name, compilePart(named[name], [name])]));
  let tree: Condition;
  try {
    tree = parseCondition(condition, names);
  } catch (error) {
    throw new DetectionError(["condition"], error instanceof Error ? error.message : String(error));
  }
  const whole = combine(tree, parts);
  const fields = new Set(whole.fields);
  return {
    test: whole.test,
    fields,
    usesLate: [...fields].some(isLate),
    operations: whole.operations,
    needsDestroys: whole.needsDestroys,
    written: detection,
  };
}

function combine(tree: Condition, parts: ReadonlyMap<string, Part>): Part {
  if (tree.kind === "name") {
    const part = parts.get(tree.name);
    if (part === undefined) throw new DetectionError(["condition"], `there is no "${tree.name}"`);
    return part;
  }
  if (tree.kind === "not") {
    const { test, fields } = combine(tree.of, parts);
    return { test: (seen) => not(test(seen)), fields, operations: null, needsDestroys: false };
  }
  return join(
    tree.kind,
    tree.of.map((branch) => combine(branch, parts)),
  );
}

function join(kind: "and" | "or", parts: readonly Part[]): Part {
  const tests = parts.map(({ test }) => test);
  return {
    test: kind === "and" ? every(tests) : some(tests),
    fields: parts.flatMap(({ fields }) => fields),
    operations: kind === "and" ? narrowed(parts) : widened(parts),
    needsDestroys:
      kind === "and" ? parts.some((part) => part.needsDestroys) : parts.every((part) => part.needsDestroys),
  };
}

function narrowed(parts: readonly Part[]): ReadonlySet<string> | null {
  const sets = parts.flatMap((part) => (part.operations ? [part.operations] : []));
  const first = sets[0];
  return first ? new Set([...first].filter((word) => sets.every((set) => set.has(word)))) : null;
}

function widened(parts: readonly Part[]): ReadonlySet<string> | null {
  const all = new Set<string>();
  for (const part of parts) {
    if (part.operations === null) return null;
    for (const operation of part.operations) all.add(operation);
  }
  return all;
}

/** A map: all keys. A list of maps: any of them. */
function compilePart(value: unknown, path: readonly (string | number)[]): Part {
  if (Array.isArray(value)) {
    if (value.length === 0) throw new DetectionError(path, "is empty");
    return join(
      "or",
      value.map((member, index) => compilePart(member, [...path, index])),
    );
  }
  if (typeof value !== "object" || value === null)
    throw new DetectionError(path, "keywords have nothing to search: write field: value", true);
  const items = Object.entries(value).map(([key, wanted]) => compileItem(key, wanted, [...path, key]));
  if (items.length === 0) throw new DetectionError(path, "is empty");
  return join("and", items);
}

function compileItem(key: string, wanted: unknown, path: readonly (string | number)[]): Part {
  const [field = "", ...modifiers] = key.split("|");
  if (field === "") throw new DetectionError(path, "keywords have nothing to search: write field: value", true);
  try {
    const read = accessor(field);
    const test = compileTest(read, wanted, modifiers);
    const plain = modifiers.length === 0;
    return {
      test: field === "tags" ? ofTags(test) : test,
      fields: modifiers.includes("fieldref") ? [field, String(wanted)] : [field],
      operations: plain && field === "operation" ? operationsOf(wanted) : null,
      needsDestroys: plain && field === "destroys" && wanted === true,
    };
  } catch (error) {
    if (error instanceof DetectionError) throw new DetectionError(path, error.message, error.unsupported);
    throw new DetectionError(path, error instanceof Error ? error.message : String(error));
  }
}

/** Tags of an opaque command are all that it could touch: one of them may be meant, none is certain. Nor is what may be gone. */
function ofTags(test: Test<Seen>): Test<Seen> {
  return (seen) => {
    const answer = test(seen);
    return answer === yes && (seen.opaque || seen.tagsMayBeGone === true) ? maybe : answer;
  };
}

function operationsOf(wanted: unknown): ReadonlySet<string> {
  const words = (Array.isArray(wanted) ? wanted : [wanted]).map((word) => String(word).toLowerCase());
  for (const word of words) {
    if (!/[*?]/.test(word) && !(operations as readonly string[]).includes(word))
      throw new Error(`"${word}" is no operation; known: ${operations.join(", ")}`);
  }
  return words.some((word) => /[*?]/.test(word)) ? new Set(operations) : new Set(words);
}

const comparisons = ["contains", "startswith", "endswith", "re", "cidr", "lt", "lte", "gt", "gte"] as const;
const qualifiers = new Set(["all", "cased", "neq", "i", "m", "s", "exists", "fieldref"]);

function compileTest(read: Accessor, wanted: unknown, modifiers: readonly string[]): Test<Seen> {
  const how = comparisons.filter((word) => modifiers.includes(word));
  const odd = modifiers.find((word) => !qualifiers.has(word) && !(comparisons as readonly string[]).includes(word));
  if (odd !== undefined) throw new DetectionError([], `the modifier "${odd}" is not evaluated by this version`, true);
  if (how.length > 1) throw new Error(`${how.join(" and ")} cannot be combined`);
  const flags = modifiers.filter((word) => word === "i" || word === "m" || word === "s").join("");
  if (flags !== "" && how[0] !== "re") throw new Error(`the modifier "${flags}" belongs to re`);
  if (modifiers.includes("exists")) return compileExists(read, wanted);
  if (modifiers.includes("fieldref")) return compileReference(read, wanted, modifiers);
  const comparison: Comparison = { how: how[0] ?? "equal", cased: modifiers.includes("cased"), flags };
  const values = (Array.isArray(wanted) ? wanted : [wanted]).map((value) => compileValue(value, comparison));
  if (values.length === 0) throw new Error("an empty list matches nothing");
  const tests = values.map(
    (value: ValueTest): Test<Seen> =>
      (seen) =>
        value(read(seen)),
  );
  const joined = modifiers.includes("all") ? every(tests) : some(tests);
  return modifiers.includes("neq") ? (seen) => not(joined(seen)) : joined;
}

function compileExists(read: Accessor, wanted: unknown): Test<Seen> {
  if (typeof wanted !== "boolean") throw new Error("exists takes true or false");
  return (seen) => {
    const value = read(seen);
    if (value === unknown) return maybe;
    const there = value !== null && !(typeof value === "object" && value.length === 0);
    return there === wanted ? yes : no;
  };
}

function compileReference(read: Accessor, wanted: unknown, modifiers: readonly string[]): Test<Seen> {
  if (typeof wanted !== "string" || modifiers.length > 1) throw new Error("fieldref takes the name of one field");
  const other = accessor(wanted);
  return (seen) => {
    const [left, right] = [read(seen), other(seen)];
    if (left === unknown || right === unknown) return maybe;
    if (left === null || right === null) return no;
    const known = new Set([right].flat().map(String));
    return [left].flat().some((value) => known.has(String(value))) ? yes : no;
  };
}
