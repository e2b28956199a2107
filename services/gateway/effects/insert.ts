/**
 * INSERT: VALUES, SELECT, ON CONFLICT. The select list flows column by column into the table and is neither shown
 * nor revealed. ON CONFLICT tells whether a key exists, so its columns count as revealed.
 */
import type { InsertStmt, Node, OnConflictClause } from "../../../infra/sql/grammar.ts";
import { assign, lookUpTarget, readReturning, readsAnother, sinkOf, targetTable } from "./assignments.ts";
import type { Relation, Source } from "./catalog.ts";
import { followWrite, uris } from "./consequences.ts";
import type { Env } from "./env.ts";
import { consume } from "./expression.ts";
import { tellMoved } from "./failing.ts";
import { isView, writtenBy } from "./relations.ts";
import { expressionColumn, joinScopes, type ScopeColumn, type ScopeTable, scopeOf } from "./scope.ts";

export function readInsert(insert: InsertStmt, env: Env): readonly ScopeColumn[] {
  const relation = lookUpTarget(insert.relation, env);
  const query = insert.selectStmt;
  const inner: Env = { ...env, destination: "sink" };
  const values = query && "SelectStmt" in query ? env.analysis.select(query.SelectStmt, inner) : [];
  if (relation === null) {
    env.effect.write([env.analysis.catalog.everything.uri]);
    env.effect.operation = "transform";
    return [{ name: "*", plain: [], from: [env.analysis.catalog.everything], spread: true }];
  }
  env.effect.write(uris(writtenBy(relation, null, env.analysis)));
  const inserted = flowInto(relation, insert.cols, values, env);
  env.effect.operation = readsAnother(relation, env) ? "transform" : "write";
  const target = targetTable(relation, insert.relation, env);
  const scoped: Env = { ...env, scope: scopeOf([target], env.scope) };
  if (insert.onConflictClause) readConflict(insert.onConflictClause, relation, target, inserted, scoped);
  followWrite(relation, "insert", null, env.analysis);
  return readReturning(insert.returningClause, target, scoped);
}

/** @returns what each column of the new rows is made of */
function flowInto(
  relation: Relation,
  cols: readonly Node[] | undefined,
  values: readonly ScopeColumn[],
  env: Env,
): (name: string) => readonly Source[] {
  const named = cols?.map((node) => ("ResTarget" in node ? node.ResTarget.name : undefined));
  const all = values.flatMap((column) => column.from);
  env.effect.read(all);
  env.effect.flow([], []);
  if (values.some((column) => column.spread)) {
    env.effect.flow(all, uris(writtenBy(relation, null, env.analysis)));
    tellMoved(relation, undefined, all, env.analysis);
    return () => all;
  }
  const made = new Map<string, readonly Source[]>();
  values.forEach((column, index) => {
    const name = named ? named[index] : relation.columns[index]?.name;
    env.effect.flow(column.from, sinkOf(relation, name, env));
    tellMoved(relation, name, column.from, env.analysis);
    if (name !== undefined) made.set(name, column.from);
  });
  if (relation.isOpen) return () => all;
  return (name) => made.get(name) ?? [];
}

function readConflict(
  clause: OnConflictClause,
  relation: Relation,
  target: ScopeTable,
  inserted: (name: string) => readonly Source[],
  env: Env,
): void {
  const infer = clause.infer;
  for (const node of infer?.indexElems ?? []) {
    if (!("IndexElem" in node)) continue;
    const { name, expr } = node.IndexElem;
    consume(expr ?? (name ? { ColumnRef: { fields: [{ String: { sval: name } }] } } : undefined), env);
  }
  consume(infer?.whereClause, env);
  if (!infer?.indexElems) {
    const unique = new Set(relation.raw.unique.flat());
    const columns = relation.columns.filter((column) => unique.has(column.attribute));
    env.effect.read(columns);
    env.analysis.draft.reveal(columns);
  }
  if (clause.action !== "ONCONFLICT_UPDATE") return;
  const columns = target.columns.map(({ name }) => expressionColumn(name, proposed(relation, name, inserted, env)));
  const others = target.others === null ? null : inserted("");
  const excluded: ScopeTable = { ...target, alias: "excluded", schema: null, qualifiedOnly: true, columns, others };
  const inner: Env = { ...env, scope: joinScopes([scopeOf([target, excluded], null)], env.scope?.parent ?? null) };
  env.effect.destroys = true;
  const written = assign(relation, clause.targetList ?? [], inner);
  consume(clause.whereClause, inner);
  followWrite(relation, "update", written, env.analysis);
}

/** What `excluded.name` is made of: a generated column of what it is generated from; a view's may be of anything. */
function proposed(
  relation: Relation,
  name: string,
  inserted: (name: string) => readonly Source[],
  env: Env,
): readonly Source[] {
  const column = relation.byName.get(name);
  const own = inserted(name);
  if (isView(relation) && own.length === 0) return relation.columns.flatMap((one) => inserted(one.name));
  const from = column ? env.analysis.generated(column) : [];
  if (from.length === 0) return own;
  return relation.columns.filter((one) => from.includes(one)).flatMap((one) => inserted(one.name));
}
