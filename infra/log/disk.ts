/** The two calls that make bytes last, as something a test can hold back or let fail. */
import { fdatasync, writeSync } from "node:fs";

export interface Disk {
  /** @returns how many bytes were written, at least 1. Throws with the system's `code` (ENOSPC…) */
  write(fd: number, bytes: Uint8Array, at: number, length: number, offset: number): number;
  sync(fd: number, done: (error: Error | null) => void): void;
}

export const realDisk: Disk = { write: writeSync, sync: fdatasync };
