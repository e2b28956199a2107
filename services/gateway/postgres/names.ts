/**
 * What this session's names mean now: search_path, effective role, encoding, and definitions nobody else can see yet.
 *
 * It never predicts what SET, SET LOCAL, a rollback or an unknown command did to them: it notes that it no longer
 * knows, and the proxy asks the target before the next command is read. Definitions that are not committed, and
 * temporary ones, are told to the Reader: the catalog is read over another connection and cannot see them.
 * It cannot see a change that a command makes without its Reading saying so.
 */
import type { Reading, ResourceUri } from "../../../schemas/command.ts";
import { madeAfter } from "../effects/made.ts";
import type { NameContext, Reader } from "../effects/reader.ts";
import { relationUri } from "../effects/uri.ts";
import type { Session } from "../session.ts";
import type { Text } from "./codec.ts";
import { opaqueReading } from "./opaque.ts";
import { Temporary } from "./temporary.ts";

export interface NamesParts {
  readonly session: Session;
  readonly reader: Reader;
}

/** Asked of the target, in this order. SHOW takes no snapshot and works in every transaction that has not failed. */
const always = [
  "SHOW search_path",
  "SHOW role",
  "SHOW session_authorization",
  "SHOW client_encoding",
  "SHOW standard_conforming_strings",
  "SHOW statement_timeout",
];
/** After an opaque command: what it may have prepared anew or hidden behind temporary tables. */
const afterOpaque = [
  "SELECT name, statement FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql",
  "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema()",
];

export class Names {
  /** False: the target must be asked before anything is read. */
  sure = false;
  /** False: the catalog could not be loaded again when it had to be. Nothing is read with an old one. */
  catalogKnown = true;
  context: NameContext;
  readonly #parts: NamesParts;
  #utf8 = true;
  #plainStrings = true;
  #lost = false;
  /** In the open transaction: something was set, something was defined. */
  #setSomething = false;
  #defining = false;
  /** An opaque command ran: the target is asked what it prepared and defined. */
  #doubted = false;
  /** Defined by this session and not (or never) in the catalog; null = anything. */
  #pending: readonly ResourceUri[] | null = [];
  /** Those of them that can be read. */
  #made: readonly ResourceUri[] = [];
  readonly #temporary: Temporary;

  constructor(parts: NamesParts) {
    this.#parts = parts;
    this.#temporary = new Temporary(parts.session.grant.target, parts.session.id);
    this.context = { searchPath: [], role: parts.session.role, definesPending: false };
  }

  /** Definitions of the open transaction that nobody else can see. */
  get defining(): boolean {
    return this.#defining;
  }

  get utf8(): boolean {
    return this.#utf8;
  }

  /** What the text would do. Opaque wherever grammar and target could read different things. */
  read(text: Text): Reading {
    const unlike = this.#unlike(text);
    if (unlike !== null) return this.opaque(unlike, text.value);
    return this.#temporary.named(this.#parts.reader.read(text.value, this.context));
  }

  /** A reading as the Reader knows it: temporary tables by their bare names. */
  asMade(reading: Reading): Reading {
    return this.#temporary.bare(reading);
  }

