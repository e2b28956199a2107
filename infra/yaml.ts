/**
 * The only file that knows the YAML library. A parsed text keeps its places, so that every later complaint can say
 * file:line. Refuses duplicate keys and anything that is not plain data (no custom tags, no unbounded aliases).
 */
import { type Document, isCollection, isNode, LineCounter, parseDocument, stringify } from "yaml";
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
  const document = withoutEnvironment(() =>
    parseDocument(text, { lineCounter: lines, version: "1.2", uniqueKeys: true }),
  );
  const first = document.errors[0];
  if (first) {
    const place = lines.linePos(first.pos[0]);
    throw new ThroughlineError(
      code,
      `${file}:${place.line}:${place.col}: ${first.message.split("\n")[0] ?? ""}`,
      first,
    );
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
