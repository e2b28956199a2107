/**
 * ALTER TABLE. Dropping a column, changing its type with USING and detaching a partition destroy; expressions given
 * with it run over all rows now, and their errors would show values.
 */
import type { AlterTableCmd, AlterTableStmt, Node, RangeVar } from "../../../infra/sql/grammar.ts";
import { createEnv } from "./analysis.ts";
import { targetTable } from "./assignments.ts";
import { descendantsOf, familyOf, type Relation } from "./catalog.ts";
import { uris } from "./consequences.ts";
import type { EffectDraft } from "./draft.ts";
import { type Analysis, type Env, nameParts } from "./env.ts";
import { consume, sourcesOf } from "./expression.ts";
import { lookUp, writtenBy } from "./relations.ts";
import { scopeOf } from "./scope.ts";
import { columnUri } from "./uri.ts";

export function readAlterTable(statement: AlterTableStmt, range: RangeVar, analysis: Analysis): void {
  const effect = analysis.draft.add("define");
  // Of an index or sequence only the name stands here: it is no table's content.
  const relation = lookUp(range, analysis);
  if (relation === null) return void effect.write([analysis.catalog.everything.uri]);
  const env = createEnv(analysis, effect, "sink");
  const scope = scopeOf([targetTable(relation, range, env)], null);
  for (const node of statement.cmds ?? []) {
    if ("AlterTableCmd" in node) readCommand(node.AlterTableCmd, relation, { ...env, scope });
  }
  if (effect.writes.size === 0) effect.write(familyOf(analysis.catalog, relation).map((one) => one.uri));
}

function readCommand(command: AlterTableCmd, relation: Relation, env: Env) {
  const { effect } = env;
  switch (command.subtype) {
    case "AT_DropColumn":
      return dropColumn(command, relation, env);
    case "AT_AlterColumnType":
      return changeType(command, relation, env);
    case "AT_DetachPartition":
    case "AT_AttachPartition":
    case "AT_AddInherit":
    case "AT_DropInherit":
      return regroup(command, relation, env);
    case "AT_ChangeOwner":
      env.analysis.draft.add("grant").write([relation.uri]);
      return;
    case "AT_AddColumn":
      if (command.def && "ColumnDef" in command.def) {
        const name = columnName(command);
        effect.write(withDescendants(relation, env.analysis).map((one) => columnUri(one.uri, name)));
      }
      checkExpressions(command.def, env);
      return generate(relation, columnName(command), command.def, env);
    case "AT_DropExpression":
      effect.write([columnUri(relation.uri, command.name ?? "")]);
      return keep(relation, command.name ?? "", env);
    case "AT_SetExpression":
      effect.write(uris(writtenBy(relation, [command.name ?? ""], env.analysis)));
      effect.destroys = true;
      consume(command.def, env);
      return generate(relation, command.name ?? "", command.def, env);
    case "AT_EnableTrig":
    case "AT_EnableAlwaysTrig":
    case "AT_EnableReplicaTrig":
    case "AT_EnableTrigAll":
    case "AT_EnableTrigUser":
    case "AT_EnableRule":
    case "AT_EnableAlwaysRule":
    case "AT_EnableReplicaRule":
      effect.write([relation.uri]);
      return env.analysis.draft.darken("code that runs later");
    default:
      effect.write([relation.uri]);
      tellForeignKey(command.def, relation, env.analysis);
      return checkExpressions(command.def, env);
  }
}

function dropColumn(command: AlterTableCmd, relation: Relation, env: Env): void {
  const name = command.name ?? "";
  const written = uris(writtenBy(relation, [name], env.analysis));
  const ended = relation.byName.has(name) ? written : [columnUri(relation.uri, name)];
  env.effect.write(ended);
  for (const uri of ended) env.effect.ends.add(uri);
  env.effect.destroys = true;
  if (command.behavior === "DROP_CASCADE") widen(relation, env.effect, env.analysis);
}

/** What depends on the relation goes with it: views over it, keys that point at it. */
export function widen(relation: Relation, effect: EffectDraft, analysis: Analysis): void {
  for (const { from } of analysis.catalog.referencing(relation)) effect.write([from.uri]);
  for (const view of analysis.catalog.relations.values()) {
    if (view.raw.definition === null || view === relation || !readsFrom(view, relation, analysis)) continue;
    analysis.draft.resolve(view);
    effect.write([view.uri]);
    if (view.raw.kind !== "m") continue;
    effect.ends.add(view.uri);
    effect.destroys = true;
  }
}

/** A view's body names what it reads, through other views too. */
function readsFrom(view: Relation, relation: Relation, analysis: Analysis): boolean {
  return analysis.body(view).draft.effects.some((inner) => inner.scanned.has(relation));
}

