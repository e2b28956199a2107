/** One Match of a predicate against the values of a field, as SQL that is never NULL. */
import type { Piece } from "../pattern/glob.ts";
import type { DatePart, Match } from "../rules/predicate.ts";
import { quoted } from "./text.ts";

type ScalarMatch = Exclude<Match, { readonly how: "field" | "null" | "exists" }>;

const orders = { lt: "<", lte: "<=", gt: ">", gte: ">=", eq: "=" } as const;

/** One value that matches is enough. */
export function matchSql(values: { readonly texts: string; readonly numbers: string }, match: ScalarMatch): string {
  switch (match.how) {
    case "text":
      return `arrayExists(x -> ${textSql(match.pieces, match.cased)}, ${values.texts})`;
    case "re":
      return `arrayExists(x -> match(x, ${quoted(expression(match.source, match.flags))}), ${values.texts})`;
    case "cidr":
      return `arrayExists(x -> ${networkSql(match.network)}, ${values.texts})`;
    default:
      if (match.part !== null)
        return `arrayExists(x -> ifNull(${partSql(match.part)} ${orders[match.how]} ${match.value}, 0), ${values.texts})`;
      return `arrayExists(x -> x ${orders[match.how]} ${match.value}, ${values.numbers})`;
  }
}

/** ClickHouse lets a dot be a line's end unless it is told not to. */
function expression(source: string, flags: string): string {
  const on = ["i", "m", "s"].filter((flag) => flags.includes(flag)).join("");
  return `(?${on}${flags.includes("s") ? "" : "-s"})${source}`;
}

function textSql(pieces: readonly Piece[], cased: boolean): string {
  const fold = (text: string) => (cased ? text : text.toLowerCase());
  const mine = cased ? "x" : "lowerUTF8(x)";
  const plain = pieces.every((piece) => typeof piece === "object");
  if (plain) return `${mine} = ${quoted(fold(pieces.map((piece) => (piece as { text: string }).text).join("")))}`;
  const parts = pieces.map((piece) => {
    if (typeof piece === "object") return fold(piece.text).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    return piece === "*" ? ".*" : piece === "?" ? "." : "[-/\u2013\u2014\u2015]";
  });
  return `match(${mine}, ${quoted(`(?s)^${parts.join("")}$`)})`;
}

/** Of an address with a port behind it, the address. What is none lies in no network. */
function networkSql(network: string): string {
  const whole = network.includes("/") ? network : `${network}/${network.includes(":") ? 128 : 32}`;
  const isAddress = (text: string) => `(isIPv4String(${text}) OR isIPv6String(${text}))`;
  const bare = `replaceRegexpOne(replaceRegexpOne(x, '^\\\\[(.*)\\\\](:[0-9]+)?$', '\\\\1'), '^([^:]*):[0-9]+$', '\\\\1')`;
  const address = `if(${isAddress("x")}, x, ${bare})`;
  return `isIPAddressInRange(if(${isAddress(address)}, ${address}, ${network.includes(":") ? "'0.0.0.0'" : "'::'"}), ${quoted(whole)})`;
}

const places: Readonly<Record<Exclude<DatePart, "week">, number>> = { year: 1, month: 2, day: 3, hour: 4, minute: 5 };

function partSql(part: DatePart): string {
  const groups = "extractGroups(x, '^\\\\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2}))?')";
  if (part === "week") return `toISOWeek(toDateOrNull(substring(trimLeft(x), 1, 10)))`;
  return `toFloat64OrNull(${groups}[${places[part]}])`;
}

/** A value of one field against a value of another. */
export function referenceSql(
  texts: string,
  others: string,
  { place, cased }: Extract<Match, { readonly how: "field" }>,
): string {
  const fold = (name: string) => (cased ? name : `lowerUTF8(${name})`);
  const holds = {
    equal: `${fold("x")} = ${fold("y")}`,
    startswith: `startsWith(${fold("x")}, ${fold("y")})`,
    endswith: `endsWith(${fold("x")}, ${fold("y")})`,
    contains: `position(${fold("x")}, ${fold("y")}) > 0`,
  }[place];
  return `arrayExists(x -> arrayExists(y -> ${holds}, ${others}), ${texts})`;
}
