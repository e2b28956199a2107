/**
 * PREPARE and DECLARE keep a statement under a name; EXECUTE and FETCH use it. What a use does depends on what the
 * session has kept, which is not known here: a use is opaque until the proxy reads the kept text in its place.
 */
import type { Node } from "../../../infra/sql/grammar.ts";
import type { Handle } from "../../../schemas/command.ts";
import type { Analysis } from "./env.ts";

/** The text being read and where the statement stands in it, in bytes. */
export interface Place {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** @returns the statement behind AS (PREPARE) or FOR (DECLARE), as written */
export function innerText(place: Place, word: "as" | "for", analysis: Analysis): string | null {
  const bytes = Buffer.from(place.text);
  let depth = 0;
  for (const token of analysis.grammar.tokens(place.text)) {
    if (token.start < place.start || token.end > place.end) continue;
    if (token.text === "(") depth += 1;
    if (token.text === ")") depth -= 1;
    if (depth === 0 && token.kind === "word" && token.text.toLowerCase() === word) {
      return bytes.subarray(token.end, place.end).toString().trim();
    }
  }
  return null;
}

export function keep(kind: "prepare" | "declare", name: string, text: string | null, analysis: Analysis): void {
  const { draft } = analysis;
  draft.statements.push(kind === "prepare" ? "PREPARE" : "DECLARE CURSOR");
  draft.changes.add("prepared");
  draft.handle = { kind, name, text, parameters: null };
  if (text === null) draft.darken("a statement whose text cannot be found");
}

export function takeHandle(handle: Handle, tag: string, analysis: Analysis): void {
  const { draft } = analysis;
  draft.statements.push(tag);
  draft.handle = handle;
  draft.darken(`${tag} of something this session has named`);
}

export function dropHandle(handle: Handle, tag: string, analysis: Analysis): void {
  const { draft } = analysis;
  draft.statements.push(tag);
  draft.changes.add("prepared");
  draft.handle = handle;
}

/** @returns the values of EXECUTE, or null when one is no constant */
export function constants(nodes: readonly Node[]): readonly (string | null)[] | null {
  const values: (string | null)[] = [];
  for (const node of nodes) {
    const value = constant(node);
    if (value === undefined) return null;
    values.push(value);
  }
  return values;
}

function constant(node: Node): string | null | undefined {
  if (!("A_Const" in node)) return undefined;
  const { isnull, sval, ival, fval, boolval } = node.A_Const;
  if (isnull) return null;
  if (sval) return sval.sval ?? "";
  if (ival) return String(ival.ival ?? 0);
  if (fval) return fval.fval ?? "0";
  return boolval ? String(boolval.boolval ?? false) : undefined;
}
