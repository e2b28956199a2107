/**
 * Rows on their way into a table, column by column, in ClickHouse's own format `Native`: what it reads fastest, because
 * it is how it keeps them (test/bench/store.ts measures it against JSONEachRow). No object per row or cell is made.
 *
 * Bytes of a block: number of columns, number of rows, then per column its name, its type and all its values.
 * Types are plain (`String` for a LowCardinality column): the engine converts. Pure; refuses nothing.
 */
import { ByteWriter } from "../log/bytes.ts";

interface Column {
  readonly type: string;
  /** The values of all rows, as they follow the type. */
  values(): Uint8Array[];
}

const columnBytes = 4096;

export class TextColumn implements Column {
  readonly type: string = "String";
  readonly #bytes = new ByteWriter(columnBytes);

  add(value: string): void {
    this.#bytes.text(value);
  }

  /** The same, of text that is UTF-8 already. */
  addBytes(value: Uint8Array): void {
    this.#bytes.varint(value.length);
    this.#bytes.copy(value);
  }

  values(): Uint8Array[] {
    return [this.#bytes.taken()];
  }
}

export class MaybeTextColumn implements Column {
  readonly type = "Nullable(String)";
  readonly #isNull = new ByteWriter(64);
  readonly #texts = new TextColumn();

  add(value: string | null): void {
    this.#isNull.u8(value === null ? 1 : 0);
    this.#texts.add(value ?? "");
  }

  values(): Uint8Array[] {
    return [this.#isNull.taken(), ...this.#texts.values()];
  }
}

/** Whole numbers from 0 to 2^53 − 1. */
export class NumberColumn implements Column {
  readonly type: string;
  readonly #bytes = new ByteWriter(columnBytes);
  readonly #isShort: boolean;

  /** @param type `Date` (days since 1970), `UInt64`, `DateTime64(3, 'UTC')` (milliseconds since 1970) */
  constructor(type: "Date" | "UInt64" | "DateTime64(3, 'UTC')") {
    this.type = type;
    this.#isShort = type === "Date";
  }

  add(value: number): void {
    const to = this.#bytes;
    to.reserve(8);
    if (this.#isShort) {
      to.used = to.bytes.writeUInt16LE(value, to.used);
    } else {
      to.bytes.writeUInt32LE(value >>> 0, to.used);
      to.used = to.bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), to.used + 4);
    }
  }

  values(): Uint8Array[] {
    return [this.#bytes.taken()];
  }
}

export class TextsColumn implements Column {
  readonly type = "Array(String)";
  readonly #ends = new NumberColumn("UInt64");
  readonly #texts = new TextColumn();
  #end = 0;

  add(values: readonly string[]): void {
    for (const value of values) this.#texts.add(value);
    this.#end += values.length;
    this.#ends.add(this.#end);
  }

  values(): Uint8Array[] {
    return [...this.#ends.values(), ...this.#texts.values()];
  }
}

/** @param columns by their names in the table @returns one block's bytes, in pieces */
export function blockBytes(columns: Readonly<Record<string, Column>>, rows: number): Uint8Array[] {
  const entries = Object.entries(columns);
  const pieces: Uint8Array[] = [];
  const head = new ByteWriter(64);
  head.varint(entries.length);
  head.varint(rows);
  pieces.push(head.taken());
  for (const [name, column] of entries) {
    const title = new ByteWriter(64);
    title.text(name);
    title.text(column.type);
    pieces.push(title.taken(), ...column.values());
  }
  return pieces;
}
