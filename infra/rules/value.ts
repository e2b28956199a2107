/**
 * One Sigma value against one field: equality without regard to case, `*` and `?` with `\` before them as plain
 * characters, numbers, null, and the modifiers that make sense on events. Linear in the text.
 * A field with several values matches when one of them does.
 */
import { BlockList, isIP } from "node:net";
import { compilePattern } from "../pattern/re2.ts";
import { type FieldValue, type Scalar, unknown } from "./field.ts";
import { maybe, no, type Tri, yes } from "./tri.ts";

export type ValueTest = (value: FieldValue) => Tri;
type One = (value: Scalar) => boolean;

/** What a value is compared by, from its modifiers. */
export interface Comparison {
  readonly how: "equal" | "contains" | "startswith" | "endswith" | "re" | "cidr" | "lt" | "lte" | "gt" | "gte";
  readonly cased: boolean;
  /** `i`, `m`, `s` of `re`. */
  readonly flags: string;
}

/** @throws Error with one sentence when the value does not fit the comparison */
export function compileValue(value: unknown, comparison: Comparison): ValueTest {
  if (value === null) return isNull(comparison);
  const one = compileOne(value, comparison);
  return (field) => {
    if (field === unknown) return maybe;
    if (field === null) return no;
    if (typeof field !== "object") return one(field) ? yes : no;
    for (const member of field) if (one(member)) return yes;
    return no;
  };
}

function isNull({ how }: Comparison): ValueTest {
  if (how !== "equal") throw new Error(`null cannot be compared with ${how}`);
  return (field) => (field === unknown ? maybe : field === null || field === "" ? yes : no);
}

function compileOne(value: unknown, comparison: Comparison): One {
  const { how } = comparison;
  if (how === "lt" || how === "lte" || how === "gt" || how === "gte") return compileOrder(value, how);
  if (typeof value === "object" || value === undefined)
    throw new Error("a value is a text, a number, true, false or null");
  if (how === "re") return compileExpression(String(value), comparison.flags);
  if (how === "cidr") return compileNetwork(String(value));
  if (how === "equal" && typeof value !== "string") {
    const text = String(value).toLowerCase();
    return (field) => field === value || String(field).toLowerCase() === text;
  }
  return compileText(String(value), comparison);
}

function compileOrder(value: unknown, how: "lt" | "lte" | "gt" | "gte"): One {
  if (typeof value !== "number") throw new Error(`${how} takes a number`);
  const orders: Record<typeof how, (field: number) => boolean> = {
    lt: (field) => field < value,
    lte: (field) => field <= value,
    gt: (field) => field > value,
    gte: (field) => field >= value,
  };
  const order = orders[how];
  return (field) => {
    const number = typeof field === "number" ? field : typeof field === "string" && field !== "" ? Number(field) : NaN;
    return order(number);
  };
}

function compileExpression(source: string, flags: string): One {
  const pattern = compilePattern(source, flags);
  return (field) => pattern.test(String(field));
}

function compileNetwork(value: string): One {
  const [address, bits] = value.split("/");
  const family = isIP(address ?? "");
  if (family === 0 || bits === undefined || !/^[0-9]{1,3}$/.test(bits)) throw new Error("cidr takes 10.0.0.0/8");
  const network = new BlockList();
  network.addSubnet(address ?? "", Number(bits), family === 6 ? "ipv6" : "ipv4");
  return (field) => {
    const kind = isIP(String(field));
    return kind !== 0 && network.check(String(field), kind === 6 ? "ipv6" : "ipv4");
  };
}

type Piece = string | typeof star | typeof question;
const star = Symbol("*");
const question = Symbol("?");

function compileText(value: string, { how, cased }: Comparison): One {
  const pieces = readPieces(cased ? value : value.toLowerCase());
  if (how === "contains" || how === "endswith") pieces.unshift(star);
  if (how === "contains" || how === "startswith") pieces.push(star);
  const fold: (field: Scalar) => string = cased ? String : (field) => String(field).toLowerCase();
  const plain = pieces.filter((piece) => typeof piece === "string").join("");
  const shape = pieces.map((piece) => (typeof piece === "string" ? "a" : piece === star ? "*" : "?")).join("");
  if (/^a*$/.test(shape)) return (field) => fold(field) === plain;
  if (/^a+\*$/.test(shape)) return (field) => fold(field).startsWith(plain);
  if (/^\*a+$/.test(shape)) return (field) => fold(field).endsWith(plain);
  if (/^\*a+\*$/.test(shape)) return (field) => fold(field).includes(plain);
  return (field) => glob(pieces, fold(field));
}

/** Characters, and the two wildcards unless a backslash stands before them. */
function readPieces(value: string): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < value.length; at += 1) {
    const letter = value[at] ?? "";
    const next = value[at + 1];
    if (letter === "\\" && (next === "*" || next === "?" || next === "\\")) {
      pieces.push(next);
      at += 1;
    } else pieces.push(letter === "*" ? star : letter === "?" ? question : letter);
  }
  return pieces;
}

/** Goes back to the last star only: at most text × pattern steps, never more. */
function glob(pieces: readonly Piece[], text: string): boolean {
  let piece = 0;
  let at = 0;
  let lastStar = -1;
  let resume = 0;
  while (at < text.length) {
    const now = pieces[piece];
    if (now === star) {
      lastStar = piece;
      resume = at;
      piece += 1;
    } else if (now === question || now === text[at]) {
      piece += 1;
      at += 1;
    } else if (lastStar !== -1) {
      piece = lastStar + 1;
      resume += 1;
      at = resume;
    } else return false;
  }
  while (pieces[piece] === star) piece += 1;
  return piece === pieces.length;
}
