/**
 * A relation in FROM: what its columns are made of. Views are looked through to their base columns, inheritance and
 * partitions widen to both sides (a tag on a parent is a tag on what its children hold), row security's subqueries
 * are read as well. Also says what a column of a RowDescription shows, by the same rules.
 */
import type { RangeVar } from "../../../infra/sql/grammar.ts";
import { valueColumns } from "./builtin-functions.ts";
import { runCode } from "./calls.ts";
import {
  type Column,
  descendantsOf,
  familyOf,
  isSystemSchema,
  type Relation,
  type Source,
  type TargetCatalog,
} from "./catalog.ts";
import { unnamed } from "./column-name.ts";
import type { EffectDraft } from "./draft.ts";
import type { Analysis, Env } from "./env.ts";
import { findRelation } from "./names.ts";
import { expressionColumn, type ScopeColumn, type ScopeTable } from "./scope.ts";

/** Partitions listed one by one; a tag on one partition only, of more than these, is seen when it is named itself. */
const partitionsListedMax = 32;

/** @returns the relation, or null after making the text opaque */
export function lookUp(range: RangeVar, analysis: Analysis): Relation | null {
  const found = findRelation(analysis.catalog, analysis.names, range.schemaname ?? null, range.relname ?? "");
  if (typeof found !== "string") {
    analysis.draft.resolve(found);
    return found;
  }
  analysis.draft.darken(
    found === "shadowed" ? "a name that this session has just defined" : "a relation that the catalog does not know",
  );
  return null;
}

export function rangeTable(range: RangeVar, env: Env): ScopeTable {
  const alias = range.alias?.aliasname ?? range.relname ?? null;
  if (!range.schemaname) {
    const named = findWith(range.relname ?? "", env);
    if (named) return { alias, schema: null, columns: named, others: null };
  }
  const relation = lookUp(range, env.analysis);
  const everything = env.analysis.catalog.everything;
  if (relation === null) {
    env.effect.read([everything]);
    return { alias, schema: null, columns: [], others: [everything] };
  }
  scan(relation, env.effect, env.analysis);
  const schema = range.alias ? null : relation.raw.schema;
  return { alias, schema, ...rowsOf(relation, env.analysis, range.inh === true) };
}

/** What can be named of its rows. @param children false for ONLY */
export function rowsOf(
  relation: Relation,
  analysis: Analysis,
  children: boolean,
): Pick<ScopeTable, "columns" | "others" | "calls"> {
  if (!relation.isOpen) return { columns: columnsOf(relation, analysis, children), others: null };
  const all = [whole(relation)];
  return { columns: [{ ...expressionColumn(unnamed, all), spread: true }], others: all, calls: true };
}

function findWith(name: string, env: Env): readonly ScopeColumn[] | null {
  for (let level = env.withs; level !== null; level = level.parent) {
    const found = level.find(name);
    if (found) return found;
  }
  return null;
}

/** The relation is read, whatever columns are used: rows are seen, policies and the views' own conditions run. */
export function scan(relation: Relation, effect: EffectDraft, analysis: Analysis): void {
  const { catalog, draft } = analysis;
  effect.scanned.add(relation);
  for (const other of catalog.children(relation)) draft.resolve(other);
  if (relation.raw.rowSecurity) {
    absorbInto(analysis.attached(relation, "policy"), effect, analysis);
    // Which rows are seen tells what a policy compares, as a WHERE would.
    effect.read(analysis.lookedAt(relation, "policy"));
    draft.reveal(analysis.lookedAt(relation, "policy"));
  }
  if (relation.raw.definition !== null) {
    absorbInto(analysis.body(relation).draft, effect, analysis);
  }
  for (const column of relation.columns) {
    if (column.userType === null) continue;
    for (const oid of catalog.typeFunctions(column.userType)) runCode(oid, analysis);
  }
}

/** Merges reads into the effect instead of adding effects of their own. */
function absorbInto(other: Analysis["draft"], effect: EffectDraft, analysis: Analysis): void {
  for (const inner of other.effects) {
    if (inner.operation !== "read") continue;
    effect.read(inner.reads);
    for (const relation of inner.scanned) effect.scanned.add(relation);
  }
  const { draft } = analysis;
  draft.reveal(other.reveals);
  for (const [key, value] of other.resolved) draft.resolved.set(key, value);
  for (const reason of other.lasting) draft.lasting.add(reason);
  for (const change of other.changes) draft.changes.add(change);
  for (const inner of other.effects) if (inner.operation !== "read") draft.effects.push(inner);
  if (other.opaque !== null) draft.darken(other.opaque);
}

