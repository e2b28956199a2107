/**
 * What this session has prepared: statements and portals by name, whichever way they were made (Parse and PREPARE
 * share their names, so do Bind and DECLARE). Remembered when forwarded, taken back when the target refuses it.
 * What it never saw, has no room for, or can no longer be sure of after an opaque command, it does not know: then it is
 * opaque. Bounded, or one client could fill the memory of all sessions by preparing without end.
 */
import type { Reading } from "../../../schemas/command.ts";
import type { Text } from "./codec.ts";
import type { Column } from "./rows.ts";

/** Something whose result columns a RowDescription tells. */
export interface Described {
  /** null = not told yet; [] = it returns no rows. */
  columns: readonly Column[] | null;
}

export interface Statement extends Described {
  readonly text: Text;
  /** OIDs that Parse gave for its parameters. */
  readonly parameterTypes: readonly number[];
  /** The whole PREPARE, where SQL made it. */
  readonly made?: string;
}

export interface Portal extends Described {
  /** null = what it runs was never seen. */
  readonly text: Text | null;
  readonly statement: Statement | null;
  readonly parameters: readonly (string | null)[];
  readonly resultFormats: readonly number[];
  /** Read when its query was analysed: at Bind, or DECLARE. */
  readonly reading: Reading;
  /** Made by DECLARE: may outlive its transaction. */
  readonly cursor: boolean;
  /** The whole DECLARE, where SQL made it. */
  readonly made?: string;
}

export type Undo = () => void;

/** Letters that one session may have remembered: a hundred thousand ordinary statements, one with the largest values. */
const lettersMaxOf = 128 * 1024 * 1024;
/** Of what is remembered, so many are looked at anew for each that finds no room: a full memory is no way to keep us busy. */
const looksPerTry = 100;
/** A name and what stands around its text, roughly, so that many short ones count too. */
const lettersPerName = 1_000;

export class Prepared {
  readonly #lettersMax: number;
  #statements = new Map<string, Statement>();
  #portals = new Map<string, Portal>();
  /** At least what is remembered: counted anew when that seems too much. */
  #letters = 0;
  /** Tries since it was counted and still found too much. */
  #tries = 0;

  constructor(lettersMax = lettersMaxOf) {
    this.#lettersMax = lettersMax;
  }

  statement(name: string): Statement | null {
    return this.#statements.get(name) ?? null;
  }

  portal(name: string): Portal | null {
    return this.#portals.get(name) ?? null;
  }

  setStatement(name: string, statement: Statement | null): Undo {
    return set(this.#statements, name, statement !== null && this.#fits(name, statement) ? statement : null);
  }

  setPortal(name: string, portal: Portal | null): Undo {
    return set(this.#portals, name, portal !== null && this.#fits(name, portal) ? portal : null);
  }

  /** The unnamed one always does: the next one takes its place. */
  #fits(name: string, one: Statement | Portal): boolean {
    if (name === "") return true;
    const letters = lettersOf(one);
    if (this.#letters + letters > this.#lettersMax) this.#count();
    if (this.#letters + letters > this.#lettersMax) return false;
    this.#letters += letters;
    return true;
  }

  #count(): void {
    this.#tries++;
    if (this.#tries * looksPerTry < this.#statements.size + this.#portals.size + this.#doubted.size) return;
    this.#tries = 0;
    this.#letters = 0;
    for (const kept of [this.#statements, this.#portals, this.#doubted])
      for (const other of kept.values()) this.#letters += lettersOf(other);
  }

  /** DEALLOCATE ALL. */
  clearStatements(): Undo {
    const before = this.#statements;
    this.#statements = new Map(); // the unnamed one may be gone as well: unknown is opaque
    return () => {
      this.#statements = before;
    };
  }

  /** CLOSE ALL. */
  clearPortals(): Undo {
    const before = this.#portals;
    this.#portals = new Map();
    return () => {
      this.#portals = before;
    };
  }

  /** A Query ends the unnamed statement and portal before it does anything. */
  dropUnnamed(): void {
    this.#statements.delete("");
    this.#portals.delete("");
  }

  /** Protocol portals end with their transaction. */
  endTransaction(): void {
    if (this.#portals.size === 0) return;
    for (const [name, portal] of this.#portals) if (!portal.cursor) this.#portals.delete(name);
  }

  /**
   * Dynamic SQL may have made named statements and portals anew; it cannot reach the unnamed ones.
   * @returns what was known, so that the target can be asked what is still true (restore)
   */
  forgetNamed(): void {
    const portal = this.#portals.get("");
    const statement = this.#statements.get("");
    this.#doubted = new Map([...this.#doubted, ...this.#statements]);
    this.#doubted.delete("");
    this.#portals = new Map(portal === undefined ? [] : [["", portal]]);
    this.#statements = new Map(statement === undefined ? [] : [["", statement]]);
  }

  /** The target says that these protocol statements exist with these texts: those we knew so are known again. */
  restore(known: Iterable<readonly [name: string, text: string]>): void {
    for (const [name, text] of known) {
      const doubted = this.#doubted.get(name);
      if (doubted?.text.value === text) this.#statements.set(name, doubted);
    }
    this.#doubted = new Map();
  }

  #doubted = new Map<string, Statement>();
}

/** A portal's own text is its statement's, but for a cursor, which has no parameters. */
function lettersOf(one: Statement | Portal): number {
  const values = "parameters" in one ? one.parameters : [];
  const text = "parameters" in one && !one.cursor ? 0 : (one.text?.value.length ?? 0);
  return values.reduce((sum, value) => sum + (value?.length ?? 0), lettersPerName + text + (one.made?.length ?? 0));
}

function set<V>(map: Map<string, V>, name: string, value: V | null): Undo {
  const before = map.get(name);
  if (value === null) map.delete(name);
  else map.set(name, value);
  return () => {
    if (before === undefined) map.delete(name);
    else map.set(name, before);
  };
}
