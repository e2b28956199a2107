/**
 * FROM: tables, joins, subqueries, functions and what each of them lets the rest of the query see. Follows
 * PostgreSQL's rules of sight: LATERAL items see what stands to their left, the others only what is outside.
 */
import type { Alias, JoinExpr, Node, RangeFunction, RangeSubselect } from "../../../infra/sql/grammar.ts";
import { callOperator } from "./calls.ts";
import type { Source } from "./catalog.ts";
import { unnamed } from "./column-name.ts";
import { type Env, kindOf, nameParts } from "./env.ts";
import { consume, sourcesOf } from "./expression.ts";
import { rangeTable } from "./relations.ts";
import {
  columnOf,
  expressionColumn,
  joinScopes,
  mergeColumns,
  placed,
  type Scope,
  type ScopeColumn,
  type ScopeTable,
  scopeOf,
} from "./scope.ts";

/** @returns the scope of all items of a FROM list; its parent is the scope outside */
export function readFrom(items: readonly Node[], env: Env): Scope {
  let seen: Scope = scopeOf([], env.scope);
  for (const item of items) seen = joinScopes([seen, readItem(item, seen, env)], env.scope);
  return seen;
}

/** @param left what stands before the item in the same FROM */
function readItem(item: Node, left: Scope, env: Env): Scope {
  if ("RangeVar" in item) {
    const table = rangeTable(item.RangeVar, env);
    return single(renamed(table, item.RangeVar.alias), env);
  }
  if ("RangeSubselect" in item) return readSubselect(item.RangeSubselect, left, env);
  if ("JoinExpr" in item) return readJoin(item.JoinExpr, left, env);
  if ("RangeFunction" in item) return readFunction(item.RangeFunction, left, env);
  if ("RangeTableSample" in item) {
    const sample = item.RangeTableSample;
    consume(sample.args, { ...env, scope: left });
    consume(sample.repeatable, { ...env, scope: left });
    const methods = new Set(["bernoulli", "system"]);
    const name = nameParts(sample.method).at(-1) ?? "";
    if (!methods.has(name)) env.analysis.draft.darken("a sampling method that is not PostgreSQL's own");
    if (sample.relation) return readItem(sample.relation, left, env);
  }
  if ("RangeTableFunc" in item) return readTableFunction(item.RangeTableFunc, item.RangeTableFunc.alias, left, env);
  if ("JsonTable" in item) return readTableFunction(item.JsonTable, item.JsonTable.alias, left, env);
  env.analysis.draft.darken(`something in FROM of the kind ${kindOf(item)[0]}`);
  return single({ alias: null, schema: null, columns: [], others: [env.analysis.catalog.everything] }, env);
}

function readSubselect(item: RangeSubselect, left: Scope, env: Env): Scope {
  const query = item.subquery;
  const inner: Env = { ...env, scope: item.lateral ? left : env.scope };
  const columns = query && "SelectStmt" in query ? env.analysis.select(query.SelectStmt, inner) : [];
  if (!query || !("SelectStmt" in query)) env.analysis.draft.darken("a subquery of an unknown kind");
  return single(
    renamed({ alias: item.alias?.aliasname ?? null, schema: null, columns, others: null }, item.alias),
    env,
  );
}

function readJoin(join: JoinExpr, before: Scope, env: Env): Scope {
  const left = join.larg ? readItem(join.larg, before, env) : scopeOf([], env.scope);
  const right = join.rarg ? readItem(join.rarg, joinScopes([before, left], env.scope), env) : scopeOf([], env.scope);
  const both = joinScopes([left, right], env.scope);
  consume(join.quals, { ...env, scope: both });
  const using = join.isNatural ? sharedNames(left, right) : nameParts(join.usingClause);
  const open = openOf(both);
  const merged = using.map((name) =>
    mergeColumns(name, [
      ...both.columns.filter((column) => column.name === name),
      ...(open ? [expressionColumn(name, open)] : []),
    ]),
  );
  if (using.length > 0) callOperator(["="], env.analysis);
  for (const column of merged) reveal(column.from, env);
  const rest = both.columns.filter((column) => !using.includes(column.name));
  const columns = [...merged, ...rest];
  if (join.alias) {
    return single(
      renamed({ alias: join.alias.aliasname ?? null, schema: null, columns, others: openOf(both) }, join.alias),
      env,
    );
  }
  const extra: ScopeTable[] = join.join_using_alias
    ? [
        {
          alias: join.join_using_alias.aliasname ?? null,
          schema: null,
          columns: merged,
          others: null,
          qualifiedOnly: true,
        },
      ]
    : [];
  return { tables: [...both.tables, ...extra], columns, parent: env.scope };
}

