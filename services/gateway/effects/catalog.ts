/**
 * The target's catalog as an immutable snapshot with look-ups: what a name means for a role and a search_path, what
 * belongs together (inheritance, partitions), what may be read. Pure: no sockets, no clock.
 * It cannot see temporary tables of the session that asks, nor what others have not committed.
 */
import { createHash } from "node:crypto";
import type { ResourceUri } from "../../../schemas/command.ts";
import type { RawCatalog, RawForeignKey, RawFunction, RawRelation, RawRole } from "./raw-catalog.ts";
import { columnUri, relationUri, schemaName, targetUri } from "./uri.ts";

/** Where a value comes from: a column, or a thing that is no column (then `relation` is null). */
export interface Source {
  readonly uri: ResourceUri;
  readonly relation: Relation | null;
}

export interface Column extends Source {
  readonly relation: Relation;
  readonly name: string;
  readonly attribute: number;
  readonly userType: number | null;
  readonly generated: string | null;
}

export interface Relation {
  readonly uri: ResourceUri;
  readonly raw: RawRelation;
  readonly columns: readonly Column[];
  readonly byName: ReadonlyMap<string, Column>;
  /** Digest of everything that decides what the relation means. */
  readonly digest: string;
  /** Its columns are not known: a name that is no other column may be one, and counts as the whole table. */
  readonly isOpen?: true;
}

export interface TargetCatalog {
  readonly target: string;
  readonly everything: Source;
  /** Digest of the whole snapshot. */
  readonly version: string;
  readonly relations: ReadonlyMap<number, Relation>;
  readonly functions: readonly RawFunction[];
  readonly roles: ReadonlyMap<string, RawRole>;
  readonly eventTriggers: readonly number[];
  relation(schema: string, name: string): Relation | null;
  hasSchema(name: string): boolean;
  /** All functions of that name, in any schema. */
  functionsNamed(name: string): readonly RawFunction[];
  functionOf(oid: number): RawFunction | null;
  /** Functions behind operators of that name that are not PostgreSQL's own. */
  operatorFunctions(name: string): readonly { readonly schema: string; readonly function: number }[];
  /** Functions that run when a value of that type is cast or checked. */
  typeFunctions(nameOrOid: string | number): readonly number[];
  children(relation: Relation): readonly Relation[];
  parents(relation: Relation): readonly Relation[];
  /** Foreign keys of other tables that point at the relation. */
  referencing(relation: Relation): readonly { readonly from: Relation; readonly key: RawForeignKey }[];
}

export function createCatalog(raw: RawCatalog): TargetCatalog {
  const relations = new Map<number, Relation>();
  const named = new Map<string, Relation>();
  for (const row of raw.relations) {
    const relation = makeRelation(raw.target, row);
    relations.set(row.oid, relation);
    named.set(`${row.schema}\0${row.name}`, relation);
  }
  const of = (oids: readonly number[]): Relation[] => oids.flatMap((oid) => relations.get(oid) ?? []);
  const children = group([...relations.values()], (relation) => relation.raw.parents);
  const functions = group(raw.functions, (row) => [row.name]);
  const functionsByOid = new Map(raw.functions.map((row) => [row.oid, row]));
  const operators = group(raw.operators, (row) => [row.name]);
  const types = group(raw.types, (row) => [row.name, row.oid] as (string | number)[]);
  const keys = [...relations.values()].flatMap((from) => from.raw.foreignKeys.map((key) => ({ from, key })));
  const referencing = group(keys, ({ key }) => [key.to]);
  const schemas = new Set(raw.schemas);
  return {
    target: raw.target,
    everything: { uri: targetUri(raw.target), relation: null },
    version: digest(raw),
    relations,
    functions: raw.functions,
    roles: new Map(raw.roles.map((role) => [role.name, role])),
    eventTriggers: raw.eventTriggers,
    relation: (schema, name) => named.get(`${schema}\0${name}`) ?? null,
    hasSchema: (name) => schemas.has(name),
    functionsNamed: (name) => functions.get(name) ?? [],
    functionOf: (oid) => functionsByOid.get(oid) ?? null,
    operatorFunctions: (name) => operators.get(name) ?? [],
    typeFunctions: (name) => (types.get(name) ?? []).flatMap((type) => type.functions),
    children: (relation) => children.get(relation.raw.oid) ?? [],
    parents: (relation) => of(relation.raw.parents),
    referencing: (relation) => referencing.get(relation.raw.oid) ?? [],
  };
}

function makeRelation(target: string, raw: RawRelation): Relation {
  const schema = schemaName(raw.schema);
  const uri = relationUri(target, schema, raw.name);
  const columns: Column[] = [];
  const byName = new Map<string, Column>();
  const relation: Relation = { uri, raw, columns, byName, digest: digest({ ...raw, grants: [] }) };
  for (const row of raw.columns) {
    const column: Column = {
      uri: isSystemSchema(schema) ? uri : columnUri(uri, row.name),
      relation,
      name: row.name,
      attribute: row.attribute,
      userType: row.userType,
      generated: row.generated,
    };
    columns.push(column);
    byName.set(row.name, column);
  }
  return relation;
}

/** A table that only the session knows which made it. @param number tells those of one session apart */
export function openRelation(uri: ResourceUri, schema: string, name: string, number: number): Relation {
  const raw: RawRelation = {
    ...{ oid: -1 - number, schema, name, kind: "r", owner: "", rowSecurity: false, definition: null, columns: [] },
    ...{ parents: [], triggers: [], rules: [], expressions: [], foreignKeys: [], unique: [], grants: [] },
  };
  return { uri, raw, columns: [], byName: new Map(), digest: "made by the session", isOpen: true };
}

/** PostgreSQL's own schemas: their columns are one resource per relation. */
export function isSystemSchema(schema: string): boolean {
  return schema === "pg_catalog" || schema === "information_schema";
}

/** The relation with all it inherits from and all that inherit from it, each once; itself first. */
export function familyOf(catalog: TargetCatalog, relation: Relation): readonly Relation[] {
  const family = new Set<Relation>([relation]);
  climb(relation, catalog.parents, family);
  climb(relation, catalog.children, family);
  return [...family];
}

function climb(relation: Relation, next: (relation: Relation) => readonly Relation[], into: Set<Relation>): void {
  for (const other of next(relation)) {
    if (into.has(other)) continue;
    into.add(other);
    climb(other, next, into);
  }
}

/** Everything that inherits from the relation, without itself. */
export function descendantsOf(catalog: TargetCatalog, relation: Relation): readonly Relation[] {
  const found = new Set<Relation>();
  climb(relation, catalog.children, found);
  return [...found];
}

function group<T, K>(rows: readonly T[], keysOf: (row: T) => readonly K[]): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const row of rows) {
    for (const key of keysOf(row)) {
      const members = groups.get(key);
      if (members) members.push(row);
      else groups.set(key, [row]);
    }
  }
  return groups;
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