function changeType(command: AlterTableCmd, relation: Relation, env: Env): void {
  const using = command.def && "ColumnDef" in command.def ? command.def.ColumnDef.raw_default : undefined;
  const sinks = uris(writtenBy(relation, [command.name ?? ""], env.analysis));
  env.effect.write(sinks);
  env.effect.destroys = true;
  if (!using) {
    // Casting each value to the new type fails for some.
    env.analysis.draft.reveal(sourcesOf({ ColumnRef: { fields: [{ String: { sval: command.name ?? "" } }] } }, env));
    return;
  }
  const from = sourcesOf(using, env);
  env.effect.read(from);
  env.analysis.draft.reveal(from);
  const move = env.analysis.draft.add("transform");
  move.read(from);
  move.write(sinks);
  move.flow(from, sinks);
  move.destroys = true;
}

function columnName(command: AlterTableCmd): string {
  return command.def && "ColumnDef" in command.def ? (command.def.ColumnDef.colname ?? "") : "";
}

/** Whether every value of the column stands in the other table. */
function tellForeignKey(definition: Node | undefined, relation: Relation, analysis: Analysis): void {
  if (!definition || !("Constraint" in definition) || definition.Constraint.contype !== "CONSTR_FOREIGN") return;
  const names = nameParts(definition.Constraint.fk_attrs);
  analysis.draft.reveal(relation.columns.filter((column) => names.includes(column.name)));
}

/** GENERATED … AS fills the new column from others of the row, now and later; in all that inherits it too. */
function generate(relation: Relation, name: string, definition: Node | undefined, env: Env) {
  const from = [...env.effect.reads];
  if (from.length === 0 || definition === undefined) return;
  const sinks = withDescendants(relation, env.analysis).map((one) => columnUri(one.uri, name));
  const move = env.analysis.draft.add("transform");
  move.read(from);
  move.write(sinks);
  move.flow(from, sinks);
}

function withDescendants(relation: Relation, { catalog }: Analysis): readonly Relation[] {
  return [relation, ...descendantsOf(catalog, relation)];
}

/** What a generated column was made of is its own content from now on. */
function keep(relation: Relation, name: string, env: Env): void {
  for (const one of familyOf(env.analysis.catalog, relation)) {
    const column = one.byName.get(name);
    const from = column ? env.analysis.generated(column) : [];
    if (!column || from.length === 0) continue;
    const move = env.analysis.draft.add("transform");
    move.read(from);
    move.write([column.uri]);
    move.flow(from, [column.uri]);
  }
}

/** The rows of one relation join or leave another's: the tags of both must be asked for. */
function regroup(command: AlterTableCmd, relation: Relation, env: Env): void {
  const { analysis, effect } = env;
  const range = rangeOf(command.def);
  const other = range ? lookUp(range, analysis) : null;
  effect.write([relation.uri, other?.uri ?? analysis.catalog.everything.uri]);
  const leaves = command.subtype === "AT_DetachPartition" || command.subtype === "AT_DropInherit";
  if (leaves) effect.destroys = true;
  if (other === null) return;
  // A child that leaves keeps what the parent's tags said of its rows: NO INHERIT is written at the child.
  const fromOther = command.subtype === "AT_AttachPartition" || command.subtype === "AT_DropInherit";
  if (command.subtype === "AT_AttachPartition") tellKeys(relation, other, analysis);
  const move = analysis.draft.add("transform");
  const [source, sink] = fromOther ? [other, relation] : [relation, other];
  move.scanned.add(source);
  move.write([sink.uri]);
  for (const column of source.columns) {
    const twin = sink.byName.get(column.name);
    if (twin) move.flow([column], [twin.uri]);
  }
  move.destroys = leaves;
}

/** Attaching fails unless every row fits the bounds. */
function tellKeys(parent: Relation, child: Relation, analysis: Analysis): void {
  for (const key of analysis.lookedAt(parent, "partition")) {
    const name = parent.columns.find((column) => column === key)?.name;
    analysis.draft.reveal(child.columns.filter((column) => column.name === name));
  }
}

function rangeOf(node: Node | undefined): RangeVar | undefined {
  if (node && "PartitionCmd" in node) return node.PartitionCmd.name;
  return node && "RangeVar" in node ? node.RangeVar : undefined;
}

/** CHECK, DEFAULT, USING inside a definition: they run now, over rows that exist. */
function checkExpressions(tree: unknown, env: Env): void {
  if (Array.isArray(tree)) for (const item of tree) checkExpressions(item, env);
  else if (typeof tree === "object" && tree !== null) {
    for (const [key, value] of Object.entries(tree)) {
      const expression = key === "raw_expr" || key === "raw_default" || key === "where_clause";
      if (expression) consume(value, env);
      else checkExpressions(value, env);
    }
  }
}
