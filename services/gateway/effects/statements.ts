/**
 * Every kind of statement that is understood, and who reads it. A kind that is not in the table is opaque.
 * EFFECTS.md says in words what each entry means; the two are kept equal by a test.
 */
import type { CallStmt, ExplainStmt, Node, SelectStmt } from "../../../infra/sql/grammar.ts";
import { createEnv } from "./analysis.ts";
import { unnamed } from "./column-name.ts";
import { readCopy } from "./copy.ts";
import { definitions } from "./definitions.ts";
import { EffectDraft, ReadingDraft } from "./draft.ts";
import { type Analysis, kindOf } from "./env.ts";
import { sourcesOf } from "./expression.ts";
import { constants, dropHandle, innerText, keep, type Place, takeHandle } from "./handles.ts";
import { intoOf, readCreateTableAs, readRefresh, readSelectInto } from "./materialise.ts";
import { publish } from "./publish.ts";
import { lookUp } from "./relations.ts";
import { expressionColumn } from "./scope.ts";
import { tagOf } from "./tags.ts";
import { readDiscard, readSet, readTransaction } from "./transactions.ts";
import { thingUri } from "./uri.ts";

export function readStatement(node: Node, place: Place, analysis: Analysis) {
  const { draft } = analysis;
  const [kind] = kindOf(node);
  if ("SelectStmt" in node) return readQuery(node.SelectStmt, analysis);
  if ("InsertStmt" in node || "UpdateStmt" in node || "DeleteStmt" in node || "MergeStmt" in node) {
    return readData(node, kind, analysis);
  }
  if ("TransactionStmt" in node) return readTransaction(node.TransactionStmt, analysis);
  if ("VariableSetStmt" in node) return readSet(node.VariableSetStmt, analysis);
  if ("DiscardStmt" in node) return readDiscard(node.DiscardStmt.target, analysis);
  if ("CopyStmt" in node) return readCopy(node.CopyStmt, analysis);
  if ("CreateTableAsStmt" in node) return readCreateTableAs(node.CreateTableAsStmt, analysis);
  if ("RefreshMatViewStmt" in node) return readRefresh(node.RefreshMatViewStmt.relation, analysis);
  if ("CallStmt" in node) return readCall(node.CallStmt, analysis);
  if ("ExplainStmt" in node) return readExplain(node.ExplainStmt, place, analysis);
  if (readNamed(node, place, analysis) || readSmall(node, analysis)) return;
  const define = definitions.get(kind);
  if (!leavesNames.has(kind)) draft.changes.add("definitions");
  draft.statements.push(tagOf(node));
  if (!define) return draft.darken(`a statement of the kind ${kind}`);
  define(node, analysis);
}

function readQuery(select: SelectStmt, analysis: Analysis) {
  if (intoOf(select)) return readSelectInto(select, analysis);
  const effect = new EffectDraft("read");
  analysis.draft.statements.push("SELECT");
  publish(analysis.select(select, createEnv(analysis, effect, "result")), analysis);
  analysis.draft.effects.push(effect);
}

/** A procedure may commit by itself. How many columns it gives back is its own affair. */
function readCall({ funccall }: CallStmt, analysis: Analysis): void {
  const effect = new EffectDraft("read");
  analysis.draft.statements.push("CALL");
  analysis.draft.lasting.add("other");
  const from = sourcesOf(funccall && { FuncCall: funccall }, createEnv(analysis, effect, "result"));
  effect.read(from);
  publish([{ ...expressionColumn(unnamed, from), spread: true }], analysis);
  analysis.draft.effects.push(effect);
}

function readData(node: Node, kind: string, analysis: Analysis): void {
  const tag = kind.replace("Stmt", "").toUpperCase();
  analysis.draft.statements.push(tag);
  publish(analysis.change(node, createEnv(analysis, new EffectDraft("read"), "result")), analysis);
}

