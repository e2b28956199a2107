/**
 * How far a receiver of alerts has got, on disk: `<data>/alerts/<receiver>.json`. Whole or as it was before, whenever the
 * machine stops. Losing it sends nothing twice that matters (ids stay the same), and forgets what waited.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { syncFolder } from "../log/durable-file.ts";

export interface Cursor {
  /** The log's position, as text that orders; everything up to it is settled. Null = this receiver is new. */
  readonly position: string | null;
  /** Durable when it returns. */
  move(position: string): void;
}

/** @throws ThroughlineError `config.unreadable` */
export function openCursor(data: string, receiver: string): Cursor {
  const folder = join(data, "alerts");
  const path = join(folder, `${receiver}.json`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let position = read(path);
  return {
    get position() {
      return position;
    },
    move(next) {
      const beside = `${path}.new`;
      const fd = openSync(beside, "w", 0o600);
      try {
        writeSync(fd, `${JSON.stringify({ receiver, position: next })}\n`);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(beside, path);
      syncFolder(folder);
      position = next;
    },
  };
}

function read(path: string): string | null {
  try {
    const { position } = JSON.parse(readFileSync(path, "utf8")) as { position?: unknown };
    if (typeof position === "string" && position !== "") return position;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw new ThroughlineError("config.unreadable", `${path} cannot be read`, cause);
  }
  throw new ThroughlineError("config.unreadable", `${path} names no position`);
}