  opaque(reason: string, text: string): Reading {
    return opaqueReading(this.#parts.session.grant.target, reason, text, this.context.role);
  }

  /** Call when a command is forwarded. */
  forwarded(named: Reading): void {
    const reading = this.asMade(named);
    const { changes, handle } = reading;
    const unknown = reading.opaque !== null;
    const discards = changes.includes("prepared") && handle === undefined;
    if (unknown || discards) this.#doubted = true;
    if (unknown || changes.includes("definitions")) {
      this.#defining = true;
      if (unknown || this.#pending === null) this.#define(null, []);
      else this.#define([...this.#pending, ...defined(reading)], madeBy(reading, this.#made, this.#pending));
    }
    if (unknown || discards || changes.some((change) => change !== "prepared")) {
      this.#setSomething = true;
      this.sure = false;
    }
    if (reading.transaction.kind !== "none" && reading.transaction.kind !== "begin") this.ending();
  }

  /** What was set in this transaction may fall back: a COMMIT, a ROLLBACK, or a Sync outside BEGIN is forwarded. */
  ending(): void {
    if (this.#setSomething) this.sure = false;
  }

  /** The transaction has ended, one way or the other. */
  ended(): void {
    if (this.#defining) {
      this.#defining = false;
      this.#parts.reader.outdate();
      // Temporary ones stay with the session. What an opaque command defined, the target says at the next question.
      if (this.#pending === null) this.#doubted = true;
      else {
        const isTemporary = (uri: ResourceUri): boolean => this.#temporary.isTemporary(uri);
        this.#define(this.#pending.filter(isTemporary), this.#made.filter(isTemporary));
      }
    }
    this.#setSomething = false; // whoever ended it has asked for the names already (forwarded, ending)
  }

  questions(): readonly string[] {
    return this.#doubted ? [...always, ...afterOpaque] : always;
  }

  /**
   * @param answers rows per question, as questions() gave them
   * @returns protocol statements that still exist, when that was asked
   */
  answered(answers: readonly (readonly (readonly (string | null)[])[])[]): [string, string][] | null {
    const setting = (i: number): string => answers[i]?.[0]?.[0] ?? "";
    const role = setting(1) === "none" ? setting(2) : setting(1);
    this.#utf8 = setting(3).toUpperCase() === "UTF8";
    this.#plainStrings = setting(4) === "on";
    this.#parts.session.statementMsMax = durationMs(setting(5));
    const searchPath = splitPath(setting(0));
    const { context } = this;
    if (role !== context.role || searchPath.join("\0") !== context.searchPath.join("\0")) {
      this.context = { ...context, role, searchPath };
    }
    this.#parts.session.role = role;
    this.sure = true;
    this.#lost = false;
    if (!this.#doubted) return null;
    this.#doubted = false;
    if (!this.#defining) {
      const there = (answers[7] ?? []).map(([name]) => relationUri(this.#target, "pg_temp", name ?? ""));
      this.#define(
        there,
        this.#made.filter((uri) => there.includes(uri)),
      );
    }
    return (answers[6] ?? []).map(([name, text]) => [name ?? "", text ?? ""]);
  }

  /** The target could not be asked: nothing can be read until it can. */
  unanswered(): void {
    this.#lost = true;
  }

  #unlike(text: Text): string | null {
    if (!this.catalogKnown) return "the target's catalog could not be read again";
    if (this.#lost) return "the target did not say what names mean here";
    if (!text.valid) return "the text is not valid UTF-8";
    if (!text.ascii && !this.#utf8) return "the text is in an encoding that is not read here";
    if (!this.#plainStrings && text.value.includes("\\")) return "backslashes mean something else in this session";
    return null;
  }

  get #target(): string {
    return this.#parts.session.grant.target;
  }

  #define(pending: readonly ResourceUri[] | null, made: readonly ResourceUri[]): void {
    this.#pending = pending !== null && pending.length > pendingMax ? null : pending;
    this.#made = this.#pending === null ? [] : made;
    const { pending: _, made: __, ...context } = this.context;
    this.context =
      this.#pending === null
        ? { ...context, definesPending: true }
        : {
            ...{ ...context, definesPending: this.#pending.length > 0, pending: this.#pending },
            ...(this.#made.length > 0 ? { made: this.#made } : {}),
          };
  }
}

/** More definitions than this in one transaction are "anything". */
const pendingMax = 1_000;

function defined({ effects, clears = [], makes = [] }: Reading): ResourceUri[] {
  return effects
    .flatMap((effect) => [...effect.writes, ...(effect.renames ?? []).flat()])
    .filter((uri) => !clears.includes(uri) || makes.includes(uri));
}

function madeBy(reading: Reading, made: readonly ResourceUri[], pending: readonly ResourceUri[]) {
  return madeAfter(made, pending, { ...reading, makes: reading.makes ?? [] });
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** @param setting as SHOW says it, with its unit. @returns null = no limit, or none that can be read */
export function durationMs(setting: string): number | null {
  const [, count, unit = "ms"] = /^(\d+)(ms|s|min|h|d)?$/.exec(setting) ?? [];
  const ms = Number(count ?? 0) * (unitsMs[unit] ?? 1);
  return ms > 0 ? ms : null;
}

/** @param path as SHOW search_path says it: identifiers by comma, quoted where needed */
export function splitPath(path: string): string[] {
  const found: string[] = [];
  for (const match of path.matchAll(/"((?:[^"]|"")*)"|([^",\s]+)/g)) {
    found.push(match[1] === undefined ? match[2]! : match[1].replaceAll('""', '"'));
  }
  return found;
}
