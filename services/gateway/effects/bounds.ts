/**
 * A bound on a text before the grammar sees it: the parser, and whoever walks its tree, have a fixed stack. Counts an
 * upper bound of the tree's depth by words and signs alone: brackets and CASE nest; operators, joins and set
 * operations of one level stack up on each other; commas, AND and OR start anew.
 * Counts too much rather than too little: over the bound is opaque, not harmless.
 */

/** @returns whether the text nests deeper than `depthMax`, or might */
export function isTooDeep(text: string, depthMax: number): boolean {
  // Every level costs a character at least.
  if (text.length <= depthMax) return false;
  const levels: Level[] = [{ operators: 0, chained: 0 }];
  let depth = 0;
  for (const word of words(text)) {
    const level = levels.at(-1);
    if (level === undefined) return true;
    const kind = kindOf(word);
    if (kind === "open") levels.push({ operators: 0, chained: 0 });
    else if (kind === "close" && levels.length > 1) depth -= levels.pop()?.operators ?? 0;
    else if (kind === "separator") {
      depth -= level.operators - level.chained;
      level.operators = level.chained;
    } else if (kind === "operator" || kind === "chain") {
      level.operators += 1;
      if (kind === "chain") level.chained += 1;
      depth += 1;
    }
    if (depth + levels.length > depthMax) return true;
  }
  return false;
}

interface Level {
  operators: number;
  /** Of these, joins and set operations, which a comma does not end. */
  chained: number;
}

const chains = new Set(["join", "union", "intersect", "except"]);
const separators = new Set([",", ";", "and", "or", "when", "then", "else"]);
const operators = new Set([
  "not",
  "is",
  "collate",
  "at",
  "like",
  "ilike",
  "similar",
  "between",
  "in",
  "isnull",
  "notnull",
]);

function kindOf(piece: string): "open" | "close" | "separator" | "operator" | "chain" | null {
  if (piece === "(" || piece === "[") return "open";
  if (piece === ")" || piece === "]") return "close";
  const word = piece.toLowerCase();
  if (word === "case") return "open";
  if (word === "end") return "close";
  if (separators.has(word)) return "separator";
  if (chains.has(word)) return "chain";
  if (operators.has(word)) return "operator";
  return /^[-+*/<>=~!@#%^&|`?:]/.test(piece) ? "operator" : null;
}

const word = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const sign = /[-+*/<>=~!@#%^&|`?:]/;

/**
 * Words, brackets and signs of a text in one pass; comments, strings and quoted names left out. What is not finished
 * goes to the end of the text: the grammar refuses it.
 */
function* words(text: string): Generator<string> {
  let at = 0;
  while (at < text.length) {
    const letter = text[at] ?? "";
    const next = text[at + 1] ?? "";
    if (letter === "-" && next === "-") at = lineEnd(text, at);
    else if (letter === "/" && next === "*") at = yield* comment(text, at + 2);
    else if (letter === "'") at = quoteEnd(text, at + 1, "'", false);
    else if (letter === '"') at = quoteEnd(text, at + 1, '"', false);
    else if (/[eE]/.test(letter) && next === "'") at = quoteEnd(text, at + 2, "'", true);
    else if (letter === "$") at = dollarEnd(text, at);
    else if (letter === ":" && next === ":") {
      yield "::";
      at += 2;
    } else {
      word.lastIndex = at;
      const found = word.exec(text)?.[0] ?? letter;
      if (found.length > 1 || sign.test(letter) || /[()[\],;]/.test(letter)) yield found;
      at += found.length;
    }
  }
}

function lineEnd(text: string, from: number): number {
  const end = /[\r\n]/g;
  end.lastIndex = from;
  return end.exec(text)?.index ?? text.length;
}

/** Comments nest in PostgreSQL, and its scanner needs the square of their depth: they count as brackets. */
function* comment(text: string, from: number): Generator<string, number> {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  for (let depth = 1; depth > 0; ) {
    const found = mark.exec(text);
    if (found === null) return text.length;
    depth += found[0] === "/*" ? 1 : -1;
    if (depth > 0) yield found[0] === "/*" ? "(" : ")";
  }
  return mark.lastIndex;
}

/** A doubled quote ends one string and starts the next, which comes to the same. */
function quoteEnd(text: string, from: number, quote: string, escapes: boolean): number {
  for (let at = from; at < text.length; at += 1) {
    if (escapes && text[at] === "\\") at += 1;
    else if (text[at] === quote) return at + 1;
  }
  return text.length;
}

function dollarEnd(text: string, from: number): number {
  const tag = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
  tag.lastIndex = from;
  const mark = tag.exec(text)?.[0];
  if (mark === undefined) return from + 1;
  const end = text.indexOf(mark, from + mark.length);
  return end === -1 ? text.length : end + mark.length;
}
