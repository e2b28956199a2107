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
  bytes: Buffer;
  at: number;
  end: number;
  readonly #texts: ByteTable<string>;

  constructor(bytes: Buffer, at: number, end: number, texts: ByteTable<string>) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.#texts = texts;
  }

  /** Goes on with other bytes: one reader serves many sections. */
  open(bytes: Buffer, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  u8(): number {
    if (this.at >= this.end) throw new RangeError("the section ends early");
    return this.bytes[this.at++] ?? 0;
  }

  varint(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    this.at -= 1;
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

/** What a table keeps of a key beside its slot; longer ones stand by themselves. */
const cellBytes = 64;
/** Longer keys are decoded each time. */
const keyBytesMax = 2048;

/**
 * Values by the bytes they were decoded from: equal bytes give the same value without decoding again. Direct-mapped,
 * so it is bounded and forgets by overwriting; what it returns never depends on what it remembers.
 */
export class ByteTable<T> {
  readonly #values: (T | undefined)[];
  /** Of each slot: the length of its key, 0 = empty; and its hash. */
  readonly #lengths: Uint16Array;
  readonly #hashes: Int32Array;
  readonly #cells: Uint8Array;
  readonly #long = new Map<number, Uint8Array>();
  readonly #decode: (bytes: Buffer, start: number, end: number) => T;

  /** @param size a power of two */
  constructor(size: number, decode: (bytes: Buffer, start: number, end: number) => T) {
    this.#values = new Array<T | undefined>(size).fill(undefined);
    this.#lengths = new Uint16Array(size);
    this.#hashes = new Int32Array(size);
    this.#cells = new Uint8Array(size * cellBytes);
    this.#decode = decode;
  }

  get(bytes: Buffer, start: number, end: number): T {
    const length = end - start;
    if (length > keyBytesMax || length === 0) return this.#decode(bytes, start, end);
    const hash = hashOf(bytes, start, end);
    const slot = (hash ^ (hash >>> 15)) & (this.#lengths.length - 1);
    if (this.#lengths[slot] === length && this.#hashes[slot] === hash && this.#holds(slot, bytes, start, end))
      return this.#values[slot] as T;
    const value = this.#decode(bytes, start, end);
    this.#keep(slot, bytes, start, end);
    this.#values[slot] = value;
    this.#lengths[slot] = length;
    this.#hashes[slot] = hash;
    return value;
  }

  #holds(slot: number, bytes: Buffer, start: number, end: number): boolean {
    const long = end - start > cellBytes;
    const known = long ? this.#long.get(slot) : this.#cells;
    if (known === undefined) return false;
    for (let i = start, k = long ? 0 : slot * cellBytes; i < end; i++, k++) if (known[k] !== bytes[i]) return false;
    return true;
  }

  #keep(slot: number, bytes: Buffer, start: number, end: number): void {
    if (end - start > cellBytes) {
      this.#long.set(slot, Uint8Array.from(bytes.subarray(start, end)));
      return;
    }
    if ((this.#lengths[slot] ?? 0) > cellBytes) this.#long.delete(slot);
    for (let i = start, k = slot * cellBytes; i < end; i++, k++) this.#cells[k] = bytes[i] ?? 0;
  }
}

/** Four bytes at a time. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5 ^ (end - start);
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word =
      (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24);
    hash = Math.imul(hash ^ word, 0x5bd1e995);
    hash ^= hash >>> 13;
  }
  for (; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash | 0;
}

export function textTable(size: number): ByteTable<string> {
  return new ByteTable(size, (bytes, start, end) => bytes.toString("utf8", start, end));
}
