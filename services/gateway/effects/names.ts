/**
 * What names mean for one session: search_path as PostgreSQL makes it effective (schemas that exist and that the role
 * may use, pg_catalog first unless listed), and which names its own uncommitted or temporary definitions could shadow.
 */
import type { ResourceUri } from "../../../schemas/command.ts";
import { openRelation, type Relation, type TargetCatalog } from "./catalog.ts";
import type { NameContext } from "./reader.ts";
import { relationUri } from "./uri.ts";

export interface Names {
  readonly role: string;
  readonly superuser: boolean;
  /** Effective schemas, pg_catalog included. */
  readonly path: readonly string[];
  /** Where an unqualified CREATE goes; null when nowhere that is known. */
  readonly home: string | null;
  /** Whether a relation of that name could be one that the catalog does not show. */
  shadowed(schema: string | null, name: string): boolean;
  /** The session's own table of that name, when it can be nothing else. */
  own(schema: string | null, name: string): Relation | null;
}

export type Found = Relation | "unknown" | "shadowed";

export function resolveNames(catalog: TargetCatalog, context: NameContext): Names {
  const role = catalog.roles.get(context.role);
  const superuser = role?.superuser ?? true;
  const usable = (schema: string): boolean => superuser || (role?.usage.includes(schema) ?? true);
  const listed = context.searchPath.map((entry) => (entry === "$user" ? context.role : entry));
  const existing = listed.filter((schema) => catalog.hasSchema(schema) && usable(schema));
  const first = listed.find((schema) => isTemporary(schema) || existing.includes(schema));
  return {
    role: context.role,
    superuser,
    path: existing.includes("pg_catalog") ? existing : ["pg_catalog", ...existing],
    home: first === undefined || first === "pg_catalog" ? null : isTemporary(first) ? "pg_temp" : first,
    shadowed: shadows(catalog.target, context),
    own: ownTables(catalog, context),
  };
}

export function isTemporary(schema: string): boolean {
  return schema === "pg_temp" || /^pg_temp_\d+$/.test(schema);
}

/** @param schema null = by search_path */
export function findRelation(catalog: TargetCatalog, names: Names, schema: string | null, name: string): Found {
  if (schema !== null && isTemporary(schema)) return names.own("pg_temp", name) ?? "unknown";
  if (names.shadowed(schema, name)) return names.own(schema, name) ?? "shadowed";
  if (schema !== null) return catalog.relation(schema, name) ?? "unknown";
  for (const candidate of names.path) {
    const relation = catalog.relation(candidate, name);
    if (relation) return relation;
  }
  return "unknown";
}

function shadows(target: string, context: NameContext): Names["shadowed"] {
  if (!context.definesPending) return () => false;
  const system = (schema: string | null) => schema === "pg_catalog" || schema === "information_schema";
  if (context.pending === undefined) return (schema) => !system(schema);
  const tables = context.pending.map(withoutColumn);
  if (tables.some((uri) => !uri.includes("."))) return (schema) => !system(schema);
  const whole = new Set<string>(tables);
  const bare = new Set(tables.map((uri) => uri.slice(uri.indexOf(".") + 1)));
  return (schema, name) => {
    if (schema !== null) return whole.has(relationUri(target, schema, name));
    const uri = relationUri(target, "", name);
    return bare.has(uri.slice(uri.indexOf(".") + 1));
  };
}

/**
 * A name means a table that the session made only where nothing else has it: no other definition of the session, and
 * no relation of the catalog, which would be meant again once the session's own was rolled back.
 */
function ownTables(catalog: TargetCatalog, context: NameContext): Names["own"] {
  const { made = [], pending = [] } = context;
  if (made.length === 0 || context.pending === undefined) return () => null;
  const relations = new Map<ResourceUri, Relation>();
  const known = (name: string) => [...catalog.relations.values()].some(({ raw }) => raw.name === name);
  return (schema, name) => {
    const bare = bareName(relationUri(catalog.target, "", name));
    const alike = pending.map(withoutColumn).filter((uri) => bareName(uri) === bare);
    const [uri] = alike;
    if (uri === undefined || alike.some((one) => one !== uri) || !made.includes(uri)) return null;
    if (schema !== null && relationUri(catalog.target, schema, name) !== uri) return null;
    const found = relations.get(uri);
    if (found) return found;
    if (known(name)) return null;
    const own = openRelation(uri, uri.slice(catalog.target.length + 1, -bare.length - 1), name, made.indexOf(uri));
    relations.set(uri, own);
    return own;
  };
}

/** Target names hold no dot, so the first dot parts schema and name. */
function withoutColumn(uri: ResourceUri): ResourceUri {
  const at = uri.indexOf("#");
  return at === -1 ? uri : (uri.slice(0, at) as ResourceUri);
}

function bareName(uri: ResourceUri): string {
  return uri.slice(uri.indexOf(".") + 1);
}
