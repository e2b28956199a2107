/**
 * CREATE TABLE AS, SELECT INTO, materialised views: a definition and, at once, data that flows into it column by
 * column. REFRESH overwrites what was there.
 */
import type { CreateTableAsStmt, Node, RangeVar, SelectStmt } from "../../../infra/sql/grammar.ts";
import type { ResourceUri } from "../../../schemas/command.ts";
import { createEnv } from "./analysis.ts";
import { unnamed } from "./column-name.ts";
import { followWrite } from "./consequences.ts";
import { EffectDraft } from "./draft.ts";
import { type Analysis, kindOf, nameParts } from "./env.ts";
import { lookUp } from "./relations.ts";
import type { ScopeColumn } from "./scope.ts";
import { columnUri, relationUri } from "./uri.ts";

export function readCreateTableAs(statement: CreateTableAsStmt, analysis: Analysis) {
  const { query, into } = statement;
  const tag = statement.objtype === "OBJECT_MATVIEW" ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS";
  if (!query || !into?.rel) return analysis.draft.darken("a table made from an unknown query");
  if (!("SelectStmt" in query)) analysis.draft.darken(`a table made from ${kindOf(query)[0]}`);
  fill(tag, into.rel, nameParts(into.colNames), query, analysis);
}

export function readSelectInto(select: SelectStmt, analysis: Analysis) {
  const into = intoOf(select);
  if (!into?.rel) return analysis.draft.darken("INTO without a table");
  fill("SELECT INTO", into.rel, nameParts(into.colNames), { SelectStmt: withoutInto(select) }, analysis);
}

/** @returns where the rows go: of a UNION and the like its first part says so */
export function intoOf(select: SelectStmt): SelectStmt["intoClause"] {
  return select.intoClause ?? (select.larg ? intoOf(select.larg) : undefined);
}

function withoutInto(select: SelectStmt): SelectStmt {
  return { ...select, intoClause: undefined, ...(select.larg ? { larg: withoutInto(select.larg) } : {}) };
}

function fill(tag: string, range: RangeVar, names: readonly string[], query: Node, analysis: Analysis): void {
  const { draft } = analysis;
  draft.statements.push(tag);
  draft.changes.add("definitions");
  const made = newRelation(range, analysis);
  const effect = new EffectDraft("transform");
  const columns = "SelectStmt" in query ? analysis.select(query.SelectStmt, createEnv(analysis, effect, "sink")) : [];
  draft.add("define").write([made]);
  if (tag !== "CREATE MATERIALIZED VIEW" && made.includes(".")) draft.makes.add(made);
  effect.write([made]);
  effect.read(columns.flatMap((column) => column.from));
  flowColumns(effect, made, columns, names);
  if (effect.reads.size + effect.scanned.size > 0) draft.effects.push(effect);
}

function flowColumns(
  effect: EffectDraft,
  made: ResourceUri,
  columns: readonly ScopeColumn[],
  names: readonly string[],
) {
  const all = columns.flatMap((column) => column.from);
  effect.flow([], []);
  if (!made.includes("/") || columns.some((column) => column.spread)) return effect.flow(all, [made]);
  columns.forEach((column, index) => {
    const name = names[index] ?? column.name;
    effect.flow(column.from, [name === unnamed ? made : columnUri(made, name)]);
  });
}

/** @returns where a CREATE of that name puts it; everything where that is not known */
export function newRelation(range: RangeVar, analysis: Analysis): ResourceUri {
  const { catalog, names } = analysis;
  const schema = range.relpersistence === "t" ? "pg_temp" : (range.schemaname ?? names.home);
  if (schema !== null) return relationUri(catalog.target, schema, range.relname ?? "");
  analysis.draft.darken("a schema that search_path does not name");
  return catalog.everything.uri;
}

export function readRefresh(range: RangeVar | undefined, analysis: Analysis): void {
  const { draft, catalog } = analysis;
  draft.statements.push("REFRESH MATERIALIZED VIEW");
  const relation = range ? lookUp(range, analysis) : null;
  const effect = draft.add("transform");
  effect.destroys = true;
  if (relation === null) return void effect.write([catalog.everything.uri]);
  const body = analysis.body(relation);
  effect.write([relation.uri]);
  for (const inner of body.draft.effects) {
    if (inner.operation !== "read") {
      draft.effects.push(inner);
      continue;
    }
    effect.read(inner.reads);
    for (const scanned of inner.scanned) effect.scanned.add(scanned);
  }
  effect.flow([], []);
  body.columns.forEach((column, index) => {
    effect.read(column.from);
    effect.flow(column.from, [relation.columns[index]?.uri ?? relation.uri]);
  });
  for (const [key, value] of body.draft.resolved) draft.resolved.set(key, value);
  for (const reason of body.draft.lasting) draft.lasting.add(reason);
  if (body.draft.opaque !== null) draft.darken(body.draft.opaque);
  followWrite(relation, "insert", null, analysis);
}
