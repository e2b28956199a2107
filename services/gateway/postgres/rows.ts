/**
 * Masks columns of a result: which ones, by two independent ways, and rows re-framed with what may be shown.
 *
 * A column is masked when its table OID and attribute number come from a masked column, or when the reading says that
 * this position shows one. A table that the catalog does not know is masked too: fail closed. The type never changes
 * under a driver: text types get a fixed form that tells neither content nor length, everything else and every binary
 * cell becomes NULL. NULL stays NULL. It cannot see values inside expressions: those are refused before they run.
 */
import type { ResourceUri } from "../../../schemas/command.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import { readString } from "./messages.ts";

export interface Column {
  /** 0 = an expression. */
  readonly tableOid: number;
  readonly attribute: number;
  readonly type: number;
  readonly format: number;
}

export interface MaskedColumn {
  readonly resource: ResourceUri;
  readonly tag: string;
  /** What stands in the cell; null = SQL NULL. */
  readonly shown: Buffer | null;
  /** Cells that were masked. */
  count: number;
}

/** Per column in order; null = passes. */
export type MaskPlan = readonly (MaskedColumn | null)[];

export interface MaskQuestion {
  readonly columns: readonly Column[];
  readonly masks: readonly ResourceUri[];
  /** Of this statement, from the Reading; undefined = it does not say. */
  readonly outputs: readonly (readonly ResourceUri[])[] | undefined;
  readonly sourcesOf: (tableOid: number, attribute: number) => readonly ResourceUri[] | null;
  readonly tagsOf: (resource: ResourceUri) => readonly string[];
  /** The client reads UTF-8. */
  readonly utf8: boolean;
}

export interface MaskAnswer {
  /** Null when nothing is masked. */
  readonly plan: MaskPlan | null;
  /** A masked column would leave in binary format. */
  readonly binary: boolean;
  /** A column came from a table that the catalog does not know. */
  readonly unknown: boolean;
}

/** text, varchar, bpchar, name, unknown. */
const textTypes: readonly number[] = [25, 1043, 1042, 19, 705];

/** @param message a whole RowDescription */
export function readColumns(message: Buffer): Column[] {
  const columns: Column[] = [];
  let at = 7;
  for (let left = message.readInt16BE(5); left > 0; left--) {
    const { next } = readString(message, at);
    if (next + 18 > message.length) throw new ThroughlineError("frame.malformed", "a row description is cut off");
    columns.push({
      tableOid: message.readUInt32BE(next),
      attribute: message.readInt16BE(next + 4),
      type: message.readUInt32BE(next + 6),
      format: message.readInt16BE(next + 16),
    });
    at = next + 18;
  }
  return columns;
}

/** @param formats of Bind: none = all text, one = for all, else one per column */
export function withFormats(columns: readonly Column[], formats: readonly number[]): Column[] {
  return columns.map((column, i) => ({ ...column, format: formatOf(formats, i) }));
}

export function formatOf(formats: readonly number[], column: number): number {
  return (formats.length === 1 ? formats[0] : formats[column]) ?? 0;
}

export function planMasks(question: MaskQuestion): MaskAnswer {
  const { columns, outputs } = question;
  const fits = outputs !== undefined && outputs.length === columns.length;
  let unknown = false;
  let binary = false;
  const plan = columns.map((column, i): MaskedColumn | null => {
    const told = column.tableOid === 0 ? [] : question.sourcesOf(column.tableOid, column.attribute);
    if (told === null) unknown = true;
    // Where the reading and the result disagree about the columns, an expression could be anything.
    const lost = told === null || (column.tableOid === 0 && !fits);
    const sources = [...(told ?? []), ...(fits ? outputs[i]! : [])];
    const masked = sources.find((source) => question.masks.some((mask) => overlap(mask, source)));
    if (masked === undefined && !lost) return null;
    if (column.format === 1) binary = true;
    return maskedColumn(question, column, masked ?? question.masks[0]!);
  });
  return { plan: plan.some((column) => column !== null) ? plan : null, binary, unknown };
}

function maskedColumn(question: MaskQuestion, column: Column, resource: ResourceUri): MaskedColumn {
  const tag = mostSpecific(question.tagsOf(resource));
  const asText = column.format === 0 && textTypes.includes(column.type);
  return { resource, tag, shown: asText ? form(tag, question.utf8) : null, count: 0 };
}

/** `pii.email` before `pii`. */
function mostSpecific(tags: readonly string[]): string {
  return [...tags].sort((a, b) => b.split(".").length - a.split(".").length)[0] ?? "";
}

/** One fixed form per tag: nothing of the value is left, not even its length. */
function form(tag: string, utf8: boolean): Buffer {
  const dots = utf8 ? "•••" : "***";
  return Buffer.from(/(^|\.)e-?mail$/.test(tag) ? `${dots}@${dots}` : `${dots}${dots.slice(0, 1)}`);
}

/** Two URIs overlap when they are equal or one contains the other. */
export function overlap(a: string, b: string): boolean {
  return a === b || contains(a, b) || contains(b, a);
}

function contains(outer: string, inner: string): boolean {
  return inner.length > outer.length && inner.startsWith(outer) && "/.#".includes(inner[outer.length]!);
}

/**
 * @param bytes a whole DataRow from `start` to `end`
 * @returns the same row with masked cells; counts them in the plan
 * @throws ThroughlineError `frame.malformed` when the row has other columns than the plan
 */
export function maskRow(bytes: Buffer, start: number, end: number, plan: MaskPlan): Buffer {
  if (bytes.readInt16BE(start + 5) !== plan.length) throw misfit();
  const pieces: Buffer[] = [bytes.subarray(start, start + 7)];
  let at = start + 7;
  for (const column of plan) {
    const length = at + 4 <= end ? bytes.readInt32BE(at) : -2;
    const next = at + 4 + Math.max(length, 0);
    if (length < -1 || next > end) throw misfit();
    if (column === null || length === -1) pieces.push(bytes.subarray(at, next));
    else {
      column.count += 1;
      pieces.push(cell(column.shown));
    }
    at = next;
  }
  const row = Buffer.concat(pieces);
  row.writeUInt32BE(row.length - 1, 1);
  return row;
}

function cell(shown: Buffer | null): Buffer {
  const bytes = Buffer.alloc(4 + (shown?.length ?? 0));
  bytes.writeInt32BE(shown?.length ?? -1);
  shown?.copy(bytes, 4);
  return bytes;
}

function misfit(): ThroughlineError {
  return new ThroughlineError("frame.malformed", "a row does not fit the description of its result");
}
