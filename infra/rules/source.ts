/** A rule file's documents with their places, and the one way to complain about one. */
import { type ErrorCode, ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { checker, findings, type TSchema } from "../../schemas/shape.ts";
import { parseYaml, type YamlText } from "../yaml.ts";
import { placeOf } from "./places.ts";
import { inWords } from "./wording.ts";

export interface RuleFile {
  readonly name: string;
  readonly text: string;
}

type Path = readonly (string | number)[];

/** One YAML document. */
export interface Source {
  readonly file: string;
  readonly value: unknown;
  /** @param within a line of the text that stands there. @returns an error that names file, line and key */
  wrong(path: Path, message: string, code?: ErrorCode, within?: TextLine): ThroughlineError;
}

/** Its place in a text, from 0, and what it says without the spaces around it. */
export interface TextLine {
  readonly at: number;
  readonly text: string;
}

/** Splits at `---`; lines keep their numbers. @throws ThroughlineError `rule.invalid` */
export function readDocuments({ name, text }: RuleFile): Source[] {
  if (Buffer.byteLength(text) > limits.ruleFileBytesMax)
    throw new ThroughlineError(
      "rule.invalid",
      `${name}:1: larger than ${limits.ruleFileBytesMax} bytes: split the file`,
    );
  const sources: Source[] = [];
  // A document must not end in half of a Windows line end.
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const begins = lines.flatMap((line, index) => (index > 0 && /^---(\s|$)/.test(line) ? [index] : []));
  const starts = [0, ...begins.map((begin) => directivesBefore(lines, begin)).filter((begin) => begin > 0)];
  for (const [index, start] of starts.entries()) {
    const body = lines.slice(start, starts[index + 1]).join("\n");
    const { value } = parseFrom(name, body, start);
    if (value !== null && value !== undefined) sources.push(source(name, value, body, start));
  }
  return sources;
}

/** Lines that begin with % belong to the document after them. @returns where they begin, or `begin` */
function directivesBefore(lines: readonly string[], begin: number): number {
  let first = begin;
  let hasDirective = false;
  for (let at = begin - 1; at >= 0 && /^(%|#|\s*$)/.test(lines[at] ?? ""); at -= 1) {
    hasDirective ||= lines[at]?.startsWith("%") === true;
    first = at;
  }
  return hasDirective && (first === 0 || /^\.\.\.(\s|$)/.test(lines[first - 1] ?? "")) ? first : begin;
}

/** The parser counts from the document's first line; people count from the file's. */
function parseFrom(file: string, body: string, start: number): YamlText {
  try {
    return parseYaml(body, file, "rule.invalid");
  } catch (error) {
    const place = error instanceof ThroughlineError ? /^:([0-9]+)(:.*)$/s.exec(error.message.slice(file.length)) : null;
    if (place === null) throw error;
    throw new ThroughlineError("rule.invalid", `${file}:${Number(place[1]) + start}${place[2]}`, error);
  }
}

/** Places are found by reading the text again, when there is something to complain about: kept for each rule they fill the memory. */
function source(file: string, value: unknown, body: string, start: number): Source {
  return {
    file,
    value,
    wrong: (path, message, code = "rule.invalid", within) => {
      const { line } = parseFrom(file, body, start).at(path);
      const place = within === undefined ? line : lineWithin(body, line, within);
      return new ThroughlineError(code, `${file}:${place + start}: ${path.join(".") || "rule"}: ${message}`);
    },
  };
}

/** The lines of a block (`|`) stand below its key; of any other text the place is the key's. */
function lineWithin(body: string, line: number, { at, text }: TextLine): number {
  const below = line + 1 + at;
  return body.split("\n")[below - 1]?.trim() === text ? below : line;
}

export interface Shape {
  readonly schema: TSchema;
  /** Made once; what is wrong is looked for only where it says no. */
  readonly holds: (value: unknown) => boolean;
}

export function shapeOf(schema: TSchema): Shape {
  return { schema, holds: checker(schema) };
}

/** @throws ThroughlineError `rule.invalid` with the first finding */
export function checkShape(document: Source, { schema, holds }: Shape): void {
  if (holds(document.value)) return;
  const found = findings(schema, document.value);
  const first = found.find(({ known }) => known.length > 0) ?? found[0];
  const path = (first?.path ?? []).map((key) => (/^[0-9]+$/.test(key) ? Number(key) : key));
  const known = first?.known ?? [];
  const isOfRule = path.every((key) => typeof key === "string") && path[0] !== "tests";
  const place = known.length > 0 && isOfRule ? placeOf(path.at(-1)) : null;
  const hint = place !== null ? `; it stands ${place}` : known.length > 0 ? `; known here: ${known.join(", ")}` : "";
  throw document.wrong(path, `${inWords(path, first?.message ?? "is not a rule")}${hint}`);
}
