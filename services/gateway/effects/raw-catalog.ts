/**
 * What the loader brings from the target: plain data, one row per object, nothing resolved.
 * catalog.ts makes the look-ups of it; tests may write one by hand.
 */

export interface RawCatalog {
  /** Name of the configured target: the first part of every URI. */
  readonly target: string;
  readonly roles: readonly RawRole[];
  readonly schemas: readonly string[];
  readonly relations: readonly RawRelation[];
  readonly functions: readonly RawFunction[];
  readonly operators: readonly RawOperator[];
  readonly types: readonly RawType[];
  /** Functions of enabled event triggers. */
  readonly eventTriggers: readonly number[];
}

export interface RawRole {
  readonly name: string;
  readonly superuser: boolean;
  /** Roles whose rights it has or can take, directly or not; without itself. */
  readonly memberOf: readonly string[];
  /** Schemas with USAGE; a schema without it is skipped in search_path. */
  readonly usage: readonly string[];
}

/** `r` table, `p` partitioned, `v` view, `m` materialised view, `f` foreign table, `S` sequence, `c` composite type. */
export type RelationKind = "r" | "p" | "v" | "m" | "f" | "S" | "c";

export interface RawRelation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  readonly owner: string;
  readonly rowSecurity: boolean;
  /** SELECT of a view or materialised view, every name qualified. */
  readonly definition: string | null;
  readonly columns: readonly RawColumn[];
  /** Parents (inheritance, partitions), nearest only. */
  readonly parents: readonly number[];
  readonly triggers: readonly RawTrigger[];
  /** Rules that are not the SELECT rule of a view. */
  readonly rules: readonly { readonly event: WriteEvent; readonly definition: string }[];
  readonly expressions: readonly RawExpression[];
  readonly foreignKeys: readonly RawForeignKey[];
  /** Attribute numbers of each unique index. */
  readonly unique: readonly (readonly number[])[];
  readonly grants: readonly RawGrant[];
}

export interface RawColumn {
  readonly name: string;
  readonly attribute: number;
  /** Set when the type is not of pg_catalog. */
  readonly userType: number | null;
  /** Expression of a generated column: its value is made of others of the same row. */
  readonly generated: string | null;
}

export type WriteEvent = "insert" | "update" | "delete" | "truncate";

export interface RawTrigger {
  readonly events: readonly WriteEvent[];
  readonly function: number;
  readonly definition: string;
}

/** SQL text that the target runs by itself when the relation is used; every name qualified. */
export interface RawExpression {
  readonly kind: "default" | "check" | "policy" | "index" | "partition";
  readonly text: string;
}

export interface RawForeignKey {
  readonly columns: readonly number[];
  readonly to: number;
  readonly toColumns: readonly number[];
  /** `a` no action, `r` restrict, `c` cascade, `n` set null, `d` set default. */
  readonly onDelete: string;
  readonly onUpdate: string;
}

export interface RawGrant {
  /** Empty = PUBLIC. */
  readonly grantee: string;
  readonly privilege: string;
  /** Null = the whole relation. */
  readonly column: string | null;
}

export interface RawFunction {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `i` immutable, `s` stable, `v` volatile. */
  readonly volatility: string;
  /** Part of PostgreSQL itself. */
  readonly builtin: boolean;
  /** Belongs to an extension and is written in C. */
  readonly extensionCode: boolean;
  /** Columns of its result in FROM; null = not known (a record). */
  readonly width: number | null;
  /** Digest or text of its definition; empty for builtins. */
  readonly definition: string;
  /** What a summary of it is bound to; null for PostgreSQL's own, and where a test needs none. */
  readonly code: RawCode | null;
}

export interface RawCode {
  /** `f` function, `p` procedure, `a` aggregate, `w` window function. */
  readonly kind: string;
  /** Types of its arguments, as PostgreSQL prints them. */
  readonly signature: string;
  /** SHA-256 (hex) over all that decides what it does, with names in place of numbers. */
  readonly digest: string;
  readonly language: string;
  /** Its body was resolved when it was made (BEGIN ATOMIC): no search_path changes what it means. */
  readonly isBound: boolean;
  /** Its own search_path, as SET in its definition; null = its caller's. */
  readonly searchPath: string | null;
  /** Takes arguments of any type, and with them operators that anybody may have made. */
  readonly isPolymorphic: boolean;
}

export interface RawOperator {
  readonly schema: string;
  readonly name: string;
  readonly function: number;
}

/** A type that is not of pg_catalog, with the functions behind its casts and domain checks. */
export interface RawType {
  readonly oid: number;
  readonly name: string;
  readonly functions: readonly number[];
}
