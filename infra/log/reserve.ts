/**
 * Space that is kept for what must still fit when the disk is full: finishes, answers, the disk-full event. It is a file of
 * random bytes (a file system that compresses must not cheat); room is made by shortening it, only as far as needed.
 * It cannot keep another program from taking what was just freed.
 */
import { randomFillSync } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";

const pieceBytes = 256 * 1024;

export class Reserve {
  readonly #fd: number;
  readonly #wanted: number;
  left: number;

  /** @param wanted bytes */
  constructor(path: string, wanted: number) {
    this.#fd = openSync(path, "a+", 0o600);
    this.#wanted = wanted;
    this.left = fstatSync(this.#fd).size;
    if (this.left > wanted) this.#shorten(wanted);
  }

  /** Writes what is missing of it. @returns whether it is whole; a full disk leaves what could be had */
  fill(): boolean {
    const before = this.left;
    try {
      const piece = Buffer.alloc(Math.min(pieceBytes, Math.max(this.#wanted - this.left, 0)));
      while (this.left < this.#wanted) {
        randomFillSync(piece);
        this.left += writeSync(this.#fd, piece, 0, Math.min(piece.length, this.#wanted - this.left));
      }
      if (this.left > before) fsyncSync(this.#fd);
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      return false;
    }
  }

  /** Frees at least `bytes`. @returns false when nothing is left to free */
  release(bytes: number): boolean {
    if (this.left === 0) return false;
    this.#shorten(Math.max(0, this.left - Math.max(bytes, Math.min(pieceBytes, this.#wanted / 8))));
    return true;
  }

  #shorten(bytes: number): void {
    ftruncateSync(this.#fd, bytes);
    this.left = bytes;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}
