/**
 * Where a stopped process's logs end: the last sequence of each source and stream, and the last position of each writer.
 * A key is retired with these: what came before it stays proven by it, and it proves nothing after.
 * A torn tail is cut as the next start would cut it.
 */
import { closeSync, existsSync } from "node:fs";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { lockFolder } from "./lock.ts";
import { recover } from "./recover.ts";
import { openSegment, segmentPaths } from "./segment.ts";
import type { Standing } from "./sources.ts";
import type { LogState } from "./walk.ts";

/** @throws ThroughlineError `log.locked` while its process runs, `not.found` without a log, `log.damaged` */
export function standingOf(dataFolder: string): Standing {
  const states = ["log", "spool"].map((place) => stateOf(join(dataFolder, place))).filter((state) => state !== null);
  if (states.length === 0) throw new ThroughlineError("not.found", `${dataFolder} holds no log`);
  const standing: Standing = {};
  const entry = (source: string) => {
    standing[source] ??= { steps: 0, events: 0, writer: 0 };
    return standing[source];
  };
  for (const { writer, position, lanes } of states) {
    entry(writer).writer = position;
    for (const { source, stream, sequence } of lanes) entry(source)[stream] = Math.max(entry(source)[stream], sequence);
  }
  return standing;
}

function stateOf(folder: string): LogState | null {
  if (!existsSync(folder)) return null;
  const lock = lockFolder(folder);
  try {
    for (const path of segmentPaths(folder).toReversed()) {
      const found = openSegment(path, "r+");
      if (found === null) continue;
      try {
        return recover(found.fd, found.segment).state;
      } finally {
        closeSync(found.fd);
      }
    }
    return null;
  } finally {
    lock.release();
  }
}
