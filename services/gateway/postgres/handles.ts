/**
 * Statements and cursors that SQL itself names: PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, CLOSE. Using one has the
 * effects of what was named; what was named and never seen is opaque. Names are the target's, cut as it cuts them.
 */
import type { Handle, Reading } from "../../../schemas/command.ts";
import { nameKey, textOf } from "./codec.ts";
import type { Names } from "./names.ts";
import type { Prepared, Undo } from "./prepared.ts";

/** Tags of statements that mean nothing without what they name. */
const uses: readonly string[] = ["EXECUTE", "FETCH", "MOVE"];

/** @returns the reading of a use: with the effects of what it names */
export function resolved(reading: Reading, text: string, prepared: Prepared, names: Names): Reading {
  const { handle } = reading;
  if (handle === undefined) {
    const unknown = reading.opaque === null && reading.statements.some((tag) => uses.includes(tag));
    return unknown ? names.opaque("it uses a statement or cursor that is not named here", text) : reading;
  }
  if (handle.kind === "execute") return executed(handle, text, prepared, names);
  if (handle.kind === "fetch") return fetched(handle, text, prepared, names);
  return reading;
}

function executed(handle: Handle, text: string, prepared: Prepared, names: Names): Reading {
  const key = nameKey(handle.name ?? "");
  const statement = key === null ? null : prepared.statement(key);
  if (statement === null) return names.opaque("it executes a statement that was not seen", text);
  if (handle.parameters === null) return names.opaque("it executes a statement with values that are computed", text);
  return names.read(statement.text);
}

function fetched(handle: Handle, text: string, prepared: Prepared, names: Names): Reading {
  const key = nameKey(handle.name ?? "");
  const portal = key === null ? null : prepared.portal(key);
  return portal?.reading ?? names.opaque("it reads a cursor that was not seen", text);
}

/** @returns what the name that a command uses stands for, exactly; undefined when it uses none, or one never seen */
export function usedBy({ handle }: Reading, prepared: Prepared): string | undefined {
  const key = handle?.kind === "execute" || handle?.kind === "fetch" ? nameKey(handle.name ?? "") : null;
  if (key === null) return undefined;
  const statement = handle?.kind === "execute" ? prepared.statement(key) : null;
  const portal = handle?.kind === "fetch" ? prepared.portal(key) : null;
  const used = statement ?? portal;
  if (used === null || used.text === null) return undefined;
  const types = (statement ?? portal?.statement)?.parameterTypes ?? [];
  return JSON.stringify([used.made ?? used.text.value, types, portal?.parameters ?? []]);
}

/**
 * Remembers what a command makes or ends.
 * @param ran the reading that was judged @param reading of its own text
 * @returns how to take it back when it fails
 */
export function remembered(
  ran: Reading,
  reading: Reading,
  text: string,
  prepared: Prepared,
  names: Names,
): Undo | undefined {
  if (ran.opaque !== null) {
    prepared.forgetNamed();
    return undefined;
  }
  const { handle } = reading;
  if (handle === undefined) {
    if (reading.changes.includes("prepared")) prepared.forgetNamed();
    return undefined;
  }
  const key = nameKey(handle.name ?? "");
  if (key === null) {
    prepared.forgetNamed(); // cut somewhere we cannot know: it may be any of them
    return undefined;
  }
  return made(handle, key, text, prepared, names);
}

function made(handle: Handle, key: string, text: string, prepared: Prepared, names: Names): Undo | undefined {
  const inner = textOf(handle.text ?? text);
  switch (handle.kind) {
    case "prepare":
      return prepared.setStatement(key, { text: inner, made: text, parameterTypes: [], columns: null });
    case "deallocate":
      return handle.name === null ? prepared.clearStatements() : prepared.setStatement(key, null);
    case "declare":
      return prepared.setPortal(key, {
        text: inner,
        statement: null,
        parameters: [],
        resultFormats: [],
        reading: handle.text === null ? names.opaque("a cursor whose query is not known", text) : names.read(inner),
        cursor: true,
        made: text,
        columns: null,
      });
    case "close":
      return handle.name === null ? prepared.clearPortals() : prepared.setPortal(key, null);
    case "execute":
    case "fetch":
      return undefined;
  }
}
