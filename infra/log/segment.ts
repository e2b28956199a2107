/**
 * One file of the log: a line that says where the log stood before it, then records.
 *
 *   throughline-log 1 {"tenant":"demo","writer":"log/one","position":0,"atMs":0,"head":"5f…","lanes":[]} 1c291ca3\n
 *   <record> <record> …
 *
 * The last word of the line is the crc32 of everything before it. The name is the first position, 16 digits, `.log`.
 */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { ThroughlineError } from "../../schemas/errors.ts";
import { closed, findings, type Static, Type } from "../../schemas/shape.ts";
import { frameLength, headBytes, recordBytesMax } from "./frame.ts";
import { paddedSequence } from "./record.ts";
import type { LogState } from "./walk.ts";

const magic = "throughline-log 1 ";
const headerBytesMax = 1024 * 1024;

const headerSchema = closed({
  tenant: Type.String(),
  writer: Type.String(),
  position: Type.Integer({ minimum: 0 }),
  atMs: Type.Integer({ minimum: 0 }),
  head: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  lanes: Type.Array(
    closed({
      source: Type.String(),
      stream: Type.Union([Type.Literal("steps"), Type.Literal("events")]),
      sequence: Type.Integer({ minimum: 1 }),
      head: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    }),
  ),
});

export interface Segment {
  readonly path: string;
  /** Position of its first record. */
  readonly first: number;
  /** Offset of its first record. */
  readonly start: number;
  /** The log before its first record. */
  readonly state: LogState;
}

export function segmentName(first: number): string {
  return `${paddedSequence(first)}.log`;
}

/** @returns the paths of a log folder's segments in order */
export function segmentPaths(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /^[0-9]{16}\.log$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

export function headerLine(state: LogState): Buffer {
  const hex = (head: Uint8Array) => Buffer.from(head).toString("hex");
  // One order and one form, so that the line can be made again from a walk and compared.
  const lanes = state.lanes
    .map(({ source, stream, sequence, head }) => ({ source, stream, sequence, head: hex(head) }))
    .sort((a, b) => (`${a.source} ${a.stream}` < `${b.source} ${b.stream}` ? -1 : 1));
  const { tenant, writer, position, atMs } = state;
  const fields = { tenant, writer, position, atMs, head: hex(state.head), lanes };
  const text = `${magic}${JSON.stringify(fields)} `;
  return Buffer.from(`${text}${crc32(text).toString(16).padStart(8, "0")}\n`);
}

/** Opens a segment and reads its first line. @returns null when the file ends before that line does (a torn creation) */
export function openSegment(path: string, mode: "r" | "r+"): { readonly fd: number; readonly segment: Segment } | null {
  const fd = openSync(path, mode);
  try {
    const segment = readSegment(path, fd);
    if (segment === null) closeSync(fd);
    return segment && { fd, segment };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function readSegment(path: string, fd: number): Segment | null {
  let bytes = Buffer.allocUnsafe(4096);
  let [read, end] = [0, -1];
  for (;;) {
    const count = readSync(fd, bytes, read, bytes.length - read, read);
    read += count;
    end = bytes.subarray(0, read).indexOf(10);
    if (end >= 0 || read >= headerBytesMax) break;
    if (count === 0) return null;
    if (read === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(bytes.length)]);
  }
  const state = parseHeader(path, bytes.toString("utf8", 0, Math.max(end, 0)));
  return { path, first: state.position + 1, start: end + 1, state };
}

function parseHeader(path: string, line: string): LogState {
  const text = line.slice(0, -8);
  const body = text.slice(magic.length);
  if (!text.startsWith(magic) || crc32(text).toString(16).padStart(8, "0") !== line.slice(-8))
    throw new ThroughlineError("log.damaged", `${path}:0 the first line is damaged`);
  const value: unknown = JSON.parse(body);
  const [wrong] = findings(headerSchema, value);
  if (wrong) throw new ThroughlineError("log.damaged", `${path}:0 ${wrong.path.join(".")}: ${wrong.message}`);
  const header = value as Static<typeof headerSchema>;
  const bytes = (hex: string) => Buffer.from(hex, "hex");
  const lanes = header.lanes.map((lane) => ({ ...lane, head: bytes(lane.head) }));
  return { ...header, head: bytes(header.head), lanes };
}

/** Calls `each` for the whole frames of `bytes`. @returns how far they reach and what stands there */
export function splitFrames(
  bytes: Buffer,
  each: (at: number, length: number) => void,
): { readonly end: number; readonly rest: "nothing" | "incomplete" | "damaged" } {
  let at = 0;
  for (;;) {
    const length = frameLength(bytes, at, bytes.length);
    if (length < 0) return { end: at, rest: "damaged" };
    if (length === 0) return { end: at, rest: at === bytes.length ? "nothing" : "incomplete" };
    each(at, length);
    at += length;
  }
}

/** Looks for whole frames anywhere in `bytes`, also behind garbage. */
export function findFrames(bytes: Buffer, each: (at: number, length: number) => void): void {
  for (let at = 0; at + headBytes <= bytes.length; ) {
    const length =
      bytes[at + 8] === 1 && bytes.readUInt32LE(at) <= recordBytesMax ? frameLength(bytes, at, bytes.length) : 0;
    if (length > 0) each(at, length);
    at += length > 0 ? length : 1;
  }
}
