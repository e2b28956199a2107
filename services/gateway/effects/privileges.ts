/**
 * What a role may read, by grants, ownership and membership (also such that it would have to take with SET ROLE).
 * Answers too often rather than too seldom: a role that is not in the catalog may read everything.
 */
import type { ResourceUri } from "../../../schemas/command.ts";
import { isSystemSchema, type Relation, type TargetCatalog } from "./catalog.ts";
import { columnUri } from "./uri.ts";

export function canReadAnything(catalog: TargetCatalog, role: string): boolean {
  return [...catalog.relations.values()].some(
    (relation) => !isSystemSchema(relation.raw.schema) && canReadRelation(catalog, role, relation, null),
  );
}

/** @returns whether the role may read the resource, something in it, or something that contains it */
export function canRead(catalog: TargetCatalog, role: string, resource: ResourceUri): boolean {
  for (const relation of catalog.relations.values()) {
    const inside = isInside(relation.uri, resource);
    if (inside && canReadRelation(catalog, role, relation, null)) return true;
    if (!resource.startsWith(`${relation.uri}#`)) continue;
    const column = relation.columns.find((one) => columnUri(relation.uri, one.name) === resource);
    if (canReadRelation(catalog, role, relation, column?.name ?? null)) return true;
  }
  return false;
}

function isInside(uri: string, container: string): boolean {
  return uri === container || uri.startsWith(`${container}/`) || uri.startsWith(`${container}.`);
}

/** @param column null = anything of it */
function canReadRelation(catalog: TargetCatalog, name: string, relation: Relation, column: string | null): boolean {
  const role = catalog.roles.get(name);
  if (role === undefined || role.superuser) return true;
  const roles = new Set([name, ...role.memberOf, ""]);
  if (roles.has(relation.raw.owner) || roles.has("pg_read_all_data")) return true;
  if (role.memberOf.some((other) => catalog.roles.get(other)?.superuser)) return true;
  return relation.raw.grants.some(
    (grant) =>
      roles.has(grant.grantee) &&
      grant.privilege === "SELECT" &&
      (column === null || grant.column === null || grant.column === column),
  );
}
