/**
 * Sigma's condition language over the named parts of `detection`: and, or, not, parentheses, `1 of`, `any of`, `all of`,
 * a count of, patterns with `*`, and `them` (which leaves out names that begin with `_`).
 * Refuses what Sigma dropped (`|` aggregations, lists of conditions) instead of guessing.
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
  if (text.includes("|")) throw new Error("aggregations after | are no longer part of Sigma: write a correlation rule");
  const words = text.match(/\(|\)|[^\s()]+/g) ?? [];
  if (words.length > wordsMax) throw new Error(`more than ${wordsMax} words`);
  const reader = new Reader(words, names);
  const condition = reader.or(0);
  if (reader.word !== undefined) throw new Error(`"${reader.word}" is not expected here`);
  return condition;
}

class Reader {
  readonly #words: readonly string[];
  readonly #names: readonly string[];
  #at = 0;

  constructor(words: readonly string[], names: readonly string[]) {
    this.#words = words;
    this.#names = names;
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
    if (!this.#names.includes(word)) throw new Error(`there is no "${word}" under detection${this.#hint()}`);
    return { kind: "name", name: word };
  }

  #of(kind: "and" | "or"): Condition {
    const pattern = this.word;
    if (pattern === undefined) throw new Error('"of" what? Write a name, a pattern such as selection_*, or them');
    this.#at += 1;
    const found = this.#names.filter((name) =>
      pattern.toLowerCase() === "them" ? !name.startsWith("_") : matches(pattern, name),
    );
    if (found.length === 0) throw new Error(`nothing under detection has a name like "${pattern}"${this.#hint()}`);
    return { kind, of: found.map((name) => ({ kind: "name", name })) };
  }

  #hint(): string {
    return `; known: ${this.#names.join(", ")}`;
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
