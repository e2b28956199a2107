/** The records of a stopped process's spool or archive, as they lie in its folder: read only, by no code of a running log. */
import { closeSync, fstatSync } from "node:fs";
import { textTable } from "../../infra/log/bytes.ts";
import { recordBytesMax } from "../../infra/log/frame.ts";
import { readRecord, type StoredRecord } from "../../infra/log/record.ts";
import { readBlock } from "../../infra/log/recover.ts";
import { openSegment, segmentPaths, splitFrames } from "../../infra/log/segment.ts";

/** @param folder `…/spool` or `…/log`. A last record that is not whole ends it. */
export function* recordsOf(folder: string): Generator<StoredRecord> {
  const texts = textTable(1024);
  for (const path of segmentPaths(folder)) {
    const opened = openSegment(path, "r");
    if (opened === null) return;
    const { fd, segment } = opened;
    try {
      const { size } = fstatSync(fd);
      for (let offset = segment.start; offset < size; ) {
        const block = readBlock(fd, offset, Math.min(size, offset + 4 * recordBytesMax));
        const found: StoredRecord[] = [];
        const { end } = splitFrames(block, (at, length) => found.push(readRecord(block, at, length, texts)));
        yield* found;
        if (end === 0) break;
        offset += end;
      }
    } finally {
      closeSync(fd);
    }
  }
}
