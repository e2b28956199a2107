/**
 * What INSERT, UPDATE and MERGE share: the table that is changed, SET lists, RETURNING.
 */
import type { Node, RangeVar, ReturningClause } from "../../../infra/sql/grammar.ts";
import type { Relation, Source } from "./catalog.ts";
import { uris } from "./consequences.ts";
import type { Env } from "./env.ts";
import { sourcesOf } from "./expression.ts";
import { mayFail, tellMoved } from "./failing.ts";
import { readTargets } from "./query.ts";
import { columnsOf, lookUp, rowsOf, writtenBy } from "./relations.ts";
import { joinScopes, type Scope, type ScopeColumn, type ScopeTable, scopeOf } from "./scope.ts";

/** SET: each expression flows into its column. @returns names of the columns written */
export function assign(relation: Relation, targets: readonly Node[], env: Env): readonly string[] {
  const names: string[] = [];
  const inner: Env = { ...env, destination: "sink" };
  env.effect.flow([], []);
  for (const node of targets) {
    if (!("ResTarget" in node) || node.ResTarget.name === undefined) continue;
    const { name, val, indirection } = node.ResTarget;
    const from = sourcesOf([val, indirection], inner);
    names.push(name);
    env.effect.read(from);
    env.effect.flow(from, sinkOf(relation, name, env));
    if (mayFail([val])) env.analysis.draft.reveal(from);
    tellMoved(relation, name, [...from], env.analysis);
  }
  env.effect.write(uris(writtenBy(relation, names, env.analysis)));
  return names;
}

export function sinkOf(relation: Relation, name: string | undefined, env: Env) {
  return uris(writtenBy(relation, name === undefined ? null : [name], env.analysis));
}

export function lookUpTarget(range: RangeVar | undefined, env: Env): Relation | null {
  return range ? lookUp(range, env.analysis) : null;
}

/** The table that is changed, as its own expressions see it. */
export function targetTable(relation: Relation, range: RangeVar | undefined, env: Env): ScopeTable {
  const alias = range?.alias?.aliasname ?? relation.raw.name;
  const rows = rowsOf(relation, env.analysis, range?.inh === true);
  return { alias, schema: range?.alias ? null : relation.raw.schema, ...rows };
}

export function readsAnother(relation: Relation, env: Env): boolean {
  if (env.effect.scanned.size > 0) return true;
  const own = new Set<Source>(columnsOf(relation, env.analysis, true).flatMap((column) => column.from));
  return [...env.effect.reads].some((source) => !own.has(source) && source.uri !== relation.uri);
}

/** RETURNING goes where the statement's rows go: to the client, or into the query around it. */
export function readReturning(
  clause: ReturningClause | undefined,
  target: ScopeTable,
  env: Env,
): readonly ScopeColumn[] {
  if (!clause) return [];
  const renamed = (clause.options ?? []).flatMap((node) =>
    "ReturningOption" in node ? [node.ReturningOption.value ?? ""] : [],
  );
  const rows = ["old", "new", ...renamed].map((alias) => ({ ...target, alias, schema: null, qualifiedOnly: true }));
  const scope: Scope = joinScopes([env.scope ?? scopeOf([], null), scopeOf(rows, null)], env.scope?.parent ?? null);
  return readTargets(clause.exprs ?? [], { ...env, scope });
}
