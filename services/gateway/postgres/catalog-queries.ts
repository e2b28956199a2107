/**
 * The queries that load the catalog, each with a fixed order, so that an unchanged catalog gives an unchanged digest.
 * They run with an empty search_path: whatever PostgreSQL prints (views, defaults, policies) has every name qualified.
 */
import type {
  RawColumn,
  RawExpression,
  RawForeignKey,
  RawFunction,
  RawGrant,
  RawOperator,
  RawRelation,
  RawRole,
  RawTrigger,
  RawType,
} from "../effects/raw-catalog.ts";

type Of<T> = readonly (T & { readonly relation: number })[];

/** What each query gives, by its name. */
export interface CatalogRows {
  readonly roles: readonly RawRole[];
  readonly schemas: readonly { readonly name: string }[];
  readonly relations: readonly Pick<
    RawRelation,
    "oid" | "schema" | "name" | "kind" | "owner" | "rowSecurity" | "definition"
  >[];
  readonly columns: Of<RawColumn>;
  readonly parents: Of<{ readonly parent: number }>;
  readonly triggers: Of<RawTrigger>;
  readonly rules: Of<RawRelation["rules"][number]>;
  readonly expressions: Of<RawExpression>;
  readonly foreignKeys: Of<RawForeignKey>;
  readonly unique: Of<{ readonly keys: readonly number[] }>;
  readonly grants: Of<RawGrant>;
  readonly functions: readonly RawFunction[];
  readonly operators: readonly RawOperator[];
  readonly types: readonly RawType[];
  readonly eventTriggers: readonly { readonly function: number }[];
}

/** Schemas of TOAST tables hold no names that statements use. */
const shown = "n.nspname !~ '^pg_toast'";
const users = `${shown} AND n.nspname NOT IN ('pg_catalog', 'information_schema')`;
/** PostgreSQL gives its own objects oids below this. */
const firstUserOid = 16384;

/**
 * Relations that an open transaction has locked against readers, and what is defined by them: printing their definitions
 * would wait for that transaction. Asked first, and put into the setting that `unlessBusy` reads.
 */
export const busyQuery = `
  WITH locked AS (
    SELECT DISTINCT relation AS oid FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  SELECT set_config('throughline.busy', ARRAY(SELECT oid FROM locked
    UNION SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN locked l ON l.oid = d.refobjid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass)::text, true)`;

/** No grammar reads this: whatever uses it is opaque until the catalog is loaded again. */
const beingRedefined = "'it is being redefined'";

function unlessBusy(relation: string, printed: string): string {
  return `CASE WHEN ${relation} = ANY (current_setting('throughline.busy')::oid[]) THEN ${beingRedefined} ELSE ${printed} END`;
}

function expression(tree: string, relation: string): string {
  return `CASE WHEN ${tree} IS NOT NULL THEN ${unlessBusy(relation, `pg_get_expr(${tree}, ${relation})`)} END`;
}

/**
 * What decides what a function does, in a fixed order; who may execute it does not. Its text is hashed as the bytes it has,
 * so that no encoding stands in the way. Of code in C only the library's name and the extension's version are known.
 */
const code = `jsonb_build_array(n.nspname, p.proname, pg_get_userbyid(p.proowner), l.lanname, p.prokind, p.prosecdef,
  p.proisstrict, p.proretset, p.provolatile, oidvectortypes(p.proargtypes), format_type(p.prorettype, NULL), p.proargmodes,
  p.proargnames, ARRAY(SELECT format_type(a, NULL) FROM unnest(p.proallargtypes) WITH ORDINALITY AS u(a, i) ORDER BY i),
  p.proargdefaults::text, p.provariadic <> 0, p.prosrc, p.probin, to_jsonb(p) -> 'prosqlbody', p.proconfig, p.prosupport::text,
  p.protrftypes::text, (SELECT jsonb_build_array(e.extname, e.extversion) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass))`;

