/**
 * What an expression is made of: every column and thing its value depends on. Walks the tree by a list of kinds it
 * knows; a kind it does not know makes the text opaque, so a new kind of expression is never taken for harmless.
 * Finds calls, operators, casts and subqueries on its way and hands them to the files that know them.
 */
import type { A_Indirection, ColumnRef, FuncCall, Node, SubLink } from "../../../infra/sql/grammar.ts";
import { callFunction, callOperator, castTo } from "./calls.ts";
import type { Source } from "./catalog.ts";
import { type Env, kindOf, nameParts } from "./env.ts";
import { columnOf, findColumn, findTable, isListed, rowOf, type ScopeColumn, type ScopeTable } from "./scope.ts";

/** Kinds that mean no more than their parts. */
const plainKinds = new Set(
  `A_Const A_ArrayExpr A_Indices A_Star BoolExpr BooleanTest Boolean BitString CaseExpr CaseWhen CoalesceExpr
  CollateClause CurrentOfExpr Float GroupingFunc GroupingSet Integer JsonAggConstructor JsonArgument JsonArrayAgg JsonArrayConstructor
  JsonBehavior JsonFormat JsonFuncExpr JsonIsPredicate JsonKeyValue JsonObjectAgg JsonObjectConstructor JsonOutput
  JsonParseExpr JsonReturning JsonScalarExpr JsonSerializeExpr JsonTablePath JsonTablePathSpec JsonValueExpr List
  MergeSupportFunc MinMaxExpr MultiAssignRef NamedArgExpr NullTest ParamRef ResTarget RowExpr SetToDefault
  SQLValueFunction String WindowDef XmlExpr XmlSerialize`.split(/\s+/),
);

/** Columns every table has besides its own; their values say nothing of its content. */
const systemColumns = new Set(["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"]);

/** @returns every source that the value of the expression depends on */
export function sourcesOf(node: unknown, env: Env): Set<Source> {
  const into = new Set<Source>();
  walk(node, env, into);
  return into;
}

/** Reads the expression for its condition: a predicate, sort or join tells its columns bit by bit. */
export function consume(node: unknown, env: Env): void {
  if (node === undefined || node === null) return;
  const sources = sourcesOf(node, env);
  env.effect.read(sources);
  env.analysis.draft.reveal(sources);
}

function walk(node: unknown, env: Env, into: Set<Source>): void {
  if (Array.isArray(node)) {
    for (const item of node) walk(item, env, into);
  } else if (typeof node === "object" && node !== null) {
    const keys = Object.keys(node);
    const [first] = keys;
    if (keys.length === 1 && first !== undefined && /^[A-Z]/.test(first)) walkNode(node as Node, env, into);
    else for (const value of Object.values(node)) walk(value, env, into);
  }
}

function walkNode(node: Node, env: Env, into: Set<Source>) {
  if ("ColumnRef" in node) return add(into, referenced(node.ColumnRef, env));
  if ("FuncCall" in node) return walkCall(node.FuncCall, env, into);
  if ("SubLink" in node) return walkSubLink(node.SubLink, env, into);
  if ("A_Indirection" in node) return walkIndirection(node.A_Indirection, env, into);
  if ("JsonArrayQueryConstructor" in node) {
    const query = node.JsonArrayQueryConstructor.query;
    if (query && "SelectStmt" in query) return add(into, fromAll(env.analysis.select(query.SelectStmt, env)));
  }
  if ("A_Expr" in node) {
    walk(node.A_Expr.lexpr, env, into);
    walk(node.A_Expr.rexpr, env, into);
    return callOperator(nameParts(node.A_Expr.name), env.analysis);
  }
  if ("SortBy" in node) {
    walk(node.SortBy.node, env, into);
    return node.SortBy.useOp ? callOperator(nameParts(node.SortBy.useOp), env.analysis) : undefined;
  }
  if ("CaseExpr" in node && node.CaseExpr.arg) callOperator(["="], env.analysis);
  if ("TypeCast" in node) {
    walk(node.TypeCast.arg, env, into);
    return castTo(nameParts(node.TypeCast.typeName?.names), env.analysis);
  }
  const [kind, content] = kindOf(node);
  if (plainKinds.has(kind)) walk(Object.values(content), env, into);
  else unknown(env, `an expression of the kind ${kind || "nothing"}`, into);
}

