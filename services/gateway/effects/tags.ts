/** Command tags for people, near to those PostgreSQL answers with. */
import type { Node } from "../../../infra/sql/grammar.ts";
import { kindOf } from "./env.ts";

const tags: ReadonlyMap<string, string> = new Map([
  ["CreateStmt", "CREATE TABLE"],
  ["ViewStmt", "CREATE VIEW"],
  ["IndexStmt", "CREATE INDEX"],
  ["RuleStmt", "CREATE RULE"],
  ["CreateTrigStmt", "CREATE TRIGGER"],
  ["CreateSeqStmt", "CREATE SEQUENCE"],
  ["AlterSeqStmt", "ALTER SEQUENCE"],
  ["TruncateStmt", "TRUNCATE TABLE"],
  ["CheckPointStmt", "CHECKPOINT"],
  ["DropdbStmt", "DROP DATABASE"],
  ["CreatedbStmt", "CREATE DATABASE"],
  ["CreateEnumStmt", "CREATE TYPE"],
  ["CompositeTypeStmt", "CREATE TYPE"],
  ["AlterEnumStmt", "ALTER TYPE"],
  ["AlterRoleSetStmt", "ALTER ROLE"],
]);

/** Of a kind without an entry: `CreateFunctionStmt` → `CREATE FUNCTION`. */
export function tagOf(node: Node): string {
  const [kind, content] = kindOf(node);
  const object = (content.removeType ?? content.renameType ?? content.objectType ?? content.objtype) as
    | string
    | undefined;
  const noun = (object ?? "").replace("OBJECT_", "").replace("MATVIEW", "MATERIALIZED VIEW").replaceAll("_", " ");
  if (kind === "DropStmt") return `DROP ${noun}`;
  if (kind === "RenameStmt") return noun === "COLUMN" ? "ALTER TABLE" : `ALTER ${noun}`;
  if (kind === "AlterObjectSchemaStmt" || kind === "AlterOwnerStmt" || kind === "AlterTableStmt")
    return `ALTER ${noun}`;
  if (kind === "GrantStmt") return content.is_grant ? "GRANT" : "REVOKE";
  if (kind === "GrantRoleStmt") return content.is_grant ? "GRANT ROLE" : "REVOKE ROLE";
  if (kind === "VacuumStmt") return content.is_vacuumcmd ? "VACUUM" : "ANALYZE";
  return (
    tags.get(kind) ??
    kind
      .replace(/Stmt$/, "")
      .replace(/([a-z])([A-Z])/g, "$1 $2")
      .toUpperCase()
  );
}
