/**
 * WITH: named queries. Without RECURSIVE each sees those before it; with RECURSIVE each sees all, read when first
 * asked for, itself as what its non-recursive part gives. What a recursive query carries from round to round is not
 * followed: each of its columns may hold any of the others, and counts as revealed.
 */
import type { Node, SelectStmt, WithClause } from "../../../infra/sql/grammar.ts";
import { type Env, nameParts, type WithScope } from "./env.ts";
import { expressionColumn, placed, type ScopeColumn } from "./scope.ts";

type Columns = readonly ScopeColumn[];

interface Named {
  readonly query: Node | undefined;
  readonly names: readonly string[];
  /** Columns that SEARCH and CYCLE add. */
  readonly added: readonly string[];
}

export function readWith(clause: WithClause, env: Env): WithScope {
  const queries = new Map<string, () => Columns>();
  const scope: WithScope = { find: (name) => queries.get(name)?.() ?? null, parent: env.withs };
  // A view's WITH may be computed whole whatever is used of it.
  const inner: Env = { ...env, withs: scope, destination: env.destination === "view" ? "result" : env.destination };
  for (const node of clause.ctes ?? []) {
    if (!("CommonTableExpr" in node)) continue;
    const {
      ctename = "",
      ctequery: query,
      aliascolnames,
      search_clause: search,
      cycle_clause: cycle,
    } = node.CommonTableExpr;
    const added = [search?.search_seq_column, cycle?.cycle_mark_column, cycle?.cycle_path_column];
    const named = { query, names: nameParts(aliascolnames), added: added.filter((name) => name !== undefined) };
    const read = clause.recursive ? recursive(named, inner) : once(() => finish(named, inner));
    if (!clause.recursive) read();
    queries.set(ctename, read);
  }
  for (const read of queries.values()) read();
  return scope;
}

function once(read: () => Columns): () => Columns {
  let columns: Columns | null = null;
  return () => {
    columns ??= read();
    return columns;
  };
}

/** While it is being read, whoever asks (itself, or one that it asks) gets the columns of its first part. */
function recursive(named: Named, env: Env): () => Columns {
  let columns: Columns | null = null;
  let running = false;
  let asked = false;
  return () => {
    if (columns !== null) return columns;
    if (running) {
      asked = true;
      return firstPart(named, env);
    }
    running = true;
    const read = finish(named, env);
    columns = asked ? mix(read, env) : read;
    return columns;
  };
}

function firstPart(named: Named, env: Env): Columns {
  const { query } = named;
  const whole: SelectStmt | null = query && "SelectStmt" in query ? query.SelectStmt : null;
  if (!whole?.larg) return [];
  const inner = whole.withClause ? { ...env, withs: readWith(whole.withClause, env) } : env;
  return withAdded(placed(env.analysis.select(whole.larg, inner), named.names), named);
}

function finish(named: Named, env: Env): Columns {
  const { query } = named;
  if (!query) return [];
  const read = "SelectStmt" in query ? env.analysis.select(query.SelectStmt, env) : env.analysis.change(query, env);
  return withAdded(placed(read, named.names), named);
}

function mix(columns: Columns, env: Env): Columns {
  const all = columns.flatMap((column) => column.from);
  env.effect.read(all);
  env.analysis.draft.reveal(all);
  return columns.map((column) => expressionColumn(column.name, all));
}

function withAdded(columns: Columns, named: Named): Columns {
  const all = columns.flatMap((column) => column.from);
  return [...columns, ...named.added.map((name) => expressionColumn(name, all))];
}
