/** Transaction control, SET, RESET, SHOW, DISCARD: what changes the session and not the data. */
import type { Node, TransactionStmt, VariableSetStmt } from "../../../infra/sql/grammar.ts";
import type { TransactionControl } from "../../../schemas/command.ts";
import { constantText } from "./calls.ts";
import type { Analysis } from "./env.ts";
import { changeOfSetting } from "./setting-names.ts";

export function readTransaction(statement: TransactionStmt, analysis: Analysis): void {
  const { draft } = analysis;
  const name = statement.savepoint_name ?? "";
  const control = controlOf(statement.kind, name);
  draft.statements.push((statement.kind ?? "").replace("TRANS_STMT_", "").replaceAll("_", " "));
  if (control === null) draft.darken("the end of a transaction that was prepared before");
  else draft.transaction = control;
}

function controlOf(kind: TransactionStmt["kind"], name: string): TransactionControl | null {
  switch (kind) {
    case "TRANS_STMT_BEGIN":
    case "TRANS_STMT_START":
      return { kind: "begin" };
    case "TRANS_STMT_COMMIT":
      return { kind: "commit" };
    case "TRANS_STMT_ROLLBACK":
      return { kind: "rollback" };
    case "TRANS_STMT_SAVEPOINT":
      return { kind: "savepoint", name };
    case "TRANS_STMT_RELEASE":
      return { kind: "release", name };
    case "TRANS_STMT_ROLLBACK_TO":
      return { kind: "rollback-to", name };
    case "TRANS_STMT_PREPARE":
      return { kind: "prepare" };
    default:
      return null;
  }
}

export function readSet(statement: VariableSetStmt, analysis: Analysis): void {
  const { draft } = analysis;
  draft.statements.push(statement.kind === "VAR_RESET" || statement.kind === "VAR_RESET_ALL" ? "RESET" : "SET");
  draft.changes.add("settings");
  if (statement.kind === "VAR_RESET_ALL") return void draft.changes.add("search_path");
  if (statement.kind === "VAR_SET_MULTI") {
    if (statement.name === "TRANSACTION SNAPSHOT") draft.darken("a snapshot of another session");
    return;
  }
  const values = (statement.args ?? []).map(textOf);
  changeOfSetting(statement.name ?? "", statement.kind === "VAR_SET_VALUE" ? (values[0] ?? null) : null, analysis);
}

/** RESET and SET … TO DEFAULT give the value at connect, which is not known here: null. */
function textOf(node: Node): string | null {
  if ("A_Const" in node && node.A_Const.boolval) return node.A_Const.boolval.boolval ? "on" : "off";
  if ("A_Const" in node && node.A_Const.ival) return String(node.A_Const.ival.ival ?? 0);
  return constantText(node);
}

export function readDiscard(target: string | undefined, analysis: Analysis): void {
  const { changes, statements, lasting } = analysis.draft;
  statements.push((target ?? "DISCARD").replace("_", " "));
  lasting.add("other");
  if (target === "DISCARD_ALL") for (const change of ["search_path", "role", "settings"] as const) changes.add(change);
  changes.add("prepared");
  if (target === "DISCARD_ALL" || target === "DISCARD_TEMP") changes.add("definitions");
}
