/**
 * CREATE, ALTER, COMMENT, maintenance: statements that change what names mean or how data is kept. Code that runs
 * later (function, trigger, rule, job) counts, when it is defined, as what its body could do: opaque, unless the body
 * is PostgreSQL's own. DROP and friends are in removals.ts, GRANT and roles in grants.ts.
 */
import type { CreateStmt, Node, RangeVar } from "../../../infra/sql/grammar.ts";
import type { ResourceUri } from "../../../schemas/command.ts";
import { readAlterTable } from "./alterations.ts";
import { createEnv } from "./analysis.ts";
import { targetTable } from "./assignments.ts";
import { callFunction } from "./calls.ts";
import { isSystemSchema } from "./catalog.ts";
import { followWrite } from "./consequences.ts";
import { EffectDraft, ReadingDraft } from "./draft.ts";
import { type Analysis, kindOf, nameParts } from "./env.ts";
import { consume } from "./expression.ts";
import { grants } from "./grants.ts";
import { newRelation } from "./materialise.ts";
import { lookUp } from "./relations.ts";
import { removals } from "./removals.ts";
import { scopeOf } from "./scope.ts";
import { schemaUri, thingUri } from "./uri.ts";

export type Define = (node: Node, analysis: Analysis) => void;

export const definitions: ReadonlyMap<string, Define> = new Map<string, Define>([
  ["CreateStmt", createTable],
  ["AlterTableStmt", alterTable],
  ["ViewStmt", createView],
  ["IndexStmt", createIndex],
  ["CreateSeqStmt", sequence],
  ["AlterSeqStmt", sequence],
  ["CreateSchemaStmt", createSchema],
  ["CreateFunctionStmt", createFunction],
  ["AlterFunctionStmt", alterFunction],
  ["CreateTrigStmt", createTrigger],
  ["RuleStmt", createRule],
  ["CreatePolicyStmt", policy],
  ["AlterPolicyStmt", policy],
  ["CreateStatsStmt", plainThing],
  ["CreateEnumStmt", plainThing],
  ["AlterEnumStmt", plainThing],
  ["CompositeTypeStmt", plainThing],
  ["CreateDomainStmt", plainThing],
  ["CommentStmt", plainThing],
  ["VacuumStmt", maintain],
  ["ClusterStmt", maintain],
  ["ReindexStmt", maintain],
  ["CheckPointStmt", maintain],
  ...grants,
  ...removals,
]);

function define(uris: readonly ResourceUri[], analysis: Analysis): EffectDraft {
  for (const oid of analysis.catalog.eventTriggers) runEventTrigger(oid, analysis);
  const effect = analysis.draft.add("define");
  effect.write(uris);
  return effect;
}

function runEventTrigger(oid: number, analysis: Analysis): void {
  const found = analysis.catalog.functionOf(oid);
  if (!found?.builtin) analysis.draft.darken("an event trigger runs on definitions");
}

function createTable(node: Node, analysis: Analysis): void {
  if (!("CreateStmt" in node) || !node.CreateStmt.relation) return;
  const { relation, inhRelations = [], tableElts = [], constraints = [], partspec } = node.CreateStmt;
  const effect = define([newRelation(relation, analysis)], analysis);
  for (const parent of inhRelations) {
    const found = "RangeVar" in parent ? lookUp(parent.RangeVar, analysis) : null;
    if (found) effect.write([found.uri]);
  }
  // Nothing is evaluated now; but a function nobody has read will be, at each INSERT.
  callAll([tableElts, constraints, partspec], analysis);
  const [made] = effect.writes;
  if (made?.includes(".") && isPlain(node.CreateStmt, analysis)) analysis.draft.makes.add(made);
}