export const catalogQueries: { readonly [K in keyof CatalogRows]: string } = {
  roles: `
    SELECT r.rolname AS name, r.rolsuper AS superuser,
      ARRAY(SELECT m.rolname::text FROM pg_roles m
            WHERE m.oid <> r.oid AND pg_has_role(r.oid, m.oid, 'MEMBER') ORDER BY 1) AS "memberOf",
      ARRAY(SELECT n.nspname::text FROM pg_namespace n
            WHERE ${shown} AND has_schema_privilege(r.oid, n.oid, 'USAGE') ORDER BY 1) AS usage
    FROM pg_roles r ORDER BY 1`,
  schemas: `SELECT n.nspname AS name FROM pg_namespace n WHERE ${shown} ORDER BY 1`,
  relations: `
    SELECT c.oid::int8, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
      pg_get_userbyid(c.relowner) AS owner, c.relrowsecurity AS "rowSecurity",
      CASE WHEN c.relkind IN ('v', 'm') AND ${users} THEN ${unlessBusy("c.oid", "pg_get_viewdef(c.oid)")} END AS definition
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${shown} ORDER BY c.oid`,
  columns: `
    SELECT a.attrelid::int8 AS relation, a.attname AS name, a.attnum AS attribute,
      CASE WHEN tn.nspname NOT IN ('pg_catalog', 'information_schema')
        THEN (CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END)::int8 END AS "userType",
      CASE WHEN a.attgenerated <> '' THEN ${expression("d.adbin", "d.adrelid")} END AS generated
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${shown}
    ORDER BY a.attrelid, a.attnum`,
  parents: `
    SELECT i.inhrelid::int8 AS relation, i.inhparent::int8 AS parent
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE c.relkind IN ('r', 'p', 'f') ORDER BY 1, i.inhseqno`,
  triggers: `
    SELECT t.tgrelid::int8 AS relation, t.tgfoid::int8 AS function, ${unlessBusy("t.tgrelid", "pg_get_triggerdef(t.oid)")} AS definition,
      array_remove(ARRAY[CASE WHEN t.tgtype & 4 > 0 THEN 'insert' END, CASE WHEN t.tgtype & 8 > 0 THEN 'delete' END,
        CASE WHEN t.tgtype & 16 > 0 THEN 'update' END, CASE WHEN t.tgtype & 32 > 0 THEN 'truncate' END], NULL) AS events
    FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY t.oid`,
  rules: `
    SELECT r.ev_class::int8 AS relation, ${unlessBusy("r.ev_class", "pg_get_ruledef(r.oid)")} AS definition,
      CASE r.ev_type WHEN '2' THEN 'update' WHEN '3' THEN 'insert' ELSE 'delete' END AS event
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.ev_type IN ('2', '3', '4') AND r.ev_enabled <> 'D' AND ${users} ORDER BY r.oid`,
  expressions: `
    SELECT relation::int8, kind, text FROM (
      SELECT adrelid AS relation, 'default' AS kind, ${expression("adbin", "adrelid")} AS text FROM pg_attrdef
      UNION ALL SELECT conrelid, 'check', ${expression("conbin", "conrelid")} FROM pg_constraint
        WHERE contype = 'c' AND conrelid <> 0
      UNION ALL SELECT partrelid, 'partition', ${expression("partexprs", "partrelid")} FROM pg_partitioned_table
      UNION ALL SELECT attrelid, 'partition', quote_ident(attname) FROM pg_partitioned_table
        JOIN pg_attribute ON attrelid = partrelid AND attnum = ANY (partattrs::int2[])
      UNION ALL SELECT polrelid, 'policy', ${expression("polqual", "polrelid")} FROM pg_policy
      UNION ALL SELECT polrelid, 'policy', ${expression("polwithcheck", "polrelid")} FROM pg_policy
      UNION ALL SELECT indrelid, 'index', ${expression("indexprs", "indrelid")} FROM pg_index
      UNION ALL SELECT indrelid, 'index', ${expression("indpred", "indrelid")} FROM pg_index
      UNION ALL SELECT partrelid, 'index', ${expression("partexprs", "partrelid")} FROM pg_partitioned_table) e
    JOIN pg_class c ON c.oid = relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE text IS NOT NULL AND ${users} ORDER BY relation, kind, text`,
  foreignKeys: `
    SELECT conrelid::int8 AS relation, conkey AS columns, confrelid::int8 AS "to", confkey AS "toColumns",
      confdeltype AS "onDelete", confupdtype AS "onUpdate"
    FROM pg_constraint WHERE contype = 'f' ORDER BY oid`,
  unique: `
    SELECT i.indrelid::int8 AS relation, i.indkey::int2[] AS keys
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.indisunique AND ${users} ORDER BY i.indexrelid`,
  grants: `
    SELECT relation::int8, CASE WHEN (acl).grantee = 0 THEN '' ELSE pg_get_userbyid((acl).grantee) END AS grantee,
      (acl).privilege_type AS privilege, "column"
    FROM (
      SELECT c.oid AS relation, aclexplode(c.relacl) AS acl, NULL AS "column" FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${users}
      UNION ALL SELECT a.attrelid, aclexplode(a.attacl), a.attname FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attacl IS NOT NULL AND ${users}) g
    WHERE (acl).privilege_type = 'SELECT' ORDER BY 1, 2, 4`,
  functions: `
    SELECT p.oid::int8, n.nspname AS schema, p.proname AS name, p.provolatile AS volatility,
      p.oid < ${firstUserOid} AS builtin,
      p.oid >= ${firstUserOid} AND l.lanname IN ('c', 'internal') AND p.prokind <> 'a' AND EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') AS "extensionCode",
      CASE WHEN p.proargmodes && ARRAY['o', 'b', 't']::"char"[]
          THEN (SELECT count(*) FROM unnest(p.proargmodes) m WHERE m IN ('o', 'b', 't'))
        WHEN t.typtype IN ('b', 'd', 'e', 'r', 'm') THEN 1 END AS width,
      CASE WHEN p.oid < ${firstUserOid} THEN '' ELSE md5(p::text) END AS definition,
      CASE WHEN p.oid >= ${firstUserOid} THEN jsonb_build_object(
        'kind', p.prokind, 'signature', oidvectortypes(p.proargtypes), 'language', l.lanname,
        'digest', encode(sha256(convert_to((${code})::text, getdatabaseencoding()::name)), 'hex'),
        'isBound', coalesce(to_jsonb(p) ->> 'prosqlbody', '') <> '',
        'searchPath', (SELECT substr(c, 13) FROM unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%'),
        'isPolymorphic', EXISTS (SELECT FROM unnest(p.proargtypes) a JOIN pg_type y ON y.oid = a WHERE y.typtype = 'p')) END AS code
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
      JOIN pg_type t ON t.oid = p.prorettype ORDER BY p.oid`,
  operators: `
    SELECT n.nspname AS schema, o.oprname AS name, o.oprcode::oid::int8 AS function
    FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oid >= ${firstUserOid} ORDER BY o.oid`,
  types: `
    WITH RECURSIVE inside(type, part) AS (
      SELECT oid, CASE WHEN typtype = 'd' THEN typbasetype ELSE typelem END FROM pg_type
        WHERE typtype = 'd' OR typelem >= ${firstUserOid}
      UNION SELECT t.oid, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
        WHERE t.typtype = 'c' AND a.atttypid >= ${firstUserOid} AND a.attnum > 0 AND NOT a.attisdropped
      UNION SELECT rngtypid, rngsubtype FROM pg_range WHERE rngtypid >= ${firstUserOid}
      UNION SELECT rngmultitypid, rngtypid FROM pg_range WHERE rngtypid >= ${firstUserOid}),
    base(oid, part) AS (
      SELECT t.oid, t.oid FROM pg_type t WHERE t.oid >= ${firstUserOid}
      UNION SELECT b.oid, i.part FROM base b JOIN inside i ON i.type = b.part),
    code(oid, function) AS (
      SELECT b.oid, c.castfunc FROM base b JOIN pg_cast c ON c.castsource = b.part
        WHERE c.oid >= ${firstUserOid} AND c.castfunc <> 0
      UNION SELECT b.oid, c.castfunc FROM base b JOIN pg_cast c ON c.casttarget = b.part
        WHERE c.oid >= ${firstUserOid} AND c.castfunc <> 0
      UNION SELECT b.oid, d.refobjid FROM base b JOIN pg_constraint k ON k.contypid = b.part
        JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
          AND d.refclassid = 'pg_proc'::regclass)
    SELECT t.oid::int8, t.typname AS name, coalesce(f.functions, '{}') AS functions
    FROM pg_type t LEFT JOIN (SELECT oid, array_agg(function::int8 ORDER BY function::int8) AS functions
      FROM code GROUP BY oid) f ON f.oid = t.oid
    WHERE t.oid >= ${firstUserOid} ORDER BY t.oid`,
  eventTriggers: `SELECT evtfoid::int8 AS function FROM pg_event_trigger WHERE evtenabled <> 'D' ORDER BY oid`,
};