function sharedNames(left: Scope, right: Scope): string[] {
  const names = new Set(right.columns.map((column) => column.name));
  return [...new Set(left.columns.map((column) => column.name))].filter((name) => names.has(name));
}

function openOf(scope: Scope): readonly Source[] | null {
  const open = scope.tables.flatMap((table) => table.others ?? []);
  return open.length > 0 ? open : null;
}

/** Rows of a function: made of its arguments; every name of a column that no table has is one of them. */
function readFunction(item: RangeFunction, left: Scope, env: Env): Scope {
  const inner: Env = { ...env, scope: left };
  const from = new Set<Source>();
  let width: number | null = item.ordinality ? 1 : 0;
  for (const entry of item.functions ?? []) {
    const [call, definitions] = "List" in entry ? (entry.List.items ?? []) : [entry];
    for (const source of sourcesOf(call, inner)) from.add(source);
    const listed = definitions ? definedNames(definitions) : [];
    const defined = listed.length || (item.coldeflist ?? []).flatMap(definedNames).length;
    const own: number | null = defined > 0 ? defined : widthOf(call, env);
    width = width === null || own === null ? null : width + own;
  }
  reveal(from, env);
  return functionScope(item.alias, from, width, env);
}

/** How many columns a call gives: one where it is no function by name (`current_date`). */
function widthOf(call: Node | undefined, env: Env): number | null {
  if (!call || !("FuncCall" in call)) return 1;
  const found = env.analysis.catalog.functionsNamed(nameParts(call.FuncCall.funcname).at(-1) ?? "");
  const widths = new Set(found.map((one) => one.width));
  return widths.size === 1 ? (found[0]?.width ?? null) : null;
}

/** @param width null = not known: then what stands behind has no known position */
function functionScope(alias: Alias | undefined, from: ReadonlySet<Source>, width: number | null, env: Env): Scope {
  const name = alias?.aliasname ?? null;
  // What its columns are called is the function's affair: they are found by any name, and have none of their own.
  const column = expressionColumn(unnamed, from);
  const names = nameParts(alias?.colnames);
  const columns: ScopeColumn[] =
    width === null
      ? [{ ...column, spread: true }]
      : Array.from({ length: width }, (_, index) => ({ ...column, name: names[index] ?? column.name }));
  const table: ScopeTable = { alias: name, schema: null, columns, others: [...from] };
  return { tables: [table], columns, parent: env.scope };
}

function definedNames(node: Node): string[] {
  if ("List" in node) return (node.List.items ?? []).flatMap(definedNames);
  return "ColumnDef" in node ? [node.ColumnDef.colname ?? ""] : [];
}

/** XMLTABLE and JSON_TABLE: every column is made of all that goes in. */
function readTableFunction(content: object, alias: Alias | undefined, left: Scope, env: Env): Scope {
  const inner: Env = { ...env, scope: left };
  const from = new Set<Source>();
  let width = 0;
  for (const [key, value] of Object.entries(content)) {
    if (key === "alias") continue;
    const parts = key === "columns" ? columnExpressions(value) : value;
    if (key === "columns") width = countColumns(value);
    for (const source of sourcesOf(parts, inner)) from.add(source);
  }
  reveal(from, env);
  return functionScope(alias, from, width, env);
}

function countColumns(columns: unknown): number {
  if (!Array.isArray(columns)) return 0;
  return columns.reduce((sum: number, node: Node) => {
    const [kind, content] = kindOf(node);
    const nested = kind === "JsonTableColumn" && content.coltype === "JTC_NESTED";
    return sum + (nested ? countColumns(content.columns) : 1);
  }, 0);
}

/** Defaults and paths of the columns, without their types. */
function columnExpressions(columns: unknown): unknown[] {
  if (!Array.isArray(columns)) return [];
  return columns.flatMap((node: Node) => {
    const [kind, content] = kindOf(node);
    if (kind !== "RangeTableFuncCol" && kind !== "JsonTableColumn") return [node];
    const { typeName: _type, columns: nested, ...rest } = content;
    return [Object.values(rest), ...columnExpressions(nested)];
  });
}

/** What goes into a function's rows has left the query's columns: neither plain nor lost. */
function reveal(sources: Iterable<Source>, env: Env): void {
  const all = [...sources];
  env.effect.read(all);
  env.analysis.draft.reveal(all);
}

function single(table: ScopeTable, env: Env): Scope {
  return scopeOf([table], env.scope);
}

/** `AS t(a, b)` renames the first columns. */
export function renamed(table: ScopeTable, alias: Alias | undefined): ScopeTable {
  const names = nameParts(alias?.colnames);
  if (names.length === 0) return table;
  const columns = placed(table.columns, names);
  const missing = names.slice(columns.length).map((name) => columnOf(table, name) ?? expressionColumn(name, []));
  return { ...table, columns: [...columns, ...missing] };
}
