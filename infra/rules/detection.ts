/**
 * The `detection` of a Sigma rule → a predicate, and one test over one effect of one event. Whatever of Sigma is not
 * evaluated is an error that names it and says what to write instead; nothing is ignored.
 */
import { fieldNamed, fields as knownFields } from "../../schemas/fields.ts";
import { limits } from "../../schemas/limits.ts";
import { type Condition, parseCondition } from "./condition.ts";
import { compilePredicate } from "./evaluate.ts";
import { isLate, type Seen } from "./field.ts";
import { readItem } from "./modifiers.ts";
import { type Needs, needsOf } from "./needs.ts";
import { DetectionError, fieldsOf, joined, type Match, type Predicate } from "./predicate.ts";
import { searched } from "./search.ts";
import { nearest } from "./spelling.ts";
import type { Test } from "./tri.ts";

export interface CompiledDetection {
  readonly test: Test<Seen>;
  /** All that the answer depends on, by name. */
  readonly fields: ReadonlySet<string>;
  /** A condition on what is known only when the command has finished. */
  readonly usesLate: boolean;
  /** Operations without which it cannot match, or null: lets most events skip it. Never asked for opaque commands. */
  readonly operations: ReadonlySet<string> | null;
  /** It cannot match what destroys nothing. */
  readonly needsDestroys: boolean;
  /** What else it cannot match without. */
  readonly needs: Needs;
  /** What `test` is made from; other evaluators (ClickHouse SQL) are made from it too. */
  readonly tree: Predicate;
  /** As it is written. */
  readonly written: Readonly<Record<string, unknown>>;
}

/** Which events a detection is asked about. `commands`: Throughline's own. `any`: of any product (`rules run`). */
export type Logs = "commands" | "any";

type Path = readonly (string | number)[];

/** What must hold of an event beside the detection: its log source. */
export interface About {
  readonly must: Predicate;
  /** Fields that the answer depends on because of it. */
  readonly fields: readonly string[];
}

/** @throws DetectionError */
export function compileDetection(
  detection: Readonly<Record<string, unknown>>,
  logs: Logs = "commands",
  about: About | null = null,
): CompiledDetection {
  const { condition, timeframe, ...named } = detection;
  if (timeframe !== undefined)
    throw new DetectionError(
      ["timeframe"],
      "is no longer part of Sigma: write a correlation rule over this one, with a timespan",
      true,
    );
  const size = { predicates: 0 };
  const parts = new Map(
    Object.entries(named).map(([name, value]) => [name, readPart(value, [name], { logs, size })] as const),
  );
  const tree = readConditions(condition, parts);
  const compiled = compileTree(tree, detection);
  if (about === null) return compiled;
  const whole: Predicate = { kind: "and", of: [about.must, tree] };
  const fields = new Set([...compiled.fields, ...about.fields]);
  return { ...compiled, fields, tree: whole, test: compilePredicate(whole) };
}

/** @param written {} where it has no written form of its own */
export function compileTree(tree: Predicate, written: CompiledDetection["written"] = {}): CompiledDetection {
  const needs = needsOf(tree);
  const fields = fieldsOf(tree);
  if (hasKeyword(tree)) for (const field of ["keywords", ...searched]) fields.add(field);
  return {
    test: compilePredicate(tree),
    fields,
    usesLate: [...fields].some(isLate),
    operations: needs.get("operation") ?? null,
    needsDestroys: isOnly(needs.get("destroys"), "true"),
    needs,
    tree,
    written,
  };
}

function isOnly(texts: ReadonlySet<string> | undefined, text: string): boolean {
  return texts !== undefined && texts.size === 1 && texts.has(text);
}

function hasKeyword(predicate: Predicate): boolean {
  if (predicate.kind === "not") return hasKeyword(predicate.of);
  return "of" in predicate ? predicate.of.some(hasKeyword) : predicate.kind === "keyword";
}

/** Several conditions are several queries: any of them. */
function readConditions(condition: unknown, parts: ReadonlyMap<string, Predicate>): Predicate {
  const written: readonly unknown[] = Array.isArray(condition) ? condition : [condition];
  if (condition === undefined || written.length === 0)
    throw new DetectionError(
      ["condition"],
      `is missing: write one over ${[...parts.keys()].join(", ") || "its parts"}`,
    );
  const size = { names: 0 };
  return joined(
    "or",
    written.map((text, at) => {
      const path = Array.isArray(condition) ? ["condition", at] : ["condition"];
      if (typeof text !== "string") throw new DetectionError(path, "must be a text, or a list of texts");
      try {
        return combine(parseCondition(text, [...parts.keys()]), parts, size);
      } catch (error) {
        throw new DetectionError(path, error instanceof Error ? error.message : String(error));
      }
    }),
  );
}

