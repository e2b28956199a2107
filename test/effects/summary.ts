/**
 * A Reading in one line: `operation reads>writes {flows} ! †ended`, effects by `+`, then what is shown, revealed,
 * changed. `!` = destroys, `†` = content ended, `=>` = renamed. Names of `orders/public` stand bare.
 */
import type { Effect, Reading } from "../../schemas/command.ts";

export function summary(reading: Reading): string {
  if (reading.opaque !== null) return `opaque: ${reading.opaque}`;
  const parts = [reading.effects.map(effectText).join(" + ") || "nothing"];
  if (reading.shows.length > 0) parts.push(`shows ${list(reading.shows)}`);
  if (reading.reveals.length > 0) parts.push(`reveals ${list(reading.reveals)}`);
  if (reading.changes.length > 0) parts.push(`changes ${reading.changes.join(" ")}`);
  if (reading.transaction.kind !== "none") parts.push(reading.transaction.kind);
  if (!reading.undoable) parts.push("lasting");
  return parts.join(" | ");
}

function effectText(effect: Effect): string {
  const flows = effect.flows?.map(([from, into]) => `${short(from)}>${short(into)}`).join(" ");
  const text = [`${effect.operation} ${list(effect.reads)}>${list(effect.writes)}`];
  if (flows) text.push(`{${flows}}`);
  if (effect.destroys) text.push("!");
  if (effect.ends.length > 0) text.push(`†${list(effect.ends)}`);
  for (const [from, into] of effect.renames ?? []) text.push(`${short(from)}=>${short(into)}`);
  return text.join(" ");
}

/** Result columns by position, statements by `//`. */
export function positions(reading: Reading): string {
  return reading.outputs.map((columns) => columns.map((uris) => list(uris) || "-").join("|")).join(" // ");
}

function list(uris: readonly string[]): string {
  return uris.map(short).join(",");
}

function short(uri: string): string {
  return uri.replace("orders/public.", "").replace("orders/pg_catalog.", "pg_catalog.");
}
