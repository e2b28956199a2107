/**
 * SELECT: WITH, set operations, VALUES, and for each output column what it shows and what it is made of.
 * Predicates, joins, groups, sorts and DISTINCT reveal their columns wherever the query stands; expressions of the
 * select list only where the query's rows go to the client.
 */
import type { Node, ResTarget, SelectStmt } from "../../../infra/sql/grammar.ts";
import { callOperator } from "./calls.ts";
import type { Source } from "./catalog.ts";
import { columnName } from "./column-name.ts";
import { type Env, nameParts } from "./env.ts";
import { consume, resolveReference, sourcesOf } from "./expression.ts";
import { mayFail } from "./failing.ts";
import { readFrom } from "./from.ts";
import { expressionColumn, findTable, type ScopeColumn } from "./scope.ts";
import { readWith } from "./with.ts";

/** @returns the output columns; the effect of `env` gets what is read, the draft what is revealed */
export function readSelect(query: SelectStmt, outer: Env): readonly ScopeColumn[] {
  outer.analysis.budget.left -= 1;
  if (outer.analysis.budget.left < 0) throw new Error("more queries than are read at once");
  const env = query.withClause ? { ...outer, withs: readWith(query.withClause, outer) } : outer;
  if (query.larg && query.rarg) return readSetOperation(query, query.larg, query.rarg, env);
  if (query.valuesLists) return readValues(query, env);
  const scope = readFrom(query.fromClause ?? [], env);
  const inner: Env = { ...env, scope };
  consume(query.whereClause, inner);
  const columns = readTargets(query.targetList ?? [], inner);
  consumeNamed(query.groupClause, columns, inner, false);
  consume(query.havingClause, inner);
  consume(query.windowClause, inner);
  if (query.distinctClause) {
    const expressions = query.distinctClause.filter((node) => Object.keys(node).length > 0);
    if (expressions.length > 0) consumeNamed(expressions, columns, inner, true);
    else
      tell(
        columns.flatMap((column) => column.from),
        inner,
      );
  }
  consumeNamed(query.sortClause, columns, inner, true);
  consumeLimits(query, inner);
  return columns;
}

function consumeLimits(query: SelectStmt, env: Env): void {
  consume(query.limitCount, env);
  consume(query.limitOffset, env);
}

/** UNION and the like: each output is made of both sides; comparing rows (all but UNION ALL) reveals them. */
function readSetOperation(query: SelectStmt, larg: SelectStmt, rarg: SelectStmt, env: Env): readonly ScopeColumn[] {
  const left = readSelect(larg, env);
  const right = readSelect(rarg, env);
  const known = ![...left, ...right].some((column) => column.spread);
  const both = [...left, ...right].flatMap((column) => column.from);
  const columns = left.map((column, index) =>
    known
      ? expressionColumn(column.name, [...column.from, ...(right[index]?.from ?? [])])
      : { ...expressionColumn(column.name, both), spread: true },
  );
  const all = columns.flatMap((column) => column.from);
  const compares = query.op !== "SETOP_UNION" || query.all !== true;
  if (compares) callOperator(["="], env.analysis);
  if (compares || env.destination === "result") tell(all, env);
  consumeNamed(query.sortClause, columns, { ...env, scope: { tables: [], columns, parent: env.scope } }, true);
  consumeLimits(query, env);
  return columns;
}

function readValues(query: SelectStmt, env: Env): readonly ScopeColumn[] {
  const columns: Set<Source>[] = [];
  for (const row of query.valuesLists ?? []) {
    const items = "List" in row ? (row.List.items ?? []) : [];
    items.forEach((item, index) => {
      const into = columns[index] ?? new Set<Source>();
      for (const source of sourcesOf(item, env)) into.add(source);
      columns[index] = into;
    });
  }
  const result = columns.map((from, index) => expressionColumn(`column${index + 1}`, from));
  const put = env.destination === "sink" && mayFail(query.valuesLists) ? tell : use;
  put(
    result.flatMap((column) => column.from),
    env,
  );
  consumeNamed(query.sortClause, result, env, true);
  consumeLimits(query, env);
  return result;
}

/** @returns one column per output; `*` expanded */
export function readTargets(targets: readonly Node[], env: Env): readonly ScopeColumn[] {
  const columns: ScopeColumn[] = [];
  for (const node of targets) {
    if ("ResTarget" in node) for (const column of readTarget(node.ResTarget, env)) columns.push(column);
    // `SELECT * FROM a, a`, each made of the one before, doubles at every step.
    if (columns.length > columnsMax) throw new Error("more columns than PostgreSQL gives");
  }
  return columns;
}

