/** A rule file's documents with their places, and the one way to complain about one. */
import { type ErrorCode, ThroughlineError } from "../../schemas/errors.ts";
import { findings, type TSchema } from "../../schemas/shape.ts";
import { parseYaml, type YamlText } from "../yaml.ts";

export interface RuleFile {
  readonly name: string;
  readonly text: string;
}

type Path = readonly (string | number)[];

/** One YAML document. */
export interface Source {
  readonly file: string;
  readonly value: unknown;
  /** @returns an error that names file, line and key */
  wrong(path: Path, message: string, code?: ErrorCode): ThroughlineError;
}

/** Splits at `---`; lines keep their numbers. @throws ThroughlineError `rule.invalid` */
export function readDocuments({ name, text }: RuleFile): Source[] {
  const sources: Source[] = [];
  const lines = text.split("\n");
  const starts = [0, ...lines.flatMap((line, index) => (/^---(\s|$)/.test(line) ? [index + 1] : []))];
  for (const [index, start] of starts.entries()) {
    const end = (starts[index + 1] ?? lines.length + 1) - 1;
    const body = lines.slice(start, end).join("\n");
    const parsed = parseFrom(name, body, start);
    if (parsed.value !== null && parsed.value !== undefined) sources.push(source(name, parsed, start));
  }
  return sources;
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

function source(file: string, parsed: YamlText, start: number): Source {
  return {
    file,
    value: parsed.value,
    wrong: (path, message, code = "rule.invalid") =>
      new ThroughlineError(code, `${file}:${parsed.at(path).line + start}: ${path.join(".") || "rule"}: ${message}`),
  };
}

/** @throws ThroughlineError `rule.invalid` with the first finding */
export function checkShape(document: Source, schema: TSchema): void {
  const found = findings(schema, document.value);
  const first = found.find(({ known }) => known.length > 0) ?? found[0];
  if (first === undefined) return;
  const path = first.path.map((key) => (/^[0-9]+$/.test(key) ? Number(key) : key));
  const known = first.known.length > 0 ? `; known here: ${first.known.join(", ")}` : "";
  throw document.wrong(path, `${first.message}${known}`);
}
