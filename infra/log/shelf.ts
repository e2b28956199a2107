/**
 * The log's segments on disk: where bytes are appended, how far they are durable, when a new segment starts.
 * It knows no record but their offsets; it never writes anywhere but behind the end.
 */
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, statSync, unlinkSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import type { Disk } from "./disk.ts";
import { syncFolder } from "./durable-file.ts";
import { recover } from "./recover.ts";
import { isFull, Reserve } from "./reserve.ts";
import { headerLine, openSegment, segmentName, segmentPaths } from "./segment.ts";
import type { LogState } from "./walk.ts";

/** A place behind a record: which segment file, and the offset in it. */
export interface Place {
  readonly file: number;
  readonly offset: number;
}

export interface ShelfFile {
  readonly path: string;
  /** Position of its first record. */
  readonly first: number;
}

export interface ShelfOptions {
  readonly folder: string;
  readonly disk: Disk;
  readonly reservedBytes: number;
  readonly segmentBytesMax: number;
}

export class Shelf {
  readonly files: ShelfFile[] = [];
  /** How many of `files`, from the first, have been removed; they stay in the list, because readers count by it. */
  #removed = 0;
  /** Set when space ran out, cleared by `refill`. */
  full = false;
  /** Everything before is durable. */
  synced: Place;
  /** State of the log and bytes cut off when this was opened. */
  readonly opened: { readonly state: LogState; readonly cut: number };
  readonly #options: ShelfOptions;
  readonly #reserve: Reserve;
  #fd: number;
  #end: number;

  /** @throws ThroughlineError `log.damaged` */
  constructor(options: ShelfOptions, empty: LogState) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    for (const path of segmentPaths(options.folder)) this.files.push({ path, first: Number(basename(path, ".log")) });
    const { fd, end, state, cut } = this.#openLast(empty);
    this.#fd = fd;
    this.#end = end;
    this.opened = { state, cut };
    this.synced = { file: this.files.length - 1, offset: end };
    this.#reserve = new Reserve(join(options.folder, "reserve"), options.reservedBytes);
    this.full = !this.#reserve.fill();
  }

  /** Of all segments that are still here, as the file system has them. */
  get bytes(): number {
    return this.files.slice(this.#removed).reduce((sum, { path }) => sum + statSync(path).size, 0);
  }

  get reserveLeft(): number {
    return this.#reserve.left;
  }

  #openLast(empty: LogState): { fd: number; end: number; state: LogState; cut: number } {
    for (;;) {
      const last = this.files.at(-1);
      if (last === undefined) return { ...this.#create(empty), state: empty, cut: 0 };
      const found = openSegment(last.path, "r+");
      if (found !== null) {
        const { state, end, cut } = recover(found.fd, found.segment);
        // What was read may still be only in the page cache of a process that died before its sync returned.
        fsyncSync(found.fd);
        return { fd: found.fd, end, state, cut };
      }
      unlinkSync(last.path);
      this.files.pop();
    }
  }

  #create(state: LogState): { fd: number; end: number } {
    const path = join(this.#options.folder, segmentName(state.position + 1));
    const fd = openSync(path, "wx+", 0o600);
    const line = headerLine(state);
    for (let at = 0; at < line.length; ) at += this.#put(fd, line, at, at);
    fsyncSync(fd);
    syncFolder(this.#options.folder);
    this.files.push({ path, first: state.position + 1 });
    return { fd, end: line.length };
  }

  #put(fd: number, line: Buffer, at: number, offset: number): number {
    try {
      return writeSync(fd, line, at, line.length - at, offset);
    } catch (error) {
      if (!isFull(error) || !this.#reserve.release(line.length)) throw error;
      this.full = true;
      return 0;
    }
  }

  /** Writes behind the end; takes from the reserve when the disk is full. Throws when it still does not fit. */
  write(bytes: Uint8Array, length: number): void {
    for (let at = 0; at < length; ) {
      try {
        at += this.#options.disk.write(this.#fd, bytes, at, length - at, this.#end + at);
      } catch (error) {
        if (!isFull(error) || !this.#reserve.release(length - at)) throw error;
        this.full = true;
      }
    }
    this.#end += length;
  }

  /** Makes durable what was written until now. */
  sync(done: (error: Error | null) => void): void {
    const place = { file: this.files.length - 1, offset: this.#end };
    this.#options.disk.sync(this.#fd, (error) => {
      if (error === null) this.synced = place;
      done(error);
    });
  }

  get wantsNext(): boolean {
    return this.#end >= this.#options.segmentBytesMax;
  }

  /** Starts the next segment. Only between groups, and with no sync running. @param state the log at its end */
  next(state: LogState): void {
    fdatasyncSync(this.#fd);
    closeSync(this.#fd);
    const { fd, end } = this.#create(state);
    this.#fd = fd;
    this.#end = end;
  }

  /**
   * Removes the segments before the last `keep` whose records all stand before a position that is safe elsewhere.
   * @param position the last one that is
   */
  trim(position: number, keep: number): void {
    for (let next = this.files[this.#removed + 1]; next !== undefined; next = this.files[this.#removed + 1]) {
      const file = this.files[this.#removed];
      if (file === undefined || next.first > position + 1 || this.files.length - this.#removed <= keep) return;
      unlinkSync(file.path);
      this.#removed++;
    }
  }

  /** Tries to have the whole reserve again. @returns whether there is space again */
  refill(): boolean {
    if (this.#reserve.fill()) this.full = false;
    return !this.full;
  }

  close(): void {
    closeSync(this.#fd);
    this.#reserve.close();
  }
}