/** PostgreSQL refuses a longer list. */
const columnsMax = 1_664;

function readTarget(target: ResTarget, env: Env): readonly ScopeColumn[] {
  const value = target.val;
  if (value === undefined) return [];
  const star = expandStar(value, env);
  if (star !== null) {
    if (env.destination !== "view") env.effect.read(star.flatMap((column) => column.from));
    for (const column of star) tellFailing(column, env);
    return star;
  }
  const column = "ColumnRef" in value ? resolveReference(value.ColumnRef, env) : null;
  if (column !== null && column.plain.length > 0) {
    if (env.destination !== "view") env.effect.read(column.from);
    tellFailing(column, env);
    return [{ ...column, name: target.name ?? column.name, spread: undefined }];
  }
  const from = sourcesOf(value, env);
  use(from, env);
  const made = { ...expressionColumn(target.name ?? columnName(value), from), fails: mayFail(value) };
  tellFailing(made, env);
  return [made];
}

/** What moves on is not seen, but whether it could be computed is. */
function tellFailing(column: ScopeColumn, env: Env): void {
  if (column.fails && env.destination === "sink") tell(column.from, env);
}

/** @returns the columns of `*`, `t.*` or `(t).*`, or null when the target is none of these */
function expandStar(value: Node, env: Env): readonly ScopeColumn[] | null {
  if ("A_Indirection" in value) {
    const last = value.A_Indirection.indirection?.at(-1);
    if (!last || !("A_Star" in last)) return null;
    const from = sourcesOf(value.A_Indirection.arg, env);
    use(from, env);
    return [{ ...expressionColumn("*", from), spread: true }];
  }
  if (!("ColumnRef" in value)) return null;
  const parts = nameParts(value.ColumnRef.fields);
  if (parts.at(-1) !== "*") return null;
  if (parts.length === 1) return env.scope?.columns ?? [];
  const table = findTable(env.scope, parts.at(-3) ?? null, parts.at(-2) ?? "");
  if (table !== null) return table.columns;
  env.analysis.draft.darken("a table that the statement does not name");
  return [{ ...expressionColumn("*", [env.analysis.catalog.everything]), spread: true }];
}

/** GROUP BY, ORDER BY, DISTINCT ON: a number or a name may mean an output column. */
function consumeNamed(
  nodes: readonly Node[] | undefined,
  columns: readonly ScopeColumn[],
  env: Env,
  outputFirst: boolean,
): void {
  for (const node of nodes ?? []) {
    const inside = "GroupingSet" in node ? node.GroupingSet.content : "RowExpr" in node ? node.RowExpr.args : null;
    if (inside) consumeNamed(inside, columns, env, outputFirst);
    if (inside) continue;
    const value = "SortBy" in node ? node.SortBy.node : node;
    const output = value === undefined ? null : outputNamed(value, columns);
    if (output === null) consume(node, env);
    else {
      tell(
        output.flatMap((column) => column.from),
        env,
      );
      if ("SortBy" in node && node.SortBy.useOp) callOperator(nameParts(node.SortBy.useOp), env.analysis);
      // GROUP BY prefers an input column of that name: both are told then.
      if (!outputFirst && value && "ColumnRef" in value && resolveReference(value.ColumnRef, env)) consume(value, env);
    }
  }
}

function outputNamed(value: Node, columns: readonly ScopeColumn[]): readonly ScopeColumn[] | null {
  if ("A_Const" in value && value.A_Const.ival) {
    const spread = columns.some((column) => column.spread);
    const column = columns[(value.A_Const.ival.ival ?? 0) - 1];
    if (spread) return columns;
    return column ? [column] : [];
  }
  if (!("ColumnRef" in value)) return null;
  const parts = nameParts(value.ColumnRef.fields);
  const found = columns.filter((column) => parts.length === 1 && column.name === parts[0]);
  return found.length > 0 ? found : null;
}

/** Read and, where rows go to the client, revealed. */
function use(sources: Iterable<Source>, env: Env): void {
  if (env.destination === "view") return;
  const all = [...sources];
  env.effect.read(all);
  if (env.destination === "result") env.analysis.draft.reveal(all);
}

/** Read and revealed wherever it stands. */
function tell(sources: Iterable<Source>, env: Env): void {
  const all = [...sources];
  env.effect.read(all);
  env.analysis.draft.reveal(all);
}