/** @param size names put in so far, over all conditions */
function combine(tree: Condition, parts: ReadonlyMap<string, Predicate>, size: { names: number }): Predicate {
  if (tree.kind === "not") return { kind: "not", of: combine(tree.of, parts, size) };
  if (tree.kind !== "name") {
    const of = tree.of.map((branch) => combine(branch, parts, size));
    return joined(tree.kind, of);
  }
  size.names += 1;
  if (size.names > limits.rulePredicatesMax)
    throw new Error(`all conditions together name more than ${limits.rulePredicatesMax} parts`);
  const part = parts.get(tree.name);
  if (part === undefined) throw new Error(`there is no "${tree.name}"`);
  return part;
}

interface Reading {
  readonly logs: Logs;
  readonly size: { predicates: number };
}

/** A map: all of its items. A list: any of its maps and keywords. */
function readPart(value: unknown, path: Path, reading: Reading): Predicate {
  if (Array.isArray(value)) {
    if (value.length === 0) throw new DetectionError(path, "is empty");
    return joined(
      "or",
      value.map((member, index) => readPart(member, [...path, index], reading)),
    );
  }
  if (typeof value !== "object" || value === null) return readKey("", value, path, reading);
  const items = Object.entries(value).map(([key, wanted]) => readKey(key, wanted, [...path, key], reading));
  if (items.length === 0) throw new DetectionError(path, "is empty");
  return joined("and", items);
}

/** `field|modifier|…: value`; with no field, keywords. */
function readKey(key: string, wanted: unknown, path: Path, { logs, size }: Reading): Predicate {
  const [field = "", ...modifiers] = key.split("|");
  try {
    if (field !== "") checkName(field, logs);
    size.predicates += Array.isArray(wanted) ? wanted.length : 1;
    if (size.predicates > limits.rulePredicatesMax)
      throw new DetectionError([], `more than ${limits.rulePredicatesMax} values in one detection`);
    const predicate = readItem(field === "" ? null : field, modifiers, wanted);
    checkReferences(predicate, logs);
    if (logs === "commands") checkValues(predicate);
    return predicate;
  } catch (error) {
    if (error instanceof DetectionError) throw new DetectionError(path, error.message, error.unsupported);
    throw new DetectionError(path, error instanceof Error ? error.message : String(error));
  }
}

/** A field that no event has would make a rule that never matches, and nobody would see it. */
export function checkName(field: string, logs: Logs): void {
  if (/^chain\.(lineage|actor)$/.test(field))
    throw new DetectionError([], `${field} ties several events: write it under group-by of a correlation`, true);
  if (logs === "any") return;
  const known = fieldNamed(field)?.known;
  if (known === "plain")
    throw new DetectionError([], `no command has the field "${field}": only plain events do (throughline rules run)`);
  if (known !== undefined) return;
  const names = knownFields.flatMap((one) => (one.known === "plain" ? [] : [one.name]));
  const meant = nearest(field, names);
  throw new DetectionError(
    [],
    `no command has the field "${field}"${meant === null ? "." : `; do you mean ${meant}?`} Known: ${names.join(", ")}`,
  );
}

function checkReferences(predicate: Predicate, logs: Logs): void {
  if (predicate.kind === "not") checkReferences(predicate.of, logs);
  else if ("of" in predicate) for (const part of predicate.of) checkReferences(part, logs);
  else if (predicate.match.how === "field") checkName(predicate.match.field, logs);
}

/** Of a field that has few values, any other is a mistake. */
function checkValues(predicate: Predicate): void {
  if (predicate.kind === "not") checkValues(predicate.of);
  else if ("of" in predicate) for (const part of predicate.of) checkValues(part);
  else if (predicate.kind === "field") checkValue(predicate.field, predicate.match);
}

function checkValue(name: string, match: Match): void {
  const field = fieldNamed(name);
  if (field?.values === undefined || match.how !== "text") return;
  const text = match.pieces.map((piece) => (typeof piece === "string" ? null : piece.text)).join("");
  if (match.pieces.some((piece) => typeof piece === "string") || field.values.includes(text.toLowerCase())) return;
  throw new DetectionError([], `"${text}" is no ${name}; known: ${field.values.join(", ")}`);
}
