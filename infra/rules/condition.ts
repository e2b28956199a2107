/**
 * Sigma's condition language over the named parts of `detection`: and, or, not, parentheses, `1 of`, `any of`, `all of`,
 * patterns with `*`, and `them`. Names that begin with `_` are left out of both unless the pattern begins so too.
 * Refuses what Sigma dropped (`|` aggregations) and what it never had (`2 of`), and says what to write instead.
 */
export type Condition =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "and" | "or"; readonly of: readonly Condition[] };

/** Deeper than people write; keeps the reader's stack bounded. */
const depthMax = 50;
const wordsMax = 1_000;

/** @throws Error with one sentence; the caller names file, line and key */
export function parseCondition(text: string, names: readonly string[]): Condition {
  const pipe = text.indexOf("|");
  if (pipe !== -1) throw new Error(insteadOf(text.slice(pipe + 1)));
  const reserved = names.find((name) => words.test(name));
  if (reserved !== undefined)
    throw new Error(`"${reserved}" is a word of the condition itself: give that part another name`);
  const read = text.match(/\(|\)|[^\s()]+/g) ?? [];
  if (read.length > wordsMax) throw new Error(`more than ${wordsMax} words`);
  const reader = new Reader(read, names);
  const condition = reader.or(0);
  if (reader.word !== undefined) throw new Error(`"${reader.word}" is not expected here`);
  return condition;
}

const words = /^(and|or|not|of|1|any|all|them)$/i;

/** What a correlation rule has for the aggregations of Sigma before version 2. */
function insteadOf(aggregation: string): string {
  const old = "what stands after | is no longer part of Sigma: write a correlation rule over this one with type";
  const [, word = "", field = ""] = /^\s*(count|sum|avg|min|max|near)\b\s*(?:\(\s*([^)\s]*))?/i.exec(aggregation) ?? [];
  switch (word.toLowerCase()) {
    case "count":
      return field === "" ? `${old} event_count` : `${old} value_count and condition.field ${field}`;
    case "sum":
    case "avg":
      return `${old} value_${word.toLowerCase()}`;
    case "near":
      return `${old} temporal`;
    default:
      return `${old} event_count, value_count, value_sum, value_avg, value_percentile or temporal`;
  }
}

class Reader {
  readonly #words: readonly string[];
  readonly #names: readonly string[];
  readonly #known: ReadonlySet<string>;
  #at = 0;

  constructor(words: readonly string[], names: readonly string[]) {
    this.#words = words;
    this.#names = names;
    this.#known = new Set(names);
  }

  get word(): string | undefined {
    return this.#words[this.#at];
  }

  #take(word: string): boolean {
    if (this.word?.toLowerCase() !== word) return false;
    this.#at += 1;
    return true;
  }

  or(depth: number): Condition {
    const parts = [this.#and(depth)];
    while (this.#take("or")) parts.push(this.#and(depth));
    return parts.length === 1 && parts[0] ? parts[0] : { kind: "or", of: parts };
  }

  #and(depth: number): Condition {
    const parts = [this.#not(depth)];
    while (this.#take("and")) parts.push(this.#not(depth));
    return parts.length === 1 && parts[0] ? parts[0] : { kind: "and", of: parts };
  }

  #not(depth: number): Condition {
    if (depth > depthMax) throw new Error("nested too deeply");
    if (this.#take("not")) return { kind: "not", of: this.#not(depth + 1) };
    if (this.#take("(")) {
      const inner = this.or(depth + 1);
      if (!this.#take(")")) throw new Error("a ) is missing");
      return inner;
    }
    return this.#primary();
  }

  #primary(): Condition {
    const word = this.word;
    if (word === undefined) throw new Error("it ends too early");
    this.#at += 1;
    if (this.word?.toLowerCase() === "of" && /^(1|any|all)$/i.test(word)) {
      this.#at += 1;
      return this.#of(word.toLowerCase() === "all" ? "and" : "or");
    }
    if (this.word?.toLowerCase() === "of")
      throw new Error(`"${word} of" is not Sigma: write 1 of, all of, or the combinations with and, or`);
    if (!this.#known.has(word)) throw new Error(`there is no "${word}" under detection${this.#hint()}`);
    return { kind: "name", name: word };
  }

  #of(kind: "and" | "or"): Condition {
    const pattern = this.word;
    if (pattern === undefined) throw new Error('"of" what? Write a name, a pattern such as selection_*, or them');
    this.#at += 1;
    const isAll = pattern.toLowerCase() === "them";
    const found = this.#names.filter(
      (name) => (pattern.startsWith("_") || !name.startsWith("_")) && (isAll || matches(pattern, name)),
    );
    if (found.length === 0) throw new Error(`nothing under detection has a name like "${pattern}"${this.#hint()}`);
    return { kind, of: found.map((name) => ({ kind: "name", name })) };
  }

  #hint(): string {
    return `; known: ${this.#names.slice(0, 20).join(", ")}`;
  }
}

/** One `*` or several, at any place. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  let at = 0;
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && index > 0) return name.length - part.length >= at && name.endsWith(part);
    const found = index === 0 ? (name.startsWith(part) ? 0 : -1) : name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at === name.length;
}
