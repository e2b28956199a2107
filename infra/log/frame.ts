/**
 * The bytes of one record, all numbers little-endian. The first 28 are the writer's, the rest ("the part") is what the
 * source said and what the source's chain hashes:
 *
 *    0  d2 00 00 00         bytes: the whole record, this field included
 *    4  9c 41 7e 10         crc32 (IEEE) of everything from offset 8
 *    8  01                  version
 *    9  03                  flags: 1 = last of its source's batch, 2 = last of the writer's group
 *   10  07 00 00 00 00 00   position, consecutive from 1
 *   16  04 00 00 00 00 00   synced: the log was durable up to this position when the record was written
 *   22  40 aa 5d c0 97 01   atMs: log time
 *   28  00                  stream: 0 steps, 1 events
 *   29  00                  zero
 *   30  0d 00               type code (type-code.ts)
 *   32  03 00 00 00 00 00   sequence within source and stream, consecutive from 1
 *   38  0b 00               bytes of source
 *   40  1c 00 00 00         bytes of step section, 0 = none
 *   44  7b 00 00 00         bytes of JSON
 *   48  "gateway/one" ‖ step section (step.ts) ‖ envelope as UTF-8 JSON
 *
 * A record needs no other record to be read: strings stand inline. `synced` is what tells a torn tail from damage: a bad
 * record that some later record calls durable was acknowledged, so it was damaged afterwards.
 * What it cannot see: whether somebody cut the tail, or rewrote bytes and crc alike; that is for the chains (chain.ts).
 */
import { crc32 } from "node:zlib";
import type { Stream } from "../../schemas/event.ts";

export const version = 1;
export const writerBytes = 28;
export const partHeadBytes = 20;
export const headBytes = writerBytes + partHeadBytes;
/** Over this a length is garbage: an envelope is ≤ 60 KiB and a step section shorter. */
export const recordBytesMax = 1024 * 1024;
export const lastOfBatch = 1;
export const lastOfGroup = 2;

/** Writes the writer's header in front of a part that stands at `at + writerBytes`; the crc comes later, by `closeFrame`. */
export function openFrame(
  bytes: Buffer,
  at: number,
  length: number,
  position: number,
  synced: number,
  atMs: number,
): void {
  bytes.writeUInt32LE(length, at);
  bytes[at + 8] = version;
  bytes[at + 9] = 0;
  bytes.writeUIntLE(position, at + 10, 6);
  bytes.writeUIntLE(synced, at + 16, 6);
  bytes.writeUIntLE(atMs, at + 22, 6);
}

/** Sets the crc of the frame at `at`. @returns the offset behind it */
export function closeFrame(bytes: Buffer, at: number): number {
  const end = at + bytes.readUInt32LE(at);
  bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, end)), at + 4);
  return end;
}

export function writePartHead(
  bytes: Buffer,
  at: number,
  stream: Stream,
  code: number,
  sequence: number,
  sourceBytes: number,
): void {
  bytes.writeUInt16LE(stream === "steps" ? 0 : 1, at);
  bytes.writeUInt16LE(code, at + 2);
  bytes.writeUIntLE(sequence, at + 4, 6);
  bytes.writeUInt16LE(sourceBytes, at + 10);
}

/** Offsets and numbers of one part; `at` is where the part starts. */
export interface Part {
  readonly stream: Stream;
  readonly code: number;
  readonly sequence: number;
  readonly sourceAt: number;
  readonly stepAt: number;
  readonly jsonAt: number;
  readonly end: number;
}

/**
 * @param origin what its offsets are counted from
 * @returns null when the bytes from `at` do not hold one whole, well-formed part.
 */
export function readPart(bytes: Buffer, at: number, limit: number, origin = 0): Part | null {
  if (at + partHeadBytes > limit) return null;
  const stream = bytes.readUInt16LE(at);
  if (stream > 1) return null;
  const sourceAt = at + partHeadBytes;
  const stepAt = sourceAt + bytes.readUInt16LE(at + 10);
  const jsonAt = stepAt + bytes.readUInt32LE(at + 12);
  const end = jsonAt + bytes.readUInt32LE(at + 16);
  if (end > limit || end - at > recordBytesMax) return null;
  return {
    stream: stream === 0 ? "steps" : "events",
    code: bytes.readUInt16LE(at + 2),
    sequence: bytes.readUIntLE(at + 4, 6),
    sourceAt: sourceAt - origin,
    stepAt: stepAt - origin,
    jsonAt: jsonAt - origin,
    end: end - origin,
  };
}

/** @returns the record's length; 0 when the bytes up to `limit` end before it does; -1 when it is damaged. */
export function frameLength(bytes: Buffer, at: number, limit: number): number {
  if (at + 4 > limit) return 0;
  const length = bytes.readUInt32LE(at);
  if (length < headBytes || length > recordBytesMax) return -1;
  if (at + length > limit) return 0;
  if (bytes[at + 8] !== version) return -1;
  return bytes.readUInt32LE(at + 4) === crc32(bytes.subarray(at + 8, at + length)) ? length : -1;
}

/** Behind a record's two headers and its source: what the writer's chain hashes of it (chain.ts). */
export function spineEnd(bytes: Buffer, at: number): number {
  return at + headBytes + bytes.readUInt16LE(at + 38);
}

export function framePosition(bytes: Buffer, at: number): number {
  return bytes.readUIntLE(at + 10, 6);
}

export function frameSynced(bytes: Buffer, at: number): number {
  return bytes.readUIntLE(at + 16, 6);
}
