/**
 * INSERT, UPDATE, DELETE, MERGE: what is written, what flows where, what is destroyed. Also inside WITH.
 * A statement that reads another relation and writes is `transform`; overwriting destroys as deleting does.
 */
import type { DeleteStmt, MergeStmt, Node, UpdateStmt } from "../../../infra/sql/grammar.ts";
import { assign, lookUpTarget, readReturning, readsAnother, sinkOf, targetTable } from "./assignments.ts";
import type { Relation } from "./catalog.ts";
import { followWrite, uris } from "./consequences.ts";
import { EffectDraft } from "./draft.ts";
import { type Env, kindOf } from "./env.ts";
import { consume, sourcesOf } from "./expression.ts";
import { mayFail, tellMoved } from "./failing.ts";
import { readFrom } from "./from.ts";
import { readInsert } from "./insert.ts";
import { writtenBy } from "./relations.ts";
import { joinScopes, type ScopeColumn, scopeOf } from "./scope.ts";
import { readWith } from "./with.ts";

/** @returns the columns of RETURNING; the change is added to the draft as an effect of its own */
export function readChange(statement: Node, outer: Env): readonly ScopeColumn[] {
  const content = kindOf(statement)[1] as { withClause?: Parameters<typeof readWith>[0] };
  const effect = new EffectDraft("write");
  const env: Env = { ...outer, effect };
  const inner = content.withClause
    ? { ...env, withs: readWith(content.withClause, { ...env, destination: "sink" }) }
    : env;
  // In the order in which data moves: what WITH does, the statement itself, then what it sets off.
  outer.analysis.draft.effects.push(effect);
  return dispatch(statement, inner);
}

function dispatch(statement: Node, env: Env): readonly ScopeColumn[] {
  if ("InsertStmt" in statement) return readInsert(statement.InsertStmt, env);
  if ("UpdateStmt" in statement) return readUpdate(statement.UpdateStmt, env);
  if ("DeleteStmt" in statement) return readDelete(statement.DeleteStmt, env);
  if ("MergeStmt" in statement) return readMerge(statement.MergeStmt, env);
  env.analysis.draft.darken(`a statement of the kind ${kindOf(statement)[0]} inside another`);
  return [];
}

function readUpdate(update: UpdateStmt, env: Env): readonly ScopeColumn[] {
  const relation = lookUpTarget(update.relation, env);
  if (relation === null) return readBlind(update, env);
  const target = targetTable(relation, update.relation, env);
  const scope = joinScopes([scopeOf([target], env.scope), readFrom(update.fromClause ?? [], env)], env.scope);
  const inner: Env = { ...env, scope };
  consume(update.whereClause, inner);
  const columns = assign(relation, update.targetList ?? [], inner);
  followWrite(relation, "update", columns, env.analysis);
  env.effect.destroys = true;
  env.effect.operation = readsAnother(relation, env) ? "transform" : "write";
  return readReturning(update.returningClause, target, inner);
}

function readDelete(statement: DeleteStmt, env: Env): readonly ScopeColumn[] {
  env.effect.operation = "delete";
  env.effect.destroys = true;
  const relation = lookUpTarget(statement.relation, env);
  if (relation === null) return readBlind(statement, env);
  const target = targetTable(relation, statement.relation, env);
  const scope = joinScopes([scopeOf([target], env.scope), readFrom(statement.usingClause ?? [], env)], env.scope);
  const inner: Env = { ...env, scope };
  consume(statement.whereClause, inner);
  env.effect.write(uris(writtenBy(relation, null, env.analysis)));
  followWrite(relation, "delete", null, env.analysis);
  return readReturning(statement.returningClause, target, inner);
}

function readMerge(merge: MergeStmt, env: Env): readonly ScopeColumn[] {
  const relation = lookUpTarget(merge.relation, env);
  if (relation === null) return readBlind(merge, env);
  const target = targetTable(relation, merge.relation, env);
  const source = readFrom(merge.sourceRelation ? [merge.sourceRelation] : [], env);
  const inner: Env = { ...env, scope: joinScopes([scopeOf([target], env.scope), source], env.scope) };
  consume(merge.joinCondition, inner);
  env.effect.operation = "transform";
  env.effect.flow([], []);
  let deletes = false;
  for (const node of merge.mergeWhenClauses ?? []) {
    if (!("MergeWhenClause" in node)) continue;
    const { commandType, condition, targetList = [], values } = node.MergeWhenClause;
    consume(condition, inner);
    if (commandType === "CMD_DELETE") {
      deletes = true;
      followWrite(relation, "delete", null, env.analysis);
    } else if (commandType === "CMD_UPDATE") {
      env.effect.destroys = true;
      followWrite(relation, "update", assign(relation, targetList, inner), env.analysis);
    } else if (commandType === "CMD_INSERT") {
      insertMerged(relation, targetList, values ?? [], inner);
      followWrite(relation, "insert", null, env.analysis);
    }
  }
  if (deletes) addDelete(relation, env);
  return readReturning(merge.returningClause, target, {
    ...inner,
    scope: joinScopes([source, scopeOf([target], null)], env.scope),
  });
}

function addDelete(relation: Relation, env: Env): void {
  const written = uris(writtenBy(relation, null, env.analysis));
  if (env.effect.writes.size === 0) {
    env.effect.operation = "delete";
    env.effect.destroys = true;
    env.effect.write(written);
    return;
  }
  const effect = env.analysis.draft.add("delete");
  effect.destroys = true;
  effect.write(written);
}

function insertMerged(relation: Relation, targets: readonly Node[], values: readonly Node[], env: Env): void {
  env.effect.write(uris(writtenBy(relation, null, env.analysis)));
  const names = targets.map((node) => ("ResTarget" in node ? (node.ResTarget.name ?? "") : ""));
  values.forEach((value, index) => {
    const from = sourcesOf(value, env);
    env.effect.read(from);
    const name = names.length > 0 ? names[index] : relation.columns[index]?.name;
    env.effect.flow(from, sinkOf(relation, name, env));
    if (mayFail(value)) env.analysis.draft.reveal(from);
    tellMoved(relation, name, [...from], env.analysis);
  });
}

/** The target is not known: everything may be written, and the text is opaque already. */
function readBlind(statement: UpdateStmt | DeleteStmt | MergeStmt, env: Env): readonly ScopeColumn[] {
  const everything = env.analysis.catalog.everything;
  env.effect.write([everything.uri]);
  env.effect.read([everything]);
  env.effect.destroys = true;
  return statement.returningClause ? [{ name: "*", plain: [], from: [everything], spread: true }] : [];
}
