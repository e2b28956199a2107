/**
 * The only file that knows the YAML library. A parsed text keeps its places, so that every later complaint can say
 * file:line. Refuses duplicate keys and anything that is not plain data (no tags, no merge keys, no unbounded or circular aliases), and
 * every YAML but 1.2: what is ignored, or read otherwise than it was written, nobody sees.
 */
import { type Document, isCollection, isNode, isScalar, LineCounter, parseDocument, stringify, visit } from "yaml";
import { type ErrorCode, ThroughlineError } from "../schemas/errors.ts";

export interface Place {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export interface YamlText {
  readonly value: unknown;
  /** Where the value at a path stands, or the nearest thing around it. */
  at(path: readonly (string | number)[]): Place;
}

/** @throws ThroughlineError of the given code, with `file:line:column` in its message */
export function parseYaml(written: string, file: string, code: ErrorCode = "config.invalid"): YamlText {
  const lines = new LineCounter();
  // Editors on Windows begin a file with a byte order mark.
  const text = written.replace(/^\uFEFF/, "");
  const document = withoutEnvironment(() => parseDocument(text, { lineCounter: lines, ...reading }));
  const first = firstWrong(document, text);
  if (first !== null) {
    const place = lines.linePos(first.offset);
    throw new ThroughlineError(code, `${file}:${place.line}:${place.col}: ${first.message}`);
  }
  return {
    value: toData(document, file, code),
    at(path) {
      for (let depth = path.length; depth >= 0; depth -= 1) {
        const offset = startOf(document.getIn(path.slice(0, depth), true), document.contents, depth);
        if (offset !== null) {
          const place = lines.linePos(offset);
          return { line: place.line, column: place.col };
        }
      }
      return { line: 1, column: 1 };
    },
  };
}

/** Without `resolveKnownTags` dates, bytes and sets are tags like any other. */
const reading = { version: "1.2", uniqueKeys: true, prettyErrors: false, resolveKnownTags: false } as const;

interface Wrong {
  readonly offset: number;
  readonly message: string;
}

/** What the library says in the words of its own callers; the others are said as they are. */
const ourWords: Readonly<Partial<Record<string, string>>> = {
  MULTIPLE_DOCS: "a second document begins: put --- between rules; any other file is one document",
  TAG_RESOLVE_FAILED: "tags (!name) are not read: write the value itself",
  BAD_COLLECTION_TYPE: "tags (!name) are not read: write the value itself",
  BAD_DIRECTIVE: "of the lines that begin with % only %YAML 1.2 is read: leave it out",
};

/** The library only warns of tags and directives that it leaves out. */
function firstWrong(document: Document.Parsed, text: string): Wrong | null {
  const said = document.errors[0] ?? document.warnings.find(({ code }) => ourWords[code] !== undefined);
  if (said !== undefined) return { offset: said.pos[0], message: ourWords[said.code] ?? said.message };
  const { explicit, version } = document.directives.yaml;
  if (explicit === true && version !== "1.2") return { offset: 0, message: ourWords.BAD_DIRECTIVE ?? "" };
  return text.includes("<<") || (text.includes("&") && text.includes("*")) ? wrongNode(document) : null;
}

function wrongNode(document: Document.Parsed): Wrong | null {
  let found: Wrong | null = null;
  const stop = (node: { readonly range?: readonly number[] | null }, message: string) => {
    found = { offset: node.range?.[0] ?? 0, message };
    return visit.BREAK;
  };
  visit(document, {
    /** Not of YAML 1.2: it would be a key like any other, and what it brings would be missing. */
    Pair(_, { key }) {
      if (!isScalar(key) || key.value !== "<<" || key.type !== "PLAIN") return undefined;
      return stop(key, "<< is not read: write out here what it would bring");
    },
    Alias(_, alias, around) {
      const isOwn = around.some((node) => isCollection(node) && node.anchor === alias.source);
      return isOwn ? stop(alias, `*${alias.source} stands inside what it stands for`) : undefined;
    },
  });
  return found;
}

/**
 * The library asks the environment at each token whether to print it, which is a third of its time. While it parses, which
 * nothing interrupts, there is none.
 */
function withoutEnvironment<T>(parse: () => T): T {
  const { env } = process;
  process.env = {};
  try {
    return parse();
  } finally {
    process.env = env;
  }
}

/** A text of few bytes can stand for millions of values by aliases of aliases. */
function toData(document: Document.Parsed, file: string, code: ErrorCode): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new ThroughlineError(code, `${file}:1:1: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function startOf(node: unknown, root: unknown, depth: number): number | null {
  const found = depth === 0 ? root : node;
  if (isNode(found) && found.range) return found.range[0];
  return isCollection(found) ? 0 : null;
}

/** @param value plain data @returns the text that a person would write for it */
export function writeYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}
