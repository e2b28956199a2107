/**
 * Texts with wildcards, without backtracking: what stands between two stars is looked for from left to right, once.
 * `?` is one character as people count them (a surrogate pair is one).
 */

/** A run of plain characters, `*` (any number of characters), `?` (one), or any of the dashes that `windash` exchanges. */
export type Piece = "*" | "?" | "dash" | { readonly text: string };

/** `-`, `/`, en dash, em dash, horizontal bar. */
export const dashes = ["-", "/", "\u2013", "\u2014", "\u2015"] as const;

type Atom = Exclude<Piece, "*">;
type Segment = readonly Atom[];

/** @returns whether the whole text is these pieces */
export function compileGlob(pieces: readonly Piece[]): (text: string) => boolean {
  const segments = split(pieces);
  const [first = [], ...rest] = segments;
  const last = rest.pop();
  if (last === undefined) return onlyText(first) ?? ((text) => endOf(first, text, 0) === text.length);
  if (rest.length === 0 || (rest.length === 1 && first.length === 0 && last.length === 0)) {
    const simple = simply(first, rest[0], last);
    if (simple) return simple;
  }
  return (text) => {
    let at = endOf(first, text, 0);
    for (const segment of rest) if (at !== -1) at = findEnd(segment, text, at);
    return at !== -1 && endsWith(last, text, at);
  };
}

function split(pieces: readonly Piece[]): readonly Segment[] {
  const segments: Atom[][] = [[]];
  for (const piece of pieces) {
    const segment = segments.at(-1) ?? [];
    const before = segment.at(-1);
    if (piece === "*") segments.push([]);
    else if (typeof piece === "object" && typeof before === "object")
      segment[segment.length - 1] = { text: before.text + piece.text };
    else segment.push(piece);
  }
  return segments;
}

/** The plain text of a segment; null when it has something else. */
function textOf(segment: Segment | undefined): string | null {
  if (segment === undefined || segment.length === 0) return "";
  const only = segment.length === 1 ? segment[0] : undefined;
  return typeof only === "object" ? only.text : null;
}

function onlyText(segment: Segment): ((text: string) => boolean) | null {
  const plain = textOf(segment);
  return plain === null ? null : (text) => text === plain;
}

/** `x*`, `*x`, `x*y`, `*x*`: what nearly all rules are. */
function simply(first: Segment, middle: Segment | undefined, last: Segment): ((text: string) => boolean) | null {
  const [start, inside, end] = [textOf(first), textOf(middle), textOf(last)];
  if (start === null || inside === null || end === null) return null;
  if (middle !== undefined) return (text) => text.includes(inside);
  if (end === "") return (text) => text.startsWith(start);
  if (start === "") return (text) => text.endsWith(end);
  return (text) => text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}

/** @returns where the segment ends when it stands at `at`; -1 when it does not */
function endOf(segment: Segment, text: string, at: number): number {
  let end = at;
  for (const atom of segment) {
    if (typeof atom === "object") {
      if (!text.startsWith(atom.text, end)) return -1;
      end += atom.text.length;
    } else {
      if (end >= text.length) return -1;
      if (atom === "dash" && !(dashes as readonly string[]).includes(text[end] ?? "")) return -1;
      end += atom === "?" && (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
    }
  }
  return end;
}

function findEnd(segment: Segment, text: string, from: number): number {
  const lead = segment[0];
  for (let at = from; at <= text.length; at += 1) {
    if (typeof lead === "object") {
      at = text.indexOf(lead.text, at);
      if (at === -1) return -1;
    }
    const end = endOf(segment, text, at);
    if (end !== -1) return end;
  }
  return -1;
}

function endsWith(segment: Segment, text: string, from: number): boolean {
  const least = segment.reduce((units, atom) => units + (typeof atom === "object" ? atom.text.length : 1), 0);
  const most = least + segment.filter((atom) => atom === "?").length;
  for (let at = Math.max(from, text.length - most); at <= text.length - least; at += 1)
    if (endOf(segment, text, at) === text.length) return true;
  return false;
}
