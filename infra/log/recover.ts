/**
 * What a start does with the last segment: walk it, cut a torn tail, refuse damage.
 *
 * Torn: bytes at the end that were never acknowledged. They are cut back to the last whole group, since nobody was told
 * of a part of a group. Damaged: a bad record before which some later, whole record calls the log durable; nothing is
 * cut then. It cannot tell a torn last group from a last group that was damaged after it was acknowledged.
 */
import { fstatSync, fsyncSync, ftruncateSync, readSync } from "node:fs";
import { ThroughlineError } from "../../schemas/errors.ts";
import { textTable } from "./bytes.ts";
import { frameSynced, lastOfGroup, recordBytesMax } from "./frame.ts";
import { readRecord } from "./record.ts";
import { findFrames, type Segment, splitFrames } from "./segment.ts";
import { type LogState, Walk } from "./walk.ts";

export interface Recovered {
  readonly state: LogState;
  /** Where the next record goes. */
  readonly end: number;
  /** Bytes of the torn tail. */
  readonly cut: number;
}

const blockBytes = 4 * recordBytesMax;

/** @throws ThroughlineError `log.damaged` with segment:offset */
export function recover(fd: number, segment: Segment): Recovered {
  const size = fstatSync(fd).size;
  const walk = new Walk(segment.state);
  const texts = textTable(64);
  let offset = segment.start;
  let closedEnd = offset;
  for (;;) {
    const block = readBlock(fd, offset, Math.min(size, offset + blockBytes));
    const from = offset;
    const { end, rest } = splitFrames(block, (at, length) => {
      const record = readRecord(block, at, length, texts);
      const wrong = walk.accept(record);
      if (wrong !== null) throw damaged(segment, from + at, wrong);
      if (record.flags & lastOfGroup) closedEnd = from + at + length;
    });
    offset += end;
    if (offset === size) break;
    if (rest === "damaged" || (rest === "incomplete" && from + block.length === size)) {
      refuseDamage(fd, segment, offset, size, walk.next);
      break;
    }
  }
  if (closedEnd < size) {
    ftruncateSync(fd, closedEnd);
    fsyncSync(fd);
  }
  return { state: walk.closed, end: closedEnd, cut: size - closedEnd };
}

/** Throws when a whole record behind `offset` says that the log was durable up to the record that stood there. */
function refuseDamage(fd: number, segment: Segment, offset: number, size: number, position: number): void {
  for (let from = offset; from < size; from += blockBytes - recordBytesMax) {
    const block = readBlock(fd, from, Math.min(size, from + blockBytes));
    findFrames(block, (at) => {
      if (frameSynced(block, at) >= position) throw damaged(segment, offset, `record ${position} is damaged`);
    });
  }
}

function damaged(segment: Segment, offset: number, what: string): ThroughlineError {
  return new ThroughlineError("log.damaged", `${segment.path}:${offset} ${what}`);
}

export function readBlock(fd: number, from: number, to: number): Buffer {
  const block = Buffer.allocUnsafe(to - from);
  let read = 0;
  while (read < block.length) {
    const count = readSync(fd, block, read, block.length - read, from + read);
    if (count === 0) break;
    read += count;
  }
  return block.subarray(0, read);
}
