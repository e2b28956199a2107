/**
 * A Command: one thing somebody asks a target to do, in the same shape for every wire.
 *
 * One Query message, or one Execute, is one Command; a string of several statements is one Command with several
 * effects. What an effect's fields mean to a rule is fixed in DETECTION §6 (services/DESIGN.md repeats it).
 * Text and parameters live here only while the gateway decides; in an Event they are encrypted.
 */
import type { SessionId } from "./identity.ts";

export type CommandId = string & { readonly brand: "CommandId" };
/** `target/schema.table`, `target/schema.table#column`, or `target` itself (which contains all of it). */
export type ResourceUri = string & { readonly brand: "ResourceUri" };

export const operations = [
  "read",
  "write",
  "transform",
  "delete",
  "define",
  "grant",
  "execute",
  "transfer",
  "connect",
] as const;
export type Operation = (typeof operations)[number];

export interface Effect {
  readonly operation: Operation;
  readonly reads: readonly ResourceUri[];
  readonly writes: readonly ResourceUri[];
  /** Subset of writes whose content is ended (DROP, TRUNCATE). */
  readonly ends: readonly ResourceUri[];
  /** Pairs [from, to]; absent = every read flows to every write. */
  readonly flows?: readonly (readonly [ResourceUri, ResourceUri])[];
  /** Existing content is removed or overwritten. */
  readonly destroys: boolean;
  /** `[old, new]` of a rename: origins and tags go along. */
  readonly renames?: readonly (readonly [ResourceUri, ResourceUri])[];
}

/** What a command says about the transaction it runs in. */
export type TransactionControl =
  | { readonly kind: "none" }
  | { readonly kind: "begin" | "commit" | "rollback" }
  | { readonly kind: "savepoint" | "rollback-to" | "release"; readonly name: string }
  | { readonly kind: "prepare" };

export interface Command {
  readonly id: CommandId;
  readonly session: SessionId;
  /** Which message asked: `query` (simple), `execute`, `parse`, `bind`, `describe`, `function`, `copy`. */
  readonly kind: "query" | "parse" | "bind" | "describe" | "execute" | "copy" | "function";
  readonly text: string;
  /** Bound values in order; null is SQL NULL; binary values as base64 with the prefix `\\b:`. */
  readonly parameters: readonly (string | null)[];
  /** OIDs that the client gave for its parameters: they choose between functions and operators of one name. 0 = not said. */
  readonly parameterTypes?: readonly number[];
  /** What a name in the text stands for, exactly as it was made: the PREPARE of an EXECUTE, the DECLARE of a FETCH. */
  readonly uses?: string;
  readonly reading: Reading;
}

/**
 * What a text would do, as read with the target's catalog. Immutable and cached by
 * (text, search_path, role, catalog version), so that the path of a repeated command makes none of it again.
 */
export interface Reading {
  readonly effects: readonly Effect[];
  /** Why it could not be read; then `effects` is what the account could do (promise 2). Null = fully read. */
  readonly opaque: string | null;
  readonly transaction: TransactionControl;
  /** Every effect is known and undone by ROLLBACK: may be forwarded while its record is synced. */
  readonly undoable: boolean;
  /** Columns that leave as plain result columns: masked by position, or shown where `reveal` is permitted. */
  readonly shows: readonly ResourceUri[];
  /**
   * Per statement, per result column in order: the base columns it shows as they are; [] for anything else.
   * A second, independent way to find what to mask, beside the table OID and attribute number of RowDescription.
   */
  readonly outputs: readonly (readonly (readonly ResourceUri[])[])[];
  /** Columns whose values could be learnt in a way that no mask covers (expression, predicate, sort, join, COPY). */
  readonly reveals: readonly ResourceUri[];
  /** Changes what later names or permissions mean: SET search_path / ROLE, DISCARD, DDL. */
  readonly changes: readonly ("search_path" | "role" | "settings" | "definitions" | "prepared")[];
  /**
   * Digest (hex) of what the names resolve to: object ids, effective role, definitions of views, functions and
   * triggers touched. An approval is bound to it.
   */
  readonly resolution: string;
  /** Digest (hex) of the statement with literals removed. */
  readonly fingerprint: string;
  /**
   * Fingerprint and resolution are made of the whole text, for nobody can tell its literals: they are written down under
   * the tenant's key only, or whoever reads the log could try what the literals were.
   */
  readonly isExact?: true;
  /** Tables that it makes with nothing on them that could run code: their names can be read before the catalog has them. */
  readonly makes?: readonly ResourceUri[];
  /** Of what it defines: names that only cease to mean anything (DROP … IF EXISTS of what the catalog does not have). */
  readonly clears?: readonly ResourceUri[];
  /** Functions whose bodies nobody read and that are known by their summaries, by name: nobody may redefine them meanwhile. */
  readonly summaries?: readonly ResourceUri[];
  /** SQL command tags in order ("SELECT", "INSERT", …), for people. */
  readonly statements: readonly string[];
  /**
   * A single statement that makes, uses or ends something the session names. The proxy remembers what was made and
   * reads `text` again when it is used; a use without a handle is opaque.
   */
  readonly handle?: Handle;
}

/** PREPARE / EXECUTE / DEALLOCATE and DECLARE / FETCH (MOVE) / CLOSE at the level of SQL. */
export interface Handle {
  readonly kind: "prepare" | "execute" | "deallocate" | "declare" | "fetch" | "close";
  /** Folded as the grammar folds it; null = ALL. */
  readonly name: string | null;
  /** The statement inside PREPARE or DECLARE, exactly as written; null for the others. */
  readonly text: string | null;
  /** Of EXECUTE: the values where all are constants; null = not known. */
  readonly parameters: readonly (string | null)[] | null;
}
