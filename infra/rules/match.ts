/**
 * One Match against the values of a field. Texts are compared in lower case unless the rule says `cased`; numbers and truth
 * values by their text. Linear in the value, whatever the rule says.
 */
import { compileGlob, type Piece } from "../pattern/glob.ts";
import { isInNetwork, parseNetwork } from "../pattern/network.ts";
import { compilePattern } from "../pattern/re2.ts";
import type { Scalar } from "./field.ts";
import type { DatePart, Match } from "./predicate.ts";

export type ScalarTest = (value: Scalar) => boolean;

/** Matches that look at one value alone; `field`, `null` and `exists` need the event. */
export type ScalarMatch = Exclude<Match, { readonly how: "field" | "null" | "exists" }>;

/** @param lower the field's values are lower case already */
export function compileMatch(match: ScalarMatch, lower = false): ScalarTest {
  switch (match.how) {
    case "text":
      return compileText(match.pieces, match.cased || lower, match.cased);
    case "re": {
      const pattern = compilePattern(match.source, match.flags);
      return (value) => pattern.test(String(value));
    }
    case "cidr": {
      const network = parseNetwork(match.network);
      return (value) => typeof value === "string" && isInNetwork(network, value);
    }
    default:
      return compileOrder(match.how, match.value, match.part);
  }
}

/** @param asIs compare the value's text as it is @param cased the rule's text too */
function compileText(pieces: readonly Piece[], asIs: boolean, cased: boolean): ScalarTest {
  const fold = cased ? (text: string) => text : (text: string) => text.toLowerCase();
  const folded = pieces.map((piece) => (typeof piece === "string" ? piece : { text: fold(piece.text) }));
  const glob = compileGlob(folded);
  const [onTrue, onFalse] = [glob("true"), glob("false")];
  const plain = folded.every((piece) => typeof piece === "object") ? folded.map(({ text }) => text).join("") : null;
  return (value) => {
    if (typeof value === "boolean") return value ? onTrue : onFalse;
    const text = typeof value === "string" ? value : String(value);
    if (plain === null) return glob(asIs ? text : text.toLowerCase());
    // Lower case never has fewer characters.
    return text === plain || (!asIs && text.length <= plain.length && text.toLowerCase() === plain);
  };
}

function compileOrder(how: "lt" | "lte" | "gt" | "gte" | "eq", wanted: number, part: DatePart | null): ScalarTest {
  const numberOf = part === null ? asNumber : (value: Scalar) => partOf(value, part);
  const orders: Record<typeof how, (value: number) => boolean> = {
    lt: (value) => value < wanted,
    lte: (value) => value <= wanted,
    gt: (value) => value > wanted,
    gte: (value) => value >= wanted,
    eq: (value) => value === wanted,
  };
  const order = orders[how];
  return (value) => order(numberOf(value));
}

/** NaN, which is neither more nor less than anything, for what is no decimal number. */
function asNumber(value: Scalar): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^\s*[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\s*$/.test(value)
    ? Number(value)
    : NaN;
}

const date = /^\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2}))?/;

/** As written: time zones are not converted. A number is milliseconds since 1970, UTC. NaN when there is no such part. */
function partOf(value: Scalar, part: DatePart): number {
  const written =
    typeof value === "number" && Math.abs(value) <= 8.64e15 ? new Date(value).toISOString() : String(value);
  const found = date.exec(written);
  if (found === null) return NaN;
  const [, year, month, day, hour, minute] = found;
  const numbers = { year, month, day, hour, minute };
  return part === "week" ? weekOf(Number(year), Number(month), Number(day)) : Number(numbers[part] ?? NaN);
}

/** ISO 8601: weeks begin on Monday; the first has the year's first Thursday. */
function weekOf(year: number, month: number, day: number): number {
  const date = new Date(Date.UTC(year, month - 1, day));
  const thursday = date.getTime() + (4 - (date.getUTCDay() || 7)) * 86_400_000;
  const first = Date.UTC(new Date(thursday).getUTCFullYear(), 0, 1);
  return 1 + Math.floor((thursday - first) / (7 * 86_400_000));
}
