/**
 * A growing buffer and the number and text forms of the step section. Short ASCII is written and read without a call
 * into native code, because that is what almost every name is.
 * It refuses texts that UTF-8 cannot carry (lone surrogates): then `broken` is set and the caller writes no step section.
 */

export class ByteWriter {
  bytes: Buffer;
  used = 0;
  broken = false;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Makes room for `more` bytes behind `used`. */
  reserve(more: number): void {
    if (this.used + more <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.used + more));
    this.bytes.copy(grown, 0, 0, this.used);
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.used++] = value;
  }

  /** A whole number from 0 to 2^53 − 1, seven bits a byte, low first. */
  varint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.used++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.used++] = rest;
  }

  copy(from: Uint8Array): void {
    this.reserve(from.length);
    this.bytes.set(from, this.used);
    this.used += from.length;
  }

  text(value: string): void {
    const length = value.length;
    if (length < 0x80) {
      this.reserve(length + 1);
      const { bytes, used } = this;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) break;
        bytes[used + 1 + i] = code;
      }
      if (i === length) {
        bytes[used] = length;
        this.used = used + 1 + length;
        return;
      }
    }
    this.#longText(value);
  }

  #longText(value: string): void {
    if (!value.isWellFormed()) this.broken = true;
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.utf8(value, length);
  }

  /** The text's UTF-8 bytes with no length before them. @param length its byte length, or an upper bound */
  utf8(value: string, length: number): void {
    this.reserve(length);
    this.used += this.bytes.write(value, this.used, "utf8");
  }

  taken(): Buffer {
    return this.bytes.subarray(0, this.used);
  }
}

/** Reads what ByteWriter wrote. Throws RangeError when the bytes end early. */
export class ByteReader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
  readonly #texts: ByteTable<string>;

  constructor(bytes: Buffer, at: number, end: number, texts: ByteTable<string>) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.#texts = texts;
  }

  u8(): number {
    if (this.at >= this.end) throw new RangeError("the section ends early");
    return this.bytes[this.at++] ?? 0;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  text(): string {
    const length = this.varint();
    return this.#texts.get(this.bytes, this.take(length), this.at);
  }

  /** @returns where `length` bytes start, and moves behind them */
  take(length: number): number {
    const start = this.at;
    if (start + length > this.end) throw new RangeError("the section ends early");
    this.at = start + length;
    return start;
  }
}

interface Slot<T> {
  readonly bytes: Buffer;
  readonly value: T;
}

/**
 * Values by the bytes they were decoded from: equal bytes give the same value without decoding again. Direct-mapped,
 * so it is bounded and forgets by overwriting; what it returns never depends on what it remembers.
 */
export class ByteTable<T> {
  readonly #slots: (Slot<T> | undefined)[];
  readonly #decode: (bytes: Buffer, start: number, end: number) => T;

  /** @param size a power of two */
  constructor(size: number, decode: (bytes: Buffer, start: number, end: number) => T) {
    this.#slots = new Array<Slot<T> | undefined>(size).fill(undefined);
    this.#decode = decode;
  }

  get(bytes: Buffer, start: number, end: number): T {
    if (end - start > 2048) return this.#decode(bytes, start, end);
    let hash = 0x811c9dc5;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
    const index = (hash ^ (hash >>> 15)) & (this.#slots.length - 1);
    const slot = this.#slots[index];
    if (slot !== undefined && same(slot.bytes, bytes, start, end)) return slot.value;
    const value = this.#decode(bytes, start, end);
    this.#slots[index] = { bytes: Buffer.from(bytes.subarray(start, end)), value };
    return value;
  }
}

function same(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

export function textTable(size: number): ByteTable<string> {
  return new ByteTable(size, (bytes, start, end) => bytes.toString("utf8", start, end));
}
