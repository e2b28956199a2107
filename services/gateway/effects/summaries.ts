/**
 * What running a described function does, by its summary: its reads flow into its writes and its result as stated, and its
 * arguments into all that it writes. What the target runs by itself on what it writes (triggers, cascades) and behind what
 * it reads (views, policies) is followed as for any other statement: nothing hides behind a summary.
 *
 * Whether a row is removed or overwritten a summary does not tell apart: where it destroys, it deletes as well.
 */
import type { ResourceUri } from "../../../schemas/command.ts";
import type { FunctionSummary } from "../../../schemas/function-summary.ts";
import type { Source } from "./catalog.ts";
import { followWrite } from "./consequences.ts";
import type { EffectDraft } from "./draft.ts";
import type { Analysis } from "./env.ts";
import type { WriteEvent } from "./raw-catalog.ts";
import { columnsOf, scan, writtenBy } from "./relations.ts";

/** @param inputs what its arguments are made of @param beside called by the text, once a row @returns what its result is made of besides them */
export function perform(
  oid: number,
  summary: FunctionSummary,
  inputs: Iterable<Source>,
  beside: boolean,
  analysis: Analysis,
): readonly Source[] {
  const { budget, running } = analysis;
  // A trigger that writes its own table runs again, and does the same.
  if (running.has(oid)) return [];
  budget.left -= 1;
  if (budget.left < 0) throw new Error("more functions than are followed at once");
  running.add(oid);
  const returned = readBy(summary, analysis);
  if (summary.writes.length > 0) writeBy(summary, [...inputs], beside, analysis);
  running.delete(oid);
  return returned;
}

/** A function that writes shows no more than it returns; one that only reads has read all of it. */
function readBy(summary: FunctionSummary, analysis: Analysis): readonly Source[] {
  const { reads, writes, returns = reads } = summary;
  const effect = analysis.draft.add("read");
  for (const uri of writes.length === 0 ? reads : returns) effect.read(sourcesAt(uri, effect, analysis));
  return [...new Set(returns.flatMap((uri) => sourcesAt(uri, effect, analysis)))];
}

function writeBy(summary: FunctionSummary, inputs: readonly Source[], beside: boolean, analysis: Analysis): void {
  const { reads, writes, flows, ends = [], destroys = true } = summary;
  const { draft } = analysis;
  const effect = draft.add(reads.length > 0 || inputs.length > 0 ? "transform" : "write");
  effect.read(inputs);
  for (const uri of reads) effect.read(sourcesAt(uri, effect, analysis));
  const written = writes.flatMap((uri) => writtenAt(uri, analysis));
  effect.write(written);
  effect.destroys = destroys;
  effect.beside = beside;
  if (flows !== undefined) {
    effect.flow(inputs, written);
    for (const [from, into] of flows) effect.flow(sourcesAt(from, effect, analysis), writtenAt(into, analysis));
  }
  if (destroys) {
    const removal = draft.add("delete");
    removal.write(written);
    for (const uri of ends) for (const ended of writtenAt(uri, analysis)) removal.ends.add(ended);
    removal.destroys = true;
  }
  // It may act outside of what ROLLBACK undoes, and a procedure commits.
  draft.lasting.add("other");
  for (const uri of writes) followed(uri, destroys, ends.includes(uri), analysis);
}

function followed(uri: string, destroys: boolean, ends: boolean, analysis: Analysis): void {
  const place = analysis.described.placeOf(uri);
  if (place === null) return;
  const { relation, column } = place;
  const events: WriteEvent[] = destroys ? ["insert", "update", "delete"] : ["insert"];
  if (ends) events.push("truncate");
  for (const event of events) followWrite(relation, event, column && [column.name], analysis);
}

function sourcesAt(uri: string, effect: EffectDraft, analysis: Analysis): readonly Source[] {
  const place = analysis.described.placeOf(uri);
  if (place === null) return [{ uri: uri as ResourceUri, relation: null }];
  const { relation, column } = place;
  scan(relation, effect, analysis);
  const columns = columnsOf(relation, analysis, true);
  const named = column === null ? columns : columns.filter(({ name }) => name === column.name);
  return named.flatMap(({ from }) => from);
}

function writtenAt(uri: string, analysis: Analysis): readonly ResourceUri[] {
  const place = analysis.described.placeOf(uri);
  if (place === null) return [uri as ResourceUri];
  const { relation, column } = place;
  return writtenBy(relation, column && [column.name], analysis).map((source) => source.uri);
}
