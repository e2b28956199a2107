/**
 * Reads durable records from the segments, in order, from any position; checks every crc and that no position is missing.
 * Memory is one block, however far behind the reader is.
 */
import { close, read } from "node:fs";
import { promisify } from "node:util";
import { ThroughlineError } from "../../schemas/errors.ts";
import { textTable } from "./bytes.ts";
import { framePosition, recordBytesMax } from "./frame.ts";
import { readRecord, type StoredRecord } from "./record.ts";
import { openSegment, splitFrames } from "./segment.ts";
import type { Place, ShelfFile } from "./shelf.ts";

/** What a reader needs of the shelf. */
export interface Shelved {
  readonly files: readonly ShelfFile[];
  readonly synced: Place;
}

const blockBytes = 512 * 1024;
const readAsync = promisify(read);
const closeAsync = promisify(close);

export class LogReader {
  readonly #shelf: Shelved;
  readonly #texts = textTable(256);
  #fd: number | null = null;
  #file = -1;
  #offset = 0;
  #position: number;

  /** @param after the position before the first record wanted */
  constructor(shelf: Shelved, after: number) {
    this.#shelf = shelf;
    this.#position = after;
  }

  /** The last position read. */
  get position(): number {
    return this.#position;
  }

  /** @returns the next records, empty at the durable end. @throws ThroughlineError `log.damaged` with file:offset */
  async next(): Promise<StoredRecord[]> {
    for (;;) {
      if (this.#fd === null) await this.#openAt(this.#fileOf(this.#position + 1));
      const { file, offset } = this.#shelf.synced;
      const limit = this.#file < file ? Number.POSITIVE_INFINITY : offset;
      const block = await this.#block(limit);
      if (block.length > 0) {
        const records = this.#split(block);
        if (records.length > 0) return records;
      } else if (this.#file < file) await this.#openAt(this.#file + 1);
      else return [];
    }
  }

  #fileOf(position: number): number {
    const { files } = this.#shelf;
    let index = files.length - 1;
    while (index > 0 && (files[index]?.first ?? 0) > position) index--;
    return index;
  }

  async #openAt(index: number): Promise<void> {
    await this.close();
    const file = this.#shelf.files[index];
    const found = file && openSegment(file.path, "r");
    if (!found) throw new ThroughlineError("log.damaged", `Segment ${index} of the log is not readable`);
    this.#fd = found.fd;
    this.#file = index;
    this.#offset = found.segment.start;
    if (found.segment.first > this.#position + 1)
      throw new ThroughlineError("log.damaged", `${found.segment.path}:0 position ${this.#position + 1} is not here`);
  }

  async #block(limit: number): Promise<Buffer> {
    const fd = this.#fd;
    const size = Math.min(blockBytes, limit - this.#offset);
    if (fd === null || size <= 0) return Buffer.alloc(0);
    const first = await readFully(fd, size, this.#offset);
    // A record longer than a block: read as much as a record can be.
    if (
      first.length === size &&
      size === blockBytes &&
      first.readUInt32LE(0) > size &&
      first.readUInt32LE(0) <= recordBytesMax
    )
      return readFully(fd, first.readUInt32LE(0), this.#offset);
    return first;
  }

  #split(block: Buffer): StoredRecord[] {
    const records: StoredRecord[] = [];
    const { end, rest } = splitFrames(block, (at, length) => {
      const position = framePosition(block, at);
      if (position <= this.#position) return;
      if (position !== this.#position + 1) throw this.#damaged(at, `position ${this.#position + 1} is missing`);
      records.push(readRecord(block, at, length, this.#texts));
      this.#position = position;
    });
    if (end === 0 || rest === "damaged") throw this.#damaged(end, "a record is damaged");
    this.#offset += end;
    return records;
  }

  #damaged(at: number, what: string): ThroughlineError {
    return new ThroughlineError("log.damaged", `${this.#shelf.files[this.#file]?.path}:${this.#offset + at} ${what}`);
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) await closeAsync(fd);
  }
}

async function readFully(fd: number, size: number, offset: number): Promise<Buffer> {
  const block = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await readAsync(fd, block, filled, size - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}