/** @param children false for ONLY */
export function columnsOf(relation: Relation, analysis: Analysis, children: boolean): readonly ScopeColumn[] {
  if (relation.raw.definition !== null) return viewColumns(relation, analysis);
  if (isSystemSchema(relation.raw.schema)) return relation.columns.map((column) => systemColumn(column, analysis));
  const relatives = relativesOf(relation, analysis.catalog, children);
  return relation.columns.map((column) => {
    const twins = relatives.flatMap((other) => other.byName.get(column.name) ?? []);
    // A generated column shows what it is made of: a mask of either covers it.
    const all = [...new Set<Source>(twins.flatMap((twin) => [twin, ...analysis.generated(twin)]))];
    return { name: column.name, plain: all, from: all };
  });
}

function relativesOf(relation: Relation, catalog: TargetCatalog, children: boolean): readonly Relation[] {
  const family = familyOf(catalog, relation);
  if (family.length === 1) return family;
  const descendants = descendantsOf(catalog, relation);
  if (children && (relation.raw.kind !== "p" || descendants.length <= partitionsListedMax)) return family;
  return family.filter((other) => !descendants.includes(other));
}

/** A view's own column stands beside what it shows: a tag may be on either. */
function viewColumns(relation: Relation, analysis: Analysis): readonly ScopeColumn[] {
  const body = analysis.body(relation).columns;
  return relation.columns.map((column, index) => {
    const inner = body[index];
    const from = inner?.from ?? [analysis.catalog.everything];
    const fails = inner?.fails === true && relation.raw.kind === "v";
    return { name: column.name, plain: [column, ...(inner?.plain ?? [])], from: [column, ...from], fails };
  });
}

function systemColumn(column: Column, analysis: Analysis): ScopeColumn {
  const values = valueColumns.get(column.relation.raw.name);
  if (!values || (values.columns !== null && !values.columns.has(column.name))) {
    return { name: column.name, plain: [column], from: [column] };
  }
  const value: Source = { uri: column.uri, relation: null };
  const from: readonly Source[] = values.everywhere ? [value, analysis.catalog.everything] : [value];
  return { name: column.name, plain: [], from };
}

/** @returns URIs that a write to these columns (null = the whole relation) reaches, with the view's base or family */
export function writtenBy(
  relation: Relation,
  columns: readonly string[] | null,
  analysis: Analysis,
): readonly Source[] {
  const targets = isView(relation) ? viewBases(relation, analysis) : familyOf(analysis.catalog, relation);
  if (columns === null || isView(relation)) {
    const own: readonly Source[] = columns === null ? [whole(relation)] : columnSources(relation, columns, analysis);
    const base = columns === null ? targets.map(whole) : [];
    return withGenerated([...new Set([...own, ...base])], analysis);
  }
  const found = targets.flatMap((one) => columns.flatMap((name) => one.byName.get(name) ?? []));
  return found.length > 0 ? withGenerated(found, analysis) : [whole(relation)];
}

/** A column that is generated from a written one is written with it. */
function withGenerated(sources: readonly Source[], analysis: Analysis): readonly Source[] {
  const made = new Set(sources);
  for (const relation of new Set(sources.flatMap((source) => source.relation ?? []))) {
    const fills = relation.raw.triggers.length > 0 || relation.columns.some((column) => column.generated !== null);
    for (const column of fills ? relation.columns : []) {
      const from = analysis.generated(column);
      if (from.some((source) => source.relation === null || sources.includes(source))) made.add(column);
    }
  }
  return [...made];
}

/** A view's written columns: its own, and the base columns they show (all bases where that is not plain). */
function columnSources(relation: Relation, columns: readonly string[], analysis: Analysis): readonly Source[] {
  return viewColumns(relation, analysis)
    .filter((column) => columns.includes(column.name))
    .flatMap((column) =>
      column.plain.length > 1 ? column.plain : [...column.plain, ...viewBases(relation, analysis).map(whole)],
    );
}

export function isView(relation: Relation): boolean {
  return relation.raw.kind === "v" && relation.raw.definition !== null;
}

/** Relations that a view reads: what an INSERT, UPDATE or DELETE of the view changes, at most. */
export function viewBases(relation: Relation, analysis: Analysis): readonly Relation[] {
  return [...new Set(analysis.body(relation).draft.effects.flatMap((effect) => [...effect.scanned]))];
}

export function whole(relation: Relation): Source {
  return { uri: relation.uri, relation };
}
