/**
 * `field|modifier|…: value` → predicate. All modifiers of Sigma 2.1's appendix, applied in the order they are written; a chain
 * that cannot be meant is an error that says which would be. Nothing is ignored.
 */
import { limits } from "../../schemas/limits.ts";
import { unwrapped } from "../pattern/network.ts";
import { compilePattern } from "../pattern/re2.ts";
import { type DatePart, DetectionError, dateParts, joined, type Match, type Predicate } from "./predicate.ts";
import {
  encodeBase64,
  encodeBase64Offset,
  exchangeDashes,
  type Placement,
  place,
  placements,
  readValue,
  refusePlaceholders,
  type Value,
  widen,
  wides,
} from "./text.ts";

const orders = ["lt", "lte", "gt", "gte"] as const;
/** What changes a text, in the only order that makes sense; one of each row. */
const stages: readonly (readonly string[])[] = [
  ["expand"],
  ["windash"],
  Object.keys(wides),
  ["base64", "base64offset"],
  placements,
];
const kinds = ["re", "cidr", "exists", "fieldref", ...orders, ...dateParts];
const known = new Set(["all", "neq", "cased", "i", "m", "s", ...kinds, ...stages.flat()]);
/** What may stand beside a modifier that takes its value in another way than as a text. */
const companions: Readonly<Record<string, readonly string[]>> = {
  re: ["i", "m", "s", "cased", ...placements],
  fieldref: ["cased", ...placements],
  ...Object.fromEntries(dateParts.map((part) => [part, orders])),
};

/** @param field null = keywords @throws DetectionError without a path */
export function readItem(field: string | null, modifiers: readonly string[], wanted: unknown): Predicate {
  for (const modifier of modifiers) {
    if (!known.has(modifier))
      throw new DetectionError([], `"${modifier}" is no modifier of Sigma; known: ${[...known].sort().join(", ")}`);
  }
  const twice = modifiers.find((modifier, at) => modifiers.indexOf(modifier) !== at);
  if (twice !== undefined) throw new DetectionError([], `the modifier ${twice} stands here twice`);
  const values = Array.isArray(wanted) ? wanted : [wanted];
  const all = modifiers.includes("all");
  if (values.length === 0) throw new DetectionError([], "an empty list matches nothing: list values, or null");
  if (all && values.length < 2) throw new DetectionError([], "all needs a list of two or more values");
  if (values.length > 1 && values.includes(null))
    throw new DetectionError([], "null is no value of a list: write a selection of its own and 1 of them");
  const own = modifiers.filter((modifier) => modifier !== "all" && modifier !== "neq");
  let size = 0;
  const leaves = values.map((value) => {
    const leaf = readLeaf(field, value, own);
    // What it stands for: windash before base64offset makes many texts of one.
    size += leaf.kind === "or" ? leaf.of.length : 1;
    if (size > limits.rulePredicatesMax)
      throw new DetectionError([], `stands for more than ${limits.rulePredicatesMax} values`);
    return leaf;
  });
  const whole = joined(all ? "and" : "or", leaves);
  return modifiers.includes("neq") ? { kind: "not", of: whole } : whole;
}

function readLeaf(field: string | null, value: unknown, modifiers: readonly string[]): Predicate {
  const leaf = (match: Match): Predicate =>
    field === null ? { kind: "keyword", match } : { kind: "field", field, match };
  const found = kinds.filter((word) => modifiers.includes(word));
  const main = found.find((word) => Object.hasOwn(companions, word)) ?? found[0];
  if (main === undefined) return joined("or", readPlain(value, modifiers, field === null).map(leaf));
  const odd = modifiers.find((word) => word !== main && !(companions[main] ?? []).includes(word));
  if (odd !== undefined) throw new DetectionError([], `${odd} and ${main} cannot be combined`);
  if (field === null && main !== "re") throw new DetectionError([], `${main} needs a field before it`);
  if (main === "exists") {
    if (typeof value !== "boolean") throw new DetectionError([], "exists takes true or false");
    return value ? leaf({ how: "exists" }) : { kind: "not", of: leaf({ how: "exists" }) };
  }
  return leaf(readKind(main, value, modifiers));
}

function readKind(main: string, value: unknown, modifiers: readonly string[]): Match {
  const placed = placements.filter((word) => modifiers.includes(word));
  if (placed.length > 1) throw new DetectionError([], `${placed.join(" and ")} cannot be combined`);
  if (main === "re") return readExpression(textOf(value), placed[0], modifiers);
  if (main === "cidr") return { how: "cidr", network: unwrapped(textOf(value)) };
  if (main === "fieldref") {
    if (typeof value !== "string" || value === "") throw new DetectionError([], "fieldref takes the name of a field");
    return { how: "field", field: value, place: placed[0] ?? "equal", cased: modifiers.includes("cased") };
  }
  return readOrder(main, value, modifiers);
}