/** Nothing but columns of types without code: no keys to other tables, nothing inherited or copied. */
function isPlain(
  { inhRelations, partbound, partspec, ofTypename, tableElts = [], constraints = [] }: CreateStmt,
  { catalog }: Analysis,
) {
  if (inhRelations || partbound || partspec || ofTypename) return false;
  const keys = (nodes: readonly Node[]): boolean =>
    nodes.some((node) => !("Constraint" in node) || node.Constraint.contype === "CONSTR_FOREIGN");
  if (keys(constraints)) return false;
  return tableElts.every((node) => {
    if ("Constraint" in node) return !keys([node]);
    if (!("ColumnDef" in node)) return false;
    const type = nameParts(node.ColumnDef.typeName?.names).at(-1) ?? "";
    return !keys(node.ColumnDef.constraints ?? []) && catalog.typeFunctions(type).length === 0;
  });
}

/** Looks only at the calls inside: columns of a table that does not exist yet have no meaning. */
function callAll(tree: unknown, analysis: Analysis): void {
  if (Array.isArray(tree)) for (const item of tree) callAll(item, analysis);
  else if (typeof tree === "object" && tree !== null) {
    if ("FuncCall" in tree) {
      const call = tree.FuncCall as { funcname?: Node[]; args?: Node[] };
      const probe: Analysis = { ...analysis, draft: new ReadingDraft() };
      const env = createEnv(probe, new EffectDraft("read"), "sink");
      callFunction(nameParts(call.funcname), call.args ?? [], new Set(), env);
      if (probe.draft.opaque !== null) analysis.draft.darken(probe.draft.opaque);
    }
    for (const value of Object.values(tree)) callAll(value, analysis);
  }
}

function alterTable(node: Node, analysis: Analysis): void {
  if (!("AlterTableStmt" in node) || !node.AlterTableStmt.relation) return;
  for (const oid of analysis.catalog.eventTriggers) runEventTrigger(oid, analysis);
  readAlterTable(node.AlterTableStmt, node.AlterTableStmt.relation, analysis);
}

/** A view reads nothing now; who uses it later reads through it. Its sources are named, so that policy is asked. */
function createView(node: Node, analysis: Analysis) {
  if (!("ViewStmt" in node) || !node.ViewStmt.view || !node.ViewStmt.query) return;
  const { view, query } = node.ViewStmt;
  const effect = define([newRelation(view, analysis)], analysis);
  if (!("SelectStmt" in query)) return analysis.draft.darken("a view of an unknown kind");
  const inner: Analysis = { ...analysis, draft: new ReadingDraft() };
  const columns = analysis.select(query.SelectStmt, createEnv(inner, effect, "sink"));
  effect.read(columns.flatMap((column) => column.from));
  for (const [key, value] of inner.draft.resolved) analysis.draft.resolved.set(key, value);
  if (inner.draft.opaque !== null) analysis.draft.darken(inner.draft.opaque);
}

/** Its expressions run over all rows at once, and an error would show a value. */
function createIndex(node: Node, analysis: Analysis): void {
  if (!("IndexStmt" in node)) return;
  const { relation: range, indexParams = [], whereClause, concurrent } = node.IndexStmt;
  const relation = range ? lookUp(range, analysis) : null;
  const effect = define(relation ? [relation.uri] : [analysis.catalog.everything.uri], analysis);
  if (concurrent) analysis.draft.lasting.add("other");
  if (!relation) return;
  const env = createEnv(analysis, effect, "sink");
  const scope = scopeOf([targetTable(relation, range, env)], null);
  for (const element of indexParams) {
    if ("IndexElem" in element) consume(element.IndexElem.expr, { ...env, scope });
  }
  consume(whereClause, { ...env, scope });
}

function sequence(node: Node, analysis: Analysis): void {
  const { sequence: range } = kindOf(node)[1] as { sequence?: RangeVar };
  if (!range) return;
  if ("CreateSeqStmt" in node) define([newRelation(range, analysis)], analysis);
  else define([lookUp(range, analysis)?.uri ?? analysis.catalog.everything.uri], analysis);
}

