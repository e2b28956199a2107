/**
 * Reads texts of one target: text → Reading, with the target's catalog. One Reader per target, shared by its sessions.
 * The implementation for SQL is sql.ts; it is synchronous and cached, so that a repeated command costs one look-up.
 */
import type { Reading, ResourceUri } from "../../../schemas/command.ts";

/** What a session's names mean right now. */
export interface NameContext {
  /** Effective schemas in order, as the session has set them (`"$user"` unresolved is fine). */
  readonly searchPath: readonly string[];
  /** Effective role. */
  readonly role: string;
  /** The session has uncommitted or temporary definitions: a name that could mean one of them makes the text opaque. */
  readonly definesPending: boolean;
  /**
   * Which: the writes and renames of its `define` effects. Absent while `definesPending`: not known, so that every
   * name could be one of them.
   */
  readonly pending?: readonly ResourceUri[];
  /**
   * Tables among `pending` that the session made by texts that were read, and did no more with that could run code:
   * what is read of them is theirs, column by column unknown.
   */
  readonly made?: readonly ResourceUri[];
}

export interface Reader {
  /** Never throws: what cannot be read is an opaque Reading. */
  read(text: string, names: NameContext): Reading;
  /** Base columns shown by a result column, from RowDescription; null = not in the catalog (fail closed). */
  sourcesOf(tableOid: number, attribute: number): readonly ResourceUri[] | null;
  /** Whether the role may read anything in this list of resources (for opaque commands). */
  canRead(role: string, resource: ResourceUri): boolean;
  /** All columns and tables of the catalog, as URIs. */
  resources(): readonly ResourceUri[];
  /** True while the catalog is known to be older than a definition that passed through the gateway. */
  readonly stale: boolean;
  /**
   * For a reading that met a name the catalog does not have: waits until the catalog was loaded anew (never more often
   * than once a second), so that it can be made again. @returns null when there is nothing to wait for
   */
  renewed(reading: Reading): Promise<void> | null;
  /** A definition may have changed: the next refresh() loads the catalog again. */
  outdate(): void;
  /** Loads the catalog again when it is stale (always, when `force`). @throws ThroughlineError `target.unreachable` */
  refresh(force?: boolean): Promise<void>;
}
