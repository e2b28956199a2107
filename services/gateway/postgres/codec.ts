/**
 * Frames from the client → what they ask. Decodes names, texts and bound values; never encodes: what is allowed
 * passes as the bytes it came in. Strict to the last byte, because a message that the target would read otherwise
 * than we do is a way round. Values keep their bytes: text as text, binary (and what is no UTF-8) as base64 behind `\b:`.
 * It cannot see what a name stands for (prepared.ts) nor what a text does (effects/).
 */
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Named } from "./messages.ts";

export interface Text {
  readonly value: string;
  /** The same bytes mean the same to the grammar and to the target: ASCII, or valid UTF-8. */
  readonly ascii: boolean;
  readonly valid: boolean;
}

export interface ParseMessage {
  readonly statement: string;
  readonly text: Text;
  /** OIDs; 0 = not said. */
  readonly parameterTypes: readonly number[];
}

export interface BindMessage {
  readonly portal: string;
  readonly statement: string;
  readonly parameters: readonly (string | null)[];
  /** As sent: none = all text, one = for all columns, else one per column. */
  readonly resultFormats: readonly number[];
}

export interface NamedMessage {
  readonly kind: Named;
  readonly name: string;
}

export interface ExecuteMessage {
  readonly portal: string;
  readonly rowsMax: number;
}

export interface FunctionMessage {
  readonly oid: number;
  readonly parameters: readonly (string | null)[];
}

/** Before a value that is written in base64. */
const binaryMark = "\\b:";

/** NAMEDATALEN − 1: the target finds statements and portals by their first 63 bytes. */
const nameBytesMax = 63;

function malformed(what: string): ThroughlineError {
  return new ThroughlineError("frame.malformed", what);
}

class Fields {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start + 5;
    this.#end = end;
  }

  byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  slice(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  string(): Buffer {
    const zero = this.#bytes.indexOf(0, this.#at);
    if (zero < 0 || zero >= this.#end) throw malformed("a string has no end");
    const found = this.#bytes.subarray(this.#at, zero);
    this.#at = zero + 1;
    return found;
  }

  /** A key for the names of the target's statements and portals: equal exactly when the target finds the same. */
  name(): string {
    const bytes = this.string();
    if (bytes.length <= nameBytesMax) return bytes.toString("latin1");
    // Cut by the target in its own encoding: with other characters than ASCII we could not know where.
    if (!isAscii(bytes)) throw malformed("a statement or portal has a name longer than 63 bytes");
    return bytes.toString("latin1", 0, nameBytesMax);
  }

  int16s(): number[] {
    const count = this.int16();
    if (count < 0) throw malformed("a count is negative");
    return Array.from({ length: count }, () => this.int16());
  }

  /** OIDs. */
  int32s(): number[] {
    const count = this.int16();
    if (count < 0) throw malformed("a count is negative");
    return Array.from({ length: count }, () => this.int32() >>> 0);
  }

  finish(): void {
    if (this.#at !== this.#end) throw malformed("a message is longer than its fields");
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || at + length > this.#end) throw malformed("a field goes past the end of its message");
    this.#at = at + length;
    return at;
  }
}

/** The key that `Fields.name` gives for a name the grammar read. @returns null when the target may cut it elsewhere */
export function nameKey(name: string): string | null {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length <= nameBytesMax) return bytes.toString("latin1");
  return isAscii(bytes) ? bytes.toString("latin1", 0, nameBytesMax) : null;
}

function isAscii(bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! >= 0x80) return false;
  return true;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function text(bytes: Buffer): Text {
  if (isAscii(bytes)) return { value: bytes.toString("latin1"), ascii: true, valid: true };
  try {
    return { value: strict.decode(bytes), ascii: false, valid: true };
  } catch {
    return { value: bytes.toString("latin1"), ascii: false, valid: false };
  }
}

/** A text the grammar has read already. */
export function textOf(value: string): Text {
  return { value, ascii: isAscii(Buffer.from(value)), valid: true };
}

export function readQuery(bytes: Buffer, start: number, end: number): Text {
  const fields = new Fields(bytes, start, end);
  const value = text(fields.string());
  fields.finish();
  return value;
}

export function readParse(bytes: Buffer, start: number, end: number): ParseMessage {
  const fields = new Fields(bytes, start, end);
  const message = { statement: fields.name(), text: text(fields.string()), parameterTypes: fields.int32s() };
  fields.finish();
  return message;
}

export function readBind(bytes: Buffer, start: number, end: number): BindMessage {
  const fields = new Fields(bytes, start, end);
  const portal = fields.name();
  const statement = fields.name();
  const parameters = values(fields);
  const resultFormats = fields.int16s();
  fields.finish();
  return { portal, statement, parameters, resultFormats };
}

function values(fields: Fields): (string | null)[] {
  const formats = fields.int16s();
  const count = fields.int16();
  if (count < 0 || (formats.length > 1 && formats.length !== count)) throw malformed("formats do not fit parameters");
  const found: (string | null)[] = [];
  for (let i = 0; i < count; i++) {
    const length = fields.int32();
    const binary = (formats.length === 1 ? formats[0] : formats[i]) === 1;
    found.push(length === -1 ? null : value(fields.slice(length), binary));
  }
  return found;
}

/** Different bytes are different strings, or an approval for one value would cover another. */
function value(bytes: Buffer, binary: boolean): string {
  const read = binary ? null : text(bytes);
  if (read?.valid === true && !read.value.startsWith(binaryMark)) return read.value;
  return binaryMark + bytes.toString("base64");
}

/** Describe and Close. */
export function readNamed(bytes: Buffer, start: number, end: number): NamedMessage {
  const fields = new Fields(bytes, start, end);
  const kind = fields.byte();
  if (kind !== 0x53 && kind !== 0x50) throw malformed("neither a statement nor a portal is named");
  const name = fields.name();
  fields.finish();
  return { kind: kind === 0x53 ? "S" : "P", name };
}

export function readExecute(bytes: Buffer, start: number, end: number): ExecuteMessage {
  const fields = new Fields(bytes, start, end);
  const message = { portal: fields.name(), rowsMax: fields.int32() };
  fields.finish();
  return message;
}

export function readFunctionCall(bytes: Buffer, start: number, end: number): FunctionMessage {
  const fields = new Fields(bytes, start, end);
  const oid = fields.int32() >>> 0;
  const parameters = values(fields);
  fields.int16();
  fields.finish();
  return { oid, parameters };
}
