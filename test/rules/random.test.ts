/**
 * Random detections against a second reading of Sigma that shares nothing with the product's: maps are walked as written,
 * values become regular expressions of JavaScript, conditions are evaluated as JavaScript.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileDetection } from "../../infra/rules/detection.ts";
import type { FieldValue } from "../../infra/rules/field.ts";
import { seeded } from "../correlator/dice.ts";
import { event } from "./ask.ts";

type Fields = Readonly<Record<string, FieldValue>>;
type Part = Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[];

const words = ["x", "y", "X", "xy", "yx", "x*", "*y", "?", "x?y", "x\\*", "\\\\*", "", "-x", "1"];
const texts = ["x", "y", "X", "XY", "yx", "x*", "xay", "", "\\", "/x", "1", "a\\b"];
const modifiers = [
  "",
  "",
  "",
  "|contains",
  "|startswith",
  "|endswith",
  "|cased",
  "|neq",
  "|contains|neq",
  "|all",
  "|contains|all",
  "|startswith|cased",
  "|windash",
  "|exists",
  "|null",
];

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

function matches(word: string, how: readonly string[], text: string): boolean {
  let source = "";
  for (const [piece] of word.matchAll(/\\[\\*?]|[\s\S]/g)) {
    if (piece === "*") source += "[\\s\\S]*";
    else if (piece === "?") source += "[\\s\\S]";
    else if (how.includes("windash") && "-/".includes(piece)) source += "[-/–—―]";
    else source += escaped(piece.length === 2 ? piece.slice(1) : piece);
  }
  const before = how.includes("startswith") || !(how.includes("contains") || how.includes("endswith")) ? "^" : "";
  const after = how.includes("endswith") || !(how.includes("contains") || how.includes("startswith")) ? "$" : "";
  return new RegExp(`${before}(?:${source})${after}`, how.includes("cased") ? "u" : "iu").test(text);
}

function item(key: string, wanted: unknown, fields: Fields): boolean {
  const [name = "", ...how] = key.split("|");
  if (how.includes("exists")) return Object.hasOwn(fields, name) === wanted;
  const values = [fields[name] ?? []].flat().map(String);
  if (wanted === null) return values.length === 0;
  const one = (word: unknown) => values.some((text) => matches(String(word), how, text));
  const all = [wanted].flat();
  const found = how.includes("all") ? all.every(one) : all.some(one);
  return how.includes("neq") ? !found : found;
}

function part(value: Part, fields: Fields): boolean {
  if (Array.isArray(value)) return value.some((member) => part(member, fields));
  return Object.entries(value).every(([key, wanted]) => item(key, wanted, fields));
}

function naive(parts: Readonly<Record<string, Part>>, condition: string, fields: Fields): boolean {
  const code = condition
    .replace(/\bp[0-9]\b/g, (name) => String(part(parts[name] ?? {}, fields)))
    .replaceAll(" and ", " && ")
    .replaceAll(" or ", " || ")
    .replaceAll("not ", "!");
  return new Function(`return ${code}`)() === true;
}

test("random detections answer as a second reading of the specification does, and never match without what they need", () => {
  const seed = Number(process.env.SEED ?? 7);
  const dice = seeded(seed);
  const pick = <T>(from: readonly T[]): T => from[dice(from.length)]!;
  const anItem = (): [string, unknown] => {
    const modifier = pick(modifiers);
    const field = pick(["a", "b", "c"]);
    if (modifier === "|exists") return [`${field}|exists`, dice(2) === 0];
    if (modifier === "|null") return [field, null];
    const count = modifier.includes("all") ? 2 : pick([1, 1, 2, 4]);
    const values = Array.from({ length: count }, () => pick(words));
    return [field + modifier, count === 1 ? values[0] : values];
  };
  const aMap = () => Object.fromEntries(Array.from({ length: 1 + dice(2) }, anItem));
  const aPart = (): Part => (dice(3) === 0 ? [aMap(), aMap()] : aMap());
  const aCondition = (depth: number): string => {
    if (depth > 2 || dice(3) === 0) return `p${dice(3)}`;
    const kind = dice(4);
    if (kind === 0) return `not (${aCondition(depth + 1)})`;
    const both = [aCondition(depth + 1), aCondition(depth + 1)];
    return kind === 1 ? `(${both.join(" and ")})` : both.join(kind === 2 ? " and " : " or ");
  };
  const aValue = (): FieldValue =>
    pick([pick(texts), pick(texts), pick(texts), [pick(texts), pick(texts)], null, [], 1]);
  for (let rule = 0; rule < 1_500; rule += 1) {
    const parts = { p0: aPart(), p1: aPart(), p2: aPart() };
    const condition = aCondition(0);
    const { test: compiled, needs } = compileDetection({ ...parts, condition }, "any");
    for (let line = 0; line < 20; line += 1) {
      const fields: Record<string, FieldValue> = {};
      for (const name of ["a", "b", "c"]) if (dice(4) > 0) fields[name] = aValue();
      const answer = compiled(event(fields)) === 2;
      const about = `seed ${seed}: ${JSON.stringify({ parts, condition, fields })}`;
      assert.equal(answer, naive(parts, condition, fields), about);
      if (!answer) continue;
      for (const [field, wanted] of needs)
        assert.ok(
          [fields[field] ?? []].flat().some((text) => wanted.has(String(text).toLowerCase())),
          about,
        );
    }
  }
});