function createSchema(node: Node, analysis: Analysis): void {
  if (!("CreateSchemaStmt" in node)) return;
  const { schemaname, authrole, schemaElts } = node.CreateSchemaStmt;
  const name = schemaname ?? authrole?.rolename;
  define([name ? schemaUri(analysis.catalog.target, name) : analysis.catalog.everything.uri], analysis);
  if (schemaElts && schemaElts.length > 0) analysis.draft.darken("a schema created with its content");
}

function createFunction(node: Node, analysis: Analysis): void {
  if (!("CreateFunctionStmt" in node)) return;
  const name = nameParts(node.CreateFunctionStmt.funcname).at(-1) ?? "";
  define([thingUri(analysis.catalog.target, "pg_function", name)], analysis);
  analysis.draft.darken("code that runs later");
}

function alterFunction(node: Node, analysis: Analysis): void {
  if (!("AlterFunctionStmt" in node)) return;
  const name = nameParts(node.AlterFunctionStmt.func?.objname).at(-1) ?? "";
  define([thingUri(analysis.catalog.target, "pg_function", name)], analysis);
}

function createTrigger(node: Node, analysis: Analysis): void {
  if (!("CreateTrigStmt" in node)) return;
  const { relation: range, funcname } = node.CreateTrigStmt;
  const relation = range ? lookUp(range, analysis) : null;
  define([relation?.uri ?? analysis.catalog.everything.uri], analysis);
  const found = analysis.catalog.functionsNamed(nameParts(funcname).at(-1) ?? "");
  if (found.length === 0 || found.some((one) => !one.builtin)) analysis.draft.darken("code that runs later");
}

function createRule(node: Node, analysis: Analysis): void {
  if (!("RuleStmt" in node)) return;
  const relation = node.RuleStmt.relation ? lookUp(node.RuleStmt.relation, analysis) : null;
  define([relation?.uri ?? analysis.catalog.everything.uri], analysis);
  analysis.draft.darken("code that runs later");
}

function policy(node: Node, analysis: Analysis): void {
  const content = kindOf(node)[1] as { table?: RangeVar; qual?: Node; with_check?: Node };
  const relation = content.table ? lookUp(content.table, analysis) : null;
  define([relation?.uri ?? analysis.catalog.everything.uri], analysis);
  callAll([content.qual, content.with_check], analysis);
}

/** Objects that hold no data and run no code. */
function plainThing(node: Node, analysis: Analysis): void {
  define([thingUri(analysis.catalog.target, "pg_object", null)], analysis);
  callAll(node, analysis);
}

/** VACUUM, ANALYZE, CLUSTER, REINDEX: index expressions run again, ROLLBACK undoes nothing. */
function maintain(node: Node, analysis: Analysis): void {
  const content = kindOf(node)[1] as { rels?: Node[]; relation?: RangeVar };
  const ranges = (content.rels ?? []).flatMap((one) =>
    "VacuumRelation" in one ? (one.VacuumRelation.relation ?? []) : [],
  );
  if (content.relation && !("ReindexStmt" in node && node.ReindexStmt.kind === "REINDEX_OBJECT_INDEX")) {
    ranges.push(content.relation);
  }
  const relations = ranges.map((range) => lookUp(range, analysis));
  const all = relations.length === 0;
  const effect = define(all ? [analysis.catalog.everything.uri] : [], analysis);
  for (const relation of all ? analysis.catalog.relations.values() : relations) {
    if (relation === null) continue;
    if (!all) effect.write([relation.uri]);
    if (isSystemSchema(relation.raw.schema)) continue; // has no expressions, and this changes no row of it
    const probe: Analysis = { ...analysis, draft: new ReadingDraft() };
    followWrite(
      { ...relation, raw: { ...relation.raw, triggers: [], rules: [], rowSecurity: false } },
      "insert",
      null,
      probe,
    );
    if (probe.draft.opaque !== null) analysis.draft.darken(probe.draft.opaque);
  }
  analysis.draft.lasting.add("other");
}
