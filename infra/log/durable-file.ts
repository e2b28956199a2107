/** Files that are whole or absent, whenever the machine stops: write beside, sync, link, sync the folder. */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

/** Makes a new file entry (or removal) durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes a file of mode 0600, if none is there. @returns false when one is, which then stays as it is */
export function createFile(path: string, content: string | Uint8Array): boolean {
  const beside = writeBeside(path, content);
  const made = linkNew(beside, path);
  unlinkSync(beside);
  // Also when it was there: whoever made it may not have come this far.
  syncFolder(dirname(path));
  return made;
}

/** Writes a file over the one that is there: a reader sees the old content or the new. */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): void {
  renameSync(writeBeside(path, content, mode), path);
  syncFolder(dirname(path));
}

function linkNew(beside: string, path: string): boolean {
  try {
    linkSync(beside, path);
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return false;
    unlinkSync(beside);
    throw cause;
  }
}

function writeBeside(path: string, content: string | Uint8Array, mode = 0o600): string {
  const beside = `${path}.${randomUUID()}.new`;
  try {
    writeWhole(beside, Buffer.from(content), mode);
  } catch (error) {
    // Half a file as well: each try would leave another, and a full disk would never be anything else.
    rmSync(beside, { force: true });
    throw error;
  }
  return beside;
}

function writeWhole(path: string, bytes: Uint8Array, mode: number): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    if (mode !== 0o600) fchmodSync(fd, mode);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
