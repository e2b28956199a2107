/** Verifies the segments of a data folder as they lie there, also while a log is written: the end may be half a record. */
import { closeSync, fstatSync } from "node:fs";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { textTable } from "./bytes.ts";
import { recordBytesMax } from "./frame.ts";
import { readRecord } from "./record.ts";
import { readBlock } from "./recover.ts";
import { headerLine, openSegment, type Segment, segmentPaths, splitFrames } from "./segment.ts";
import { type TrustedKeys, Verifier, type VerifyReport } from "./verify.ts";
import { firstState } from "./walk.ts";

/** @throws ThroughlineError `not.found` when the folder holds no log, `log.damaged` for a segment without a first line */
export function verifyFolder(dataFolder: string, trusted: TrustedKeys): VerifyReport {
  const paths = segmentPaths(join(dataFolder, "log"));
  let verifier: Verifier | null = null;
  for (const [index, path] of paths.entries()) {
    const found = openSegment(path, "r");
    if (found === null) {
      if (index === paths.length - 1) break;
      throw new ThroughlineError("log.damaged", `${path}:0 the first line is missing`);
    }
    const { tenant, writer } = found.segment.state;
    verifier ??= new Verifier(trusted, firstState(tenant, writer));
    try {
      verifySegment(verifier, found.fd, found.segment, index === paths.length - 1);
    } finally {
      closeSync(found.fd);
    }
  }
  if (verifier === null) throw new ThroughlineError("not.found", `${dataFolder} holds no log`);
  return verifier.finish();
}

function verifySegment(verifier: Verifier, fd: number, segment: Segment, last: boolean): void {
  if (!headerLine(verifier.closed).equals(headerLine(segment.state)))
    verifier.fail(null, `${segment.path}:0 the first line says something else than the records before it`);
  const { size } = fstatSync(fd);
  const texts = textTable(256);
  for (let offset = segment.start; offset < size; ) {
    const block = readBlock(fd, offset, Math.min(size, offset + 4 * recordBytesMax));
    const { end, rest } = splitFrames(block, (at, length) => verifier.accept(readRecord(block, at, length, texts)));
    const atEnd = offset + block.length === size;
    if (rest === "damaged" || (rest === "incomplete" && atEnd)) {
      if (rest === "damaged" || !last) verifier.fail(null, `${segment.path}:${offset + end} a record is damaged`);
      return;
    }
    offset += end;
  }
}