function walkCall(call: FuncCall, env: Env, into: Set<Source>): void {
  const inputs = new Set<Source>();
  walk([call.args, call.agg_order, call.agg_filter, call.over], env, inputs);
  add(into, inputs);
  add(into, callFunction(nameParts(call.funcname), call.args ?? [], inputs, env));
}

function walkSubLink(link: SubLink, env: Env, into: Set<Source>) {
  walk(link.testexpr, env, into);
  if (link.testexpr) callOperator(link.operName ? nameParts(link.operName) : ["="], env.analysis);
  const query = link.subselect;
  if (!query || !("SelectStmt" in query)) return unknown(env, "a subquery of an unknown kind", into);
  const columns = env.analysis.select(query.SelectStmt, env);
  if (link.subLinkType !== "EXISTS_SUBLINK") add(into, fromAll(columns));
}

/** `(row).field`, `array[n]`: PostgreSQL also takes `(row).name` for a call of the function `name`. */
function walkIndirection(node: A_Indirection, env: Env, into: Set<Source>): void {
  const inputs = new Set<Source>();
  walk([node.arg, node.indirection], env, inputs);
  add(into, inputs);
  for (const step of node.indirection ?? []) {
    if ("String" in step) add(into, callFunction([step.String.sval ?? ""], [], inputs, env, "field"));
  }
}

/** Sources of a column reference, a whole row, or `table.function`. */
function referenced(reference: ColumnRef, env: Env): Iterable<Source> {
  const found = resolveReference(reference, env);
  if (found === null) {
    const into = new Set<Source>();
    unknown(env, "a column that the catalog does not know", into);
    return into;
  }
  return found.from;
}

/** @returns the column that a bare reference shows, or null when it is no column of any table in sight */
export function resolveReference(reference: ColumnRef, env: Env): ScopeColumn | null {
  const parts = nameParts(reference.fields);
  const [first, second, third] = parts.length === 4 ? parts.slice(1) : parts;
  if (first === undefined) return null;
  if (first === "*")
    return rowColumn(
      "*",
      (env.scope?.columns ?? []).flatMap((column) => column.from),
    );
  if (second === undefined) return bareReference(first, env);
  const table = third === undefined ? findTable(env.scope, null, first) : findTable(env.scope, first, second);
  const name = third ?? second;
  if (table === null) return env.parameters?.has(first) ? rowColumn(name, []) : null;
  if (name === "*") return rowColumn(name, rowOf(table));
  const column = columnOf(table, name);
  if (column && table.calls) callFunction([name], [], new Set(rowOf(table)), env, "field");
  return column ?? attributeCall(table, name, env);
}

function bareReference(name: string, env: Env): ScopeColumn | null {
  const column = findColumn(env.scope, name);
  if (column && isListed(env.scope, name)) return column;
  // A function's rows may have a column of that name; if not, it is the whole row of the table.
  const table = findTable(env.scope, null, name);
  if (table) return rowColumn(name, new Set([...rowOf(table), ...(column?.from ?? [])]));
  if (column) return column;
  if (systemColumns.has(name) || env.parameters?.has(name)) return rowColumn(name, []);
  return null;
}

/** `customers.to_jsonb` calls to_jsonb with the whole row. */
function attributeCall(table: ScopeTable, name: string, env: Env): ScopeColumn {
  if (systemColumns.has(name)) return rowColumn(name, []);
  const row = new Set(rowOf(table));
  return rowColumn(name, [...row, ...callFunction([name], [], row, env, "required")]);
}

function rowColumn(name: string, from: Iterable<Source>): ScopeColumn {
  return { name, plain: [], from: [...from] };
}

function unknown(env: Env, what: string, into: Set<Source>): void {
  env.analysis.draft.darken(what);
  into.add(env.analysis.catalog.everything);
}

function fromAll(columns: readonly ScopeColumn[]): Iterable<Source> {
  return columns.flatMap((column) => column.from);
}

function add(into: Set<Source>, sources: Iterable<Source>): void {
  for (const source of sources) into.add(source);
}