/** Flags stand after re; `contains` changes nothing, the other two tie it to an end of the text. */
function readExpression(source: string, placed: Placement | undefined, modifiers: readonly string[]): Match {
  if (modifiers[0] !== "re") throw new DetectionError([], `write re before ${modifiers[0]}`);
  const flags = modifiers.filter((word) => word === "i" || word === "m" || word === "s").join("");
  if (source.length > limits.ruleExpressionMax)
    throw new DetectionError([], `the expression is longer than ${limits.ruleExpressionMax} characters`);
  const tied = placed === "startswith" ? `^(?:${source})` : placed === "endswith" ? `(?:${source})$` : source;
  compilePattern(tied, flags);
  return { how: "re", source: tied, flags };
}

const partRanges: Readonly<Record<DatePart, readonly [number, number]>> = {
  minute: [0, 59],
  hour: [0, 23],
  day: [1, 31],
  week: [1, 53],
  month: [1, 12],
  year: [0, 9999],
};

function readOrder(main: string, value: unknown, modifiers: readonly string[]): Match {
  const part = dateParts.find((word) => word === main) ?? null;
  const order = orders.filter((word) => modifiers.includes(word));
  if (order.length > 1)
    throw new DetectionError([], `${order.join(" and ")} cannot be combined: write the field twice, once with each`);
  if (part !== null && modifiers[0] !== part) throw new DetectionError([], `write ${part} before ${modifiers[0]}`);
  if (typeof value !== "number" || !Number.isFinite(value))
    throw new DetectionError([], `${main} takes a number, without quotes`);
  if (part !== null) {
    const [least, most] = partRanges[part];
    if (!Number.isInteger(value) || value < least || value > most)
      throw new DetectionError([], `${part} is a whole number from ${least} to ${most}`);
  }
  return { how: order[0] ?? "eq", value, part };
}

/** The usual case: a text with its wildcards, changed by the modifiers in their order. */
function readPlain(value: unknown, modifiers: readonly string[], isKeyword: boolean): readonly Match[] {
  const flag = modifiers.find((word) => word === "i" || word === "m" || word === "s");
  if (flag !== undefined) throw new DetectionError([], `the modifier ${flag} belongs to re: write re|${flag}`);
  if (value === null) {
    if (isKeyword) throw new DetectionError([], "null is no keyword: write field: null");
    if (modifiers.length > 0) throw new DetectionError([], `null cannot be combined with ${modifiers[0]}`);
    return [{ how: "null" }];
  }
  const cased = modifiers.includes("cased");
  const changes = inOrder(modifiers.filter((word) => word !== "cased"));
  checkOrder(changes);
  const isPlaced = changes.some((word) => (placements as readonly string[]).includes(word));
  // A part of an encoded text is meant to be found inside a longer one, and a keyword anywhere in the event.
  const anywhere = !isPlaced && (isKeyword || changes.includes("base64offset"));
  const written = changes.includes("expand") ? refusePlaceholders(textOf(value)) : textOf(value);
  let values: readonly Value[] = [readValue(written)];
  for (const change of anywhere ? [...changes, "contains"] : changes)
    values = values.flatMap((one) => changed(one, change));
  for (const { pieces } of values)
    if (pieces.filter((piece) => typeof piece === "string").length > limits.ruleWildcardsMax)
      throw new DetectionError([], `a value has more than ${limits.ruleWildcardsMax} wildcards: write a re`);
  return values.map(({ pieces }) => ({ how: "text", pieces, cased }));
}

function changed(value: Value, change: string): readonly Value[] {
  if (change === "windash") return [exchangeDashes(value)];
  if (change === "base64") return encodeBase64(value);
  if (change === "base64offset") return encodeBase64Offset(value);
  if (change === "expand") return [value];
  const placement = placements.find((word) => word === change);
  return [placement === undefined ? widen(value, change) : place(value, placement)];
}

/** What only exchanges letters leaves the wildcards of contains alone, so it may stand behind: SigmaHQ writes contains|windash. */
function inOrder(changes: readonly string[]): readonly string[] {
  const at = changes.findIndex((word) => (placements as readonly string[]).includes(word));
  const behind = changes.slice(at + 1);
  if (at === -1 || behind.some((word) => word !== "windash" && word !== "expand")) return changes;
  return [...changes.slice(0, at), ...behind, ...changes.slice(at, at + 1)];
}

function checkOrder(changes: readonly string[]): void {
  const rank = (word: string) => stages.findIndex((stage) => stage.includes(word));
  for (const [at, word] of changes.entries()) {
    const before = changes[at - 1];
    if (before === undefined || rank(before) < rank(word)) continue;
    throw rank(before) === rank(word)
      ? new DetectionError([], `${before} and ${word} cannot be combined`)
      : new DetectionError([], `${word} stands before ${before}: write ${word}|${before}`);
  }
}

/** Numbers are compared by their text; one that JavaScript would round must be quoted. */
function textOf(value: unknown): string {
  if (typeof value === "number" && !Number.isSafeInteger(value) && (Number.isInteger(value) || !Number.isFinite(value)))
    throw new DetectionError([], `the number ${value} is not exact here: write it in quotes`);
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean")
    throw new DetectionError([], "a value is a text, a number, true, false or null");
  const text = String(value);
  if (text.length > limits.ruleTextMax)
    throw new DetectionError([], `a value is longer than ${limits.ruleTextMax} characters`);
  return text;
}
