/**
 * The values of COPY data as they pass by, in both directions: text, CSV and binary. Looks at frames of CopyData in pieces,
 * as the Scanner gives them, and keeps no more than the line or row that a piece has cut.
 */
import { textsOf } from "../content-binary.ts";
import { unescaped } from "../content-text.ts";

const headerBytes = 5;
const signature = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");
/** Signature, flags, length of the extension. */
const binaryHeadBytes = signature.length + 8;
/** A longer line is looked at in pieces; a longer binary field is passed over. */
const keptBytesMax = 1024 * 1024;
const newline = 0x0a;

export class CopyValues {
  readonly #found: (text: string) => void;
  readonly #row: () => void;
  readonly #payload: (data: Buffer) => void;
  /** Bytes of the frame at hand that are still to come. */
  #left = 0;
  #rest: Buffer = Buffer.alloc(0);
  #binary: boolean | null = null;
  /** Bytes of an oversized binary field still to be passed over. */
  #skip = 0;
  /** Fields of the binary row at hand still to come. */
  #fields = 0;

  /** @param payload hears the data itself, without the frames around it */
  constructor(found: (text: string) => void, row: () => void, payload: (data: Buffer) => void = () => {}) {
    this.#found = found;
    this.#row = row;
    this.#payload = payload;
  }

  /** Frames with their headers, or a piece of one: `bytes.subarray(start, end)`. */
  frames(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#left === 0) {
        if (end - at < headerBytes) return;
        this.#left = bytes.readUInt32BE(at + 1) - 4;
        at += headerBytes;
      }
      const taken = Math.min(this.#left, end - at);
      if (taken > 0) this.#take(bytes.subarray(at, at + taken));
      this.#left -= taken;
      at += taken;
    }
  }

  /** No more comes. */
  finish(): void {
    if (this.#binary !== true && this.#rest.length > 0) this.#line(this.#rest);
    this.#rest = Buffer.alloc(0);
  }

  #take(data: Buffer): void {
    this.#payload(data);
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, data]) : data;
    if (this.#binary === null) {
      if (all.length < signature.length && signature.subarray(0, all.length).equals(all)) {
        this.#rest = Buffer.from(all);
        return;
      }
      this.#binary = all.subarray(0, signature.length).equals(signature);
      if (this.#binary) this.#skip = binaryHeadBytes;
    }
    this.#rest = Buffer.from(this.#binary ? this.#rows(all) : this.#lines(all));
  }

  /** @returns what is left over */
  #lines(all: Buffer): Buffer {
    let at = 0;
    for (let end = all.indexOf(newline, at); end >= 0; end = all.indexOf(newline, at)) {
      this.#line(all.subarray(at, end));
      at = end + 1;
    }
    if (all.length - at <= keptBytesMax) return all.subarray(at);
    this.#line(all.subarray(at));
    return all.subarray(all.length);
  }

  #line(line: Buffer): void {
    this.#row();
    for (const field of line.toString("utf8").split("\t")) {
      this.#found(field);
      if (field.includes("\\")) this.#found(unescaped(field));
    }
  }

  /** @returns what is left over */
  #rows(all: Buffer): Buffer {
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#skip, all.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (this.#skip > 0) return all.subarray(at);
      if (this.#fields === 0) {
        if (all.length - at < 2) return all.subarray(at);
        this.#fields = Math.max(0, all.readInt16BE(at));
        at += 2;
        this.#row();
        continue;
      }
      if (all.length - at < 4) return all.subarray(at);
      const length = Math.max(0, all.readInt32BE(at));
      if (length > keptBytesMax) this.#skip = length + 4;
      else if (all.length - at < 4 + length) return all.subarray(at);
      else {
        textsOf(all.subarray(at + 4, at + 4 + length), 0, this.#found);
        at += 4 + length;
      }
      this.#fields -= 1;
    }
  }
}
