/** The steps of a chain by its kind of link, and what is left out or turned round in a decoy. */
import type { Dice } from "../correlator/dice.ts";
import { addresses, type LinkType, type Values, valuesText } from "./act.ts";
import { copyText, destroyText, exportText, opaqueCopyText, readText, renameText, wipeText } from "./texts.ts";

export interface Line {
  /** Which of the plan's people, from 0. */
  readonly by: number;
  /** More than one: one after the other in the same moment. */
  readonly texts: readonly string[];
  readonly failed?: boolean;
  /** Of the last text. */
  readonly values?: Values;
  /** A person takes the tags off this place just before. */
  readonly untag?: string;
  /** What the change desk says half a minute before. */
  readonly announced?: string;
}

export interface Wanted {
  readonly link: LinkType;
  readonly accounts: number;
  readonly decoy: string | null;
  /** An original, and another one. */
  readonly table: string;
  readonly other: string;
  /** A new name in schema scratch. */
  readonly scratch: () => string;
  /** The first of the rows whose values nobody but this plan's people sees: else a decoy may be a chain with another's read. */
  readonly row: number;
  readonly dice: Dice;
}

export interface Script {
  /** That must hold the last step. */
  readonly rule: string;
  readonly lines: readonly Line[];
}

export function script(wanted: Wanted): Script {
  if (wanted.link === "lineage") return lineage(wanted);
  if (wanted.link === "flow") return flow(wanted);
  if (wanted.link === "content") return content(wanted);
  return reading(wanted);
}

interface Hops {
  readonly lines: readonly Line[];
  /** Where the data is at the end. */
  readonly place: string;
}

/** From place to place, each copy by the next one; sometimes renamed on the way. */
function hops({ dice, scratch }: Wanted, from: string, first: number, count: number, text = copyText): Hops {
  const lines: Line[] = [];
  let place = from;
  for (let index = 0; index < count; index += 1) {
    const to = scratch();
    const by = first + index;
    lines.push({ by, texts: [text(place, to, dice)] });
    place = to;
    if (dice(5) === 0) {
      place = scratch();
      lines.push({ by, texts: [renameText(to, place)] });
    }
  }
  return { lines, place };
}

/** Copies of copies, and the last one destroyed or taken out by somebody else. */
function flow(wanted: Wanted): Script {
  const { accounts, decoy, table, scratch, dice } = wanted;
  const { lines, place } = hops(wanted, table, 0, accounts - 1);
  const by = accounts - 1;
  const exports = decoy === "untagged" || (decoy === null && dice(3) === 0);
  const end = (of: string) => (exports ? exportText(of, dice) : destroyText(of, dice));
  const rule = exports ? "copy_exported" : "copy_destroyed";
  const last: Line = { by, texts: [end(place)] };
  if (decoy === "other data") return { rule, lines: [...lines, { by, texts: [end(scratch())] }] };
  if (decoy === "untagged") return { rule, lines: [...lines, { ...last, untag: place }] };
  if (decoy === "undone")
    return { rule, lines: [...lines.map((line) => ({ ...line, texts: ["BEGIN", ...line.texts, "ROLLBACK"] })), last] };
  if (decoy === "failed") return { rule, lines: [...lines.map((line) => ({ ...line, failed: true })), last] };
  if (decoy === "wrong order") return { rule, lines: [{ by, texts: [destroyText(place, dice)] }, ...lines] };
  if (decoy === "emptied") {
    const owner = accounts - 2;
    const other: Line[] = [
      { by: owner, texts: [`TRUNCATE ${place}`] },
      { by: owner, texts: [`INSERT INTO ${place} SELECT * FROM public.app_09`] },
    ];
    return { rule, lines: [...lines, ...other, last] };
  }
  return { rule, lines: [...lines, last] };
}

/** Taken out or copied by some, and the original wiped by another. */
function lineage(wanted: Wanted): Script {
  const { accounts, decoy, table, scratch, dice } = wanted;
  const by = accounts - 1;
  const wiped = decoy === "nothing tagged" ? "public.app_10" : table;
  const wipe: Line = { by, texts: [wipeText(wiped, dice)] };
  const end = [decoy === "announced" ? { ...wipe, announced: `ALTER TABLE ${table} SET (fillfactor = 90)` } : wipe];
  if (accounts === 2) return { rule: "taken_and_wiped", lines: [{ by: 0, texts: [exportText(table, dice)] }, ...end] };
  const reads = Array.from(
    { length: accounts - 2 },
    (_, index): Line => ({ by: index, texts: [readText(table, dice)] }),
  );
  const copy: Line = { by: accounts - 2, texts: [copyText(table, scratch(), dice)] };
  return { rule: "copied_and_wiped", lines: [...reads, copy, ...end] };
}

/** The last copy is made by a command that nobody can read. */
function hidden(wanted: Wanted): Hops {
  const { accounts, table } = wanted;
  const before = hops(wanted, table, 1, accounts - 3);
  const last = hops(wanted, before.place, accounts - 2, 1, opaqueCopyText);
  return { lines: [...before.lines, ...last.lines], place: last.place };
}

/** Read, copied from place to place, and taken out or destroyed: tied by who does it and for what. */
function reading(wanted: Wanted): Script {
  const { link, accounts, decoy, table, other, dice } = wanted;
  const isUndone = dice(4) === 0;
  const text = readText(table, dice);
  const read: Line = { by: 0, texts: isUndone ? ["BEGIN", text, "ROLLBACK"] : [text] };
  const copied = link === "opaque" ? hidden(wanted) : hops(wanted, table, 1, accounts - 2);
  const onlyExports = link === "address" || link === "trace";
  const destroys = decoy === null && !onlyExports && accounts > 2 && accounts % 2 === 0;
  const byTask = link === "task" || link === "opaque";
  const tie = onlyExports ? link : byTask ? "task" : "actor";
  const rule = `${tie}_${destroys ? "destroy" : "export"}`;
  const by = accounts - 1;
  const end = (place: string): Line => ({ by, texts: [destroys ? destroyText(place, dice) : exportText(place, dice)] });
  if (decoy === "other data") return { rule, lines: [read, end(other)] };
  if (decoy === "wrong order") return { rule, lines: [end(table), read] };
  if (decoy === "untagged" && copied.lines.length > 0)
    return { rule, lines: [read, ...copied.lines, { ...end(copied.place), untag: copied.place }] };
  return { rule, lines: [read, ...copied.lines, end(copied.place)] };
}

/** Shown to one, brought back as values by another, and what was brought destroyed or taken out by a third. */
function content(wanted: Wanted): Script {
  const { accounts, decoy, table, scratch, row: from, dice } = wanted;
  const read: Line = {
    by: 0,
    texts: [`SELECT * FROM ${table} WHERE id < $1`],
    values: { shown: addresses(table, from, 200) },
  };
  const rows = decoy === "too few" ? 2 : 4 + dice(40);
  const brought = addresses(decoy === "other data" ? "public.strangers" : table, from + dice(100), rows);
  const box = scratch();
  const bring: Line = { by: 1, texts: [valuesText(box, rows)], values: { brought } };
  const moved = hops(wanted, box, 2, accounts - 3);
  const exports = dice(3) === 0;
  const { place } = moved.lines.length > 0 ? moved : { place: box };
  const end: Line = { by: accounts - 1, texts: [exports ? exportText(place, dice) : destroyText(place, dice)] };
  const rule = exports ? "content_export" : "content_destroy";
  const steps = decoy === "wrong order" ? [bring, read] : [read, bring];
  return { rule, lines: [...steps, ...moved.lines, end] };
}
