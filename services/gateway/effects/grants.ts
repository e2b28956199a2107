/** GRANT, REVOKE, roles and owners: who may do what from now on. Operation `grant`; nothing is read or destroyed. */
import type { GrantStmt, Node, RangeVar } from "../../../infra/sql/grammar.ts";
import type { ResourceUri } from "../../../schemas/command.ts";
import { uris } from "./consequences.ts";
import { type Analysis, kindOf, nameParts } from "./env.ts";
import { lookUp, writtenBy } from "./relations.ts";
import { schemaUri, thingUri } from "./uri.ts";

type Read = (node: Node, analysis: Analysis) => void;

export const grants: readonly (readonly [string, Read])[] = [
  ["GrantStmt", grantObjects],
  ["GrantRoleStmt", grantRoles],
  ["CreateRoleStmt", namedRole],
  ["AlterRoleStmt", namedRole],
  ["AlterRoleSetStmt", namedRole],
  ["DropRoleStmt", grantRoles],
  ["AlterOwnerStmt", changeOwner],
  ["AlterDefaultPrivilegesStmt", grantEverything],
  ["ReassignOwnedStmt", grantEverything],
];

function grantOn(written: readonly ResourceUri[], analysis: Analysis): void {
  analysis.draft.add("grant").write(written);
}

function grantObjects(node: Node, analysis: Analysis) {
  if (!("GrantStmt" in node)) return;
  const { objtype, targtype, objects = [] } = node.GrantStmt;
  const { target } = analysis.catalog;
  const schemas = targtype === "ACL_TARGET_ALL_IN_SCHEMA" || objtype === "OBJECT_SCHEMA";
  if (schemas)
    return grantOn(
      nameParts(objects).map((name) => schemaUri(target, name)),
      analysis,
    );
  const tables = objtype === "OBJECT_TABLE" || objtype === "OBJECT_SEQUENCE";
  if (!tables) return grantOn([thingUri(target, "pg_object", null)], analysis);
  grantOn(
    objects.flatMap((object) => ("RangeVar" in object ? onTable(object.RangeVar, node.GrantStmt, analysis) : [])),
    analysis,
  );
}

/** With column lists only these columns, unless a privilege of the same statement covers the table. */
function onTable(range: RangeVar, statement: GrantStmt, analysis: Analysis): readonly ResourceUri[] {
  const relation = lookUp(range, analysis);
  if (relation === null) return [analysis.catalog.everything.uri];
  const lists = (statement.privileges ?? []).map((one) => ("AccessPriv" in one ? nameParts(one.AccessPriv.cols) : []));
  const whole = lists.length === 0 || lists.some((list) => list.length === 0);
  return uris(writtenBy(relation, whole ? null : lists.flat(), analysis));
}

function grantRoles(node: Node, analysis: Analysis): void {
  const content = kindOf(node)[1] as { granted_roles?: Node[]; grantee_roles?: Node[]; roles?: Node[] };
  const nodes = [...(content.granted_roles ?? []), ...(content.grantee_roles ?? []), ...(content.roles ?? [])];
  const names = nodes.map((one) => {
    if ("AccessPriv" in one) return one.AccessPriv.priv_name ?? null;
    return "RoleSpec" in one ? (one.RoleSpec.rolename ?? analysis.names.role) : null;
  });
  grantOn(
    names.map((name) => thingUri(analysis.catalog.target, "pg_role", name)),
    analysis,
  );
}

/** Settings of a role take effect at its next login: what its names mean then is not known now. */
function namedRole(node: Node, analysis: Analysis): void {
  const content = kindOf(node)[1] as { role?: string | { rolename?: string } };
  const name = typeof content.role === "string" ? content.role : (content.role?.rolename ?? null);
  grantOn([thingUri(analysis.catalog.target, "pg_role", name)], analysis);
}

function changeOwner(node: Node, analysis: Analysis): void {
  if (!("AlterOwnerStmt" in node)) return;
  const { relation: range, object, objectType } = node.AlterOwnerStmt;
  const { target } = analysis.catalog;
  const relation = range ? lookUp(range, analysis) : null;
  const schema = objectType === "OBJECT_SCHEMA" && object ? (nameParts([object])[0] ?? null) : null;
  const other = schema === null ? thingUri(target, "pg_object", null) : schemaUri(target, schema);
  grantOn([relation?.uri ?? other], analysis);
}

function grantEverything(_node: Node, analysis: Analysis): void {
  grantOn([analysis.catalog.everything.uri], analysis);
}
