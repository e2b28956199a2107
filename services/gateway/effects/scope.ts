/**
 * Names that an expression can see: tables by alias, columns by name, and the scopes around it. Each column carries
 * the base columns it shows as they are (`plain`) and all that its value is made of (`from`).
 * Follows PostgreSQL: the nearest scope that knows a name wins; a column beats an alias.
 */
import type { Source } from "./catalog.ts";

export interface ScopeColumn {
  readonly name: string;
  readonly plain: readonly Source[];
  readonly from: readonly Source[];
  /** Stands for an unknown number of columns: what comes after it has no known position. */
  readonly spread?: boolean;
  /** Its value may decide that the command fails. */
  readonly fails?: boolean;
}

export interface ScopeTable {
  readonly alias: string | null;
  /** Set for a table without alias: `public.customers.email` names it too. */
  readonly schema: string | null;
  readonly columns: readonly ScopeColumn[];
  /** Not null: columns that are not listed exist as well and are made of these (result of a function). */
  readonly others: readonly Source[] | null;
  /** What is named of it may also be a function that is called with the row. */
  readonly calls?: true;
  /** Only seen when named with the alias (`excluded`, `old`, `new`, the sides of JOIN USING). */
  readonly qualifiedOnly?: boolean;
}

export interface Scope {
  readonly tables: readonly ScopeTable[];
  /** What `*` stands for, in order. */
  readonly columns: readonly ScopeColumn[];
  readonly parent: Scope | null;
}

export const nothing: readonly Source[] = [];

export function scopeOf(tables: readonly ScopeTable[], parent: Scope | null): Scope {
  const columns = tables.filter((table) => !table.qualifiedOnly).flatMap((table) => table.columns);
  return { tables, columns, parent };
}

export function joinScopes(scopes: readonly Scope[], parent: Scope | null): Scope {
  return {
    tables: scopes.flatMap((scope) => scope.tables),
    columns: scopes.flatMap((scope) => scope.columns),
    parent,
  };
}

export function expressionColumn(name: string, from: Iterable<Source>): ScopeColumn {
  return { name, plain: nothing, from: [...new Set(from)] };
}

/** Several columns of one name (ambiguous to PostgreSQL, merged by USING) as one. */
export function mergeColumns(name: string, columns: readonly ScopeColumn[]): ScopeColumn {
  const [only] = columns;
  if (only && columns.length === 1) return only;
  return {
    name,
    plain: [...new Set(columns.flatMap((column) => column.plain))],
    from: [...new Set(columns.flatMap((column) => column.from))],
  };
}

/**
 * Columns behind one that stands for an unknown number have no known place: where places count (names given to them,
 * the other side of a UNION), each may be any.
 */
export function placed(columns: readonly ScopeColumn[], names: readonly string[] = []): readonly ScopeColumn[] {
  if (!columns.some((column) => column.spread)) {
    return columns.map((column, index) => ({ ...column, name: names[index] ?? column.name }));
  }
  const all = columns.flatMap((column) => column.from);
  const own = columns.map((column) => ({ ...expressionColumn(column.name, all), spread: true }));
  return [...names.map((name) => expressionColumn(name, all)), ...own];
}

/** A function's rows may have a column of any name, so what they are made of joins whatever else has that name. */
export function findColumn(scope: Scope | null, name: string): ScopeColumn | null {
  const open: ScopeColumn[] = [];
  for (let level = scope; level !== null; level = level.parent) {
    const found = level.columns.filter((column) => column.name === name);
    for (const table of level.tables) {
      if (!table.qualifiedOnly && table.others !== null) open.push(expressionColumn(name, table.others));
    }
    if (found.length > 0) return mergeColumns(name, [...found, ...open.filter((column) => column.from.length > 0)]);
  }
  return open.length > 0 ? mergeColumns(name, open) : null;
}

/** Whether a column is known by that name, not only possible. */
export function isListed(scope: Scope | null, name: string): boolean {
  for (let level = scope; level !== null; level = level.parent) {
    if (level.columns.some((column) => column.name === name)) return true;
  }
  return false;
}

export function findTable(scope: Scope | null, schema: string | null, alias: string): ScopeTable | null {
  for (let level = scope; level !== null; level = level.parent) {
    const found = level.tables.find((table) => table.alias === alias && (schema === null || table.schema === schema));
    if (found) return found;
  }
  return null;
}

export function columnOf(table: ScopeTable, name: string): ScopeColumn | null {
  const found = table.columns.filter((column) => column.name === name);
  if (found.length > 0) return mergeColumns(name, found);
  return table.others === null ? null : expressionColumn(name, table.others);
}

/** All that a whole row is made of. */
export function rowOf(table: ScopeTable): readonly Source[] {
  return [...new Set([...table.columns.flatMap((column) => column.from), ...(table.others ?? [])])];
}