/** PREPARE, DECLARE and what uses their names. @returns whether it was one of them */
function readNamed(node: Node, place: Place, analysis: Analysis): boolean {
  const none = { text: null, parameters: null } as const;
  if ("PrepareStmt" in node) {
    keep("prepare", node.PrepareStmt.name ?? "", innerText(place, "as", analysis), analysis);
  } else if ("DeclareCursorStmt" in node) {
    const { portalname = "", query } = node.DeclareCursorStmt;
    keep("declare", portalname, innerText(place, "for", analysis), analysis);
    if (query) readHidden(query, place, analysis);
  } else if ("ExecuteStmt" in node) {
    const { name = "", params = [] } = node.ExecuteStmt;
    takeHandle({ kind: "execute", name, text: null, parameters: constants(params) }, "EXECUTE", analysis);
  } else if ("FetchStmt" in node) {
    const { portalname = "", ismove } = node.FetchStmt;
    takeHandle({ ...none, kind: "fetch", name: portalname }, ismove ? "MOVE" : "FETCH", analysis);
  } else if ("DeallocateStmt" in node) {
    dropHandle({ ...none, kind: "deallocate", name: node.DeallocateStmt.name ?? null }, "DEALLOCATE", analysis);
  } else if ("ClosePortalStmt" in node) {
    dropHandle({ ...none, kind: "close", name: node.ClosePortalStmt.portalname ?? null }, "CLOSE CURSOR", analysis);
  } else return false;
  return true;
}

/** Effects of a statement whose rows do not leave now. */
function readHidden(query: Node, place: Place, analysis: Analysis): ReadingDraft {
  const inner: Analysis = { ...analysis, draft: new ReadingDraft() };
  readStatement(query, place, inner);
  analysis.draft.absorb(inner.draft);
  return inner.draft;
}

/**
 * EXPLAIN plans, which folds calls and shows estimates made of column statistics: predicates are revealed, nothing is
 * read. With ANALYZE the statement runs, only its rows stay away.
 */
function readExplain(explain: ExplainStmt, place: Place, analysis: Analysis) {
  const { draft } = analysis;
  draft.statements.push("EXPLAIN");
  draft.outputs.push([[]]);
  const query = explain.query;
  if (!query) return draft.darken("EXPLAIN of nothing");
  if (runs(explain)) return void readHidden(query, place, analysis);
  const inner: Analysis = { ...analysis, draft: new ReadingDraft() };
  readStatement(query, place, inner);
  draft.reveal(inner.draft.reveals);
  for (const [key, value] of inner.draft.resolved) draft.resolved.set(key, value);
  if (inner.draft.opaque !== null) draft.darken(inner.draft.opaque);
}

/** ANALYZE counts as given unless it is plainly turned off; the last word wins, so any other is enough. */
function runs(explain: ExplainStmt): boolean {
  return (explain.options ?? []).some((node) => {
    if (!("DefElem" in node) || node.DefElem.defname?.toLowerCase() !== "analyze") return false;
    const value = node.DefElem.arg;
    if (value === undefined) return true;
    if ("String" in value) return !/^(false|off|0|no)$/i.test(value.String.sval ?? "");
    return !("Integer" in value) || (value.Integer.ival ?? 0) !== 0;
  });
}

/** Statements of one line. @returns whether it was one of them */
function readSmall(node: Node, analysis: Analysis): boolean {
  const { draft, catalog } = analysis;
  const transfer = (channel: string | undefined, tag: string, writes: boolean): void => {
    const uri = thingUri(catalog.target, "pg_channel", channel ?? null);
    const effect = draft.add("transfer");
    if (writes) effect.write([uri]);
    else effect.read([{ uri, relation: null }]);
    draft.statements.push(tag);
    draft.lasting.add("other");
  };
  if ("NotifyStmt" in node) transfer(node.NotifyStmt.conditionname, "NOTIFY", true);
  else if ("ListenStmt" in node) transfer(node.ListenStmt.conditionname, "LISTEN", false);
  else if ("UnlistenStmt" in node) draft.statements.push("UNLISTEN");
  else if ("ConstraintsSetStmt" in node) draft.statements.push("SET CONSTRAINTS");
  else if ("VariableShowStmt" in node) {
    draft.statements.push("SHOW");
    draft.outputs.push(node.VariableShowStmt.name === "all" ? [[], [], []] : [[]]);
  } else if ("LockStmt" in node) {
    draft.statements.push("LOCK TABLE");
    const effect = draft.add("read");
    for (const range of node.LockStmt.relations ?? []) {
      const relation = "RangeVar" in range ? lookUp(range.RangeVar, analysis) : null;
      if (relation) effect.scanned.add(relation);
    }
  } else return false;
  return true;
}

/** They change content, or how it is kept, and no name or permission. */
const leavesNames = new Set([
  "TruncateStmt",
  "CommentStmt",
  "VacuumStmt",
  "ClusterStmt",
  "ReindexStmt",
  "CheckPointStmt",
]);
