/**
 * A condition over the rules of a temporal correlation, as the ways to fulfil it: which rules must have matched, and
 * which must not. `a and not b`, `a or b`, `{ gte: 2 }` (so many different rules); nothing = all of them.
 * Refuses what no event could complete: a way in which nothing must happen.
 */
import { type Condition, parseCondition } from "./condition.ts";
import type { CountBounds } from "./rule-set.ts";

export interface Alternative {
  /** Places in `rules`, ascending. */
  readonly happens: readonly number[];
  readonly never: readonly number[];
}

/** @returns the rules that an expression names, in the order it names them */
export function rulesNamed(expression: string): readonly string[] {
  const words = expression.match(/[^\s()]+/g) ?? [];
  return [...new Set(words.filter((word) => !/^(and|or|not)$/i.test(word)))];
}

/** @throws Error with one sentence */
export function fromExpression(expression: string, rules: readonly string[], waysMax: number): Alternative[] {
  const tree = parseCondition(expression, rules);
  const named = new Set(namesIn(tree));
  const idle = rules.find((rule) => !named.has(rule));
  if (idle !== undefined) throw new Error(`does not say what "${idle}" is for`);
  const ways = distinct(spread(tree, false, rules, waysMax));
  if (ways.length === 0) throw new Error("can never be fulfilled");
  if (ways.some(({ happens }) => happens.length === 0))
    throw new Error("nothing would have to happen: name a rule without `not` on every side of an `or`");
  return ways;
}

/** So many different rules. @throws Error with one sentence */
export function fromBounds(
  rules: readonly string[],
  bounds: CountBounds,
  holds: (number: number) => boolean,
  waysMax: number,
): Alternative[] {
  const upward = bounds.lt === undefined && bounds.lte === undefined && bounds.eq === undefined;
  const least = rules.findIndex((_, index) => holds(index + 1)) + 1;
  if (least === 0) throw new Error(`no number of ${rules.length} rules fulfils it`);
  // From the least number on every number is right: who has more has these too.
  const simple = upward && bounds.neq === undefined;
  const ways: Alternative[] = [];
  for (let bits = 1; bits < 2 ** rules.length; bits += 1) {
    const happens = [...rules.keys()].filter((place) => (bits >> place) % 2 === 1);
    if (simple ? happens.length !== least : !holds(happens.length)) continue;
    ways.push({ happens, never: simple ? [] : [...rules.keys()].filter((place) => !happens.includes(place)) });
    if (ways.length > waysMax) throw new Error(`stands for more than ${waysMax} chains`);
  }
  return ways;
}

function namesIn(tree: Condition): readonly string[] {
  if (tree.kind === "name") return [tree.name];
  return tree.kind === "not" ? namesIn(tree.of) : tree.of.flatMap(namesIn);
}

/** The disjunctive form; contradictions are left out. */
function spread(tree: Condition, negated: boolean, rules: readonly string[], waysMax: number): readonly Alternative[] {
  if (tree.kind === "not") return spread(tree.of, !negated, rules, waysMax);
  if (tree.kind === "name") {
    const place = [rules.indexOf(tree.name)];
    return [negated ? { happens: [], never: place } : { happens: place, never: [] }];
  }
  const parts = tree.of.map((part) => spread(part, negated, rules, waysMax));
  const ways =
    (tree.kind === "or") !== negated
      ? parts.flat()
      : parts.reduce((one, other) =>
          bounded(distinct(one.flatMap((left) => other.flatMap((right) => both(left, right)))), waysMax),
        );
  return bounded(ways, waysMax);
}

function bounded(ways: readonly Alternative[], waysMax: number): readonly Alternative[] {
  if (ways.length > waysMax) throw new Error(`stands for more than ${waysMax} chains`);
  return ways;
}

function both(one: Alternative, other: Alternative): Alternative[] {
  const happens = ascending([...one.happens, ...other.happens]);
  const never = ascending([...one.never, ...other.never]);
  return happens.some((place) => never.includes(place)) ? [] : [{ happens, never }];
}

function ascending(places: readonly number[]): readonly number[] {
  return [...new Set(places)].sort((a, b) => a - b);
}

function distinct(ways: readonly Alternative[]): Alternative[] {
  return [...new Map(ways.map((way) => [JSON.stringify([way.happens, way.never]), way])).values()];
}
