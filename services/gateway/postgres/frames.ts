/**
 * Bytes ↔ frames of the PostgreSQL protocol, both directions, after the startup packet.
 *
 * A Scanner hops from header to header over the chunks as they arrive. It makes no object per frame and copies nothing
 * that lies in one chunk; rows and COPY data pass as runs of many frames. It knows lengths and types only: what a
 * frame means is codec work. A length outside the limits ends the connection here, before a byte of it is kept.
 */
import { ThroughlineError } from "../../../schemas/errors.ts";
import { limits } from "../../../schemas/limits.ts";

/** Type bytes of messages from the client; names as in the PostgreSQL specification, §54.7. */
export const clientTypes = {
  Query: 0x51,
  Parse: 0x50,
  Bind: 0x42,
  Describe: 0x44,
  Execute: 0x45,
  Close: 0x43,
  Sync: 0x53,
  Flush: 0x48,
  Terminate: 0x58,
  CopyData: 0x64,
  CopyDone: 0x63,
  CopyFail: 0x66,
  FunctionCall: 0x46,
  /** PasswordMessage, SASLInitialResponse, SASLResponse: login only. */
  Password: 0x70,
} as const;

/** Type bytes of messages from the target. */
export const targetTypes = {
  Authentication: 0x52,
  BackendKeyData: 0x4b,
  ParameterStatus: 0x53,
  ReadyForQuery: 0x5a,
  RowDescription: 0x54,
  DataRow: 0x44,
  CommandComplete: 0x43,
  ErrorResponse: 0x45,
  NoticeResponse: 0x4e,
  NotificationResponse: 0x41,
  ParseComplete: 0x31,
  BindComplete: 0x32,
  CloseComplete: 0x33,
  NoData: 0x6e,
  PortalSuspended: 0x73,
  ParameterDescription: 0x74,
  CopyInResponse: 0x47,
  CopyOutResponse: 0x48,
  CopyBothResponse: 0x57,
  CopyData: 0x64,
  CopyDone: 0x63,
  EmptyQueryResponse: 0x49,
  FunctionCallResponse: 0x56,
  NegotiateProtocolVersion: 0x76,
} as const;

/** `whole`: one frame at a time, gathered over chunks. `stream`: pieces as they come, many frames at once. */
export type Delivery = "whole" | "stream";

/** PostgreSQL's own limit (PQ_SMALL_MESSAGE_LIMIT) for messages that carry a name at most. */
const smallBytesMax = 10_000;

interface FrameTable {
  /** Largest length field per type byte; 0 = no such type from this side. */
  readonly bytesMax: Uint32Array;
  readonly streams: readonly number[];
}

function table(types: Record<string, number>, bytesMax: (type: number) => number, streams: number[]): FrameTable {
  const max = new Uint32Array(256);
  for (const type of Object.values(types)) max[type] = bytesMax(type);
  return { bytesMax: max, streams };
}

const { Query, Parse, Bind, FunctionCall, CopyData } = clientTypes;
const large: readonly number[] = [Query, Parse, Bind, FunctionCall, CopyData];

function clientBytesMax(type: number): number {
  if (type === clientTypes.Password) return 0;
  return large.includes(type) ? limits.messageBytesMax : smallBytesMax;
}

function targetBytesMax(type: number): number {
  return type === targetTypes.DataRow || type === CopyData ? limits.messageBytesMax : limits.statementBytesMax;
}

const headerBytes = 5;
const nothing = Buffer.alloc(0);

/**
 * `feed(chunk)`, then `while (next())` look at the fields. They hold until the next call.
 * @throws ThroughlineError `frame.malformed`, `frame.too_large` from next()
 */
export class Scanner {
  /** Type byte of the frame(s) found. */
  type = 0;
  /** Where they lie: `bytes.subarray(start, end)`, header included. `bytes` is the chunk itself, or a joined copy. */
  bytes: Buffer = nothing;
  start = 0;
  end = 0;
  /** Exactly one complete frame; else a piece of a stream. */
  whole = false;
  /** Frames that end in this piece. */
  count = 0;
  /** The piece begins with a header; it ends where a frame ends. Both true for a whole frame. */
  first = false;
  last = false;
  /** Bytes of the (last begun) frame with its type byte: known at its first piece. */
  length = 0;

  readonly #bytesMax: Uint32Array;
  readonly #streams = new Uint8Array(256);
  readonly #wholeBytesMax: number;
  #chunk: Buffer = nothing;
  #at = 0;
  /** Bytes of a streamed frame that are still to come. */
  #left = 0;
  #leftType = 0;
  /** Fewer than five bytes of a header that a chunk's end cut in two. */
  readonly #head = Buffer.alloc(headerBytes);
  #headBytes = 0;
  #parts: Buffer[] = [];
  #missing = 0;

  /** @param wholeBytesMax larger frames of a `whole` type come as a stream (`whole` false); the caller decides */
  constructor(side: "client" | "target", wholeBytesMax: number = limits.statementBytesMax) {
    const frames = side === "client" ? clientFrames : targetFrames;
    this.#bytesMax = frames.bytesMax;
    this.#wholeBytesMax = wholeBytesMax;
    for (const type of frames.streams) this.#streams[type] = 1;
  }

  /** Changes how frames of a type are delivered, from the next frame on. */
  deliver(type: number, delivery: Delivery): void {
    this.#streams[type] = delivery === "stream" ? 1 : 0;
  }

  /** True between frames: everything fed so far was delivered. */
  get idle(): boolean {
    return this.#left === 0 && this.#missing === 0 && this.#headBytes === 0 && this.#at >= this.#chunk.length;
  }

  /** Only after next() returned false: what was fed before is delivered or gathered. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Bytes fed but not yet delivered, for a handover in the middle of a chunk. */
  rest(): Buffer {
    const rest = this.#chunk.subarray(this.#at);
    const head = this.#head.subarray(0, this.#headBytes);
    return Buffer.concat([...this.#parts, head, rest]);
  }

  next(): boolean {
    const available = this.#chunk.length - this.#at;
    if (available <= 0) return false;
    if (this.#missing > 0) return this.#gather(available);
    if (this.#left > 0) return this.#streamOn(available);
    if (this.#headBytes > 0) return this.#joinHead(available);
    if (available < headerBytes) return this.#keepHead();
    return this.#begin(available);
  }

  #begin(available: number): boolean {
    const at = this.#at;
    const chunk = this.#chunk;
    const length = this.#frameLength(chunk, at);
    const type = chunk[at]!;
    if (this.#streams[type] === 1 || length > this.#wholeBytesMax) {
      this.#left = length;
      this.#leftType = type;
      return this.#streamOn(available, true);
    }
    if (length > available) {
      this.#missing = length - available;
      this.#parts.push(chunk.subarray(at));
      this.#at = chunk.length;
      return false;
    }
    this.#at = at + length;
    return this.#found(type, chunk, at, at + length);
  }

  #streamOn(available: number, first = false): boolean {
    const type = this.#leftType;
    const taken = Math.min(this.#left, available);
    this.type = type;
    this.whole = false;
    this.first = first;
    this.bytes = this.#chunk;
    this.start = this.#at;
    this.#left -= taken;
    this.#at += taken;
    this.count = this.#left === 0 ? 1 : 0;
    if (this.#left === 0 && this.#streams[type] === 1) this.#hop(type);
    this.last = this.#left === 0;
    this.end = this.#at;
    return true;
  }

  /** Goes on over frames of the same type: four byte reads and a comparison for each. */
  #hop(type: number): void {
    const chunk = this.#chunk;
    const size = chunk.length;
    const max = this.#bytesMax[type]!;
    let at = this.#at;
    let count = this.count;
    while (at + headerBytes <= size && chunk[at] === type) {
      const length = ((chunk[at + 1]! << 24) | (chunk[at + 2]! << 16) | (chunk[at + 3]! << 8) | chunk[at + 4]!) >>> 0;
      if (length < 4 || length > max) break; // next() looks again and throws
      if (at + 1 + length > size) break; // an open frame is a piece of its own
      at += 1 + length;
      count += 1;
    }
    this.#at = at;
    this.count = count;
  }

  #gather(available: number): boolean {
    const taken = Math.min(this.#missing, available);
    this.#parts.push(this.#chunk.subarray(this.#at, this.#at + taken));
    this.#at += taken;
    this.#missing -= taken;
    if (this.#missing > 0) return false;
    const joined = Buffer.concat(this.#parts);
    this.#parts = [];
    return this.#found(joined[0]!, joined, 0, joined.length);
  }

  #keepHead(): boolean {
    this.#headBytes = this.#chunk.copy(this.#head, 0, this.#at);
    this.#at = this.#chunk.length;
    return false;
  }

  #joinHead(available: number): boolean {
    const taken = Math.min(headerBytes - this.#headBytes, available);
    this.#chunk.copy(this.#head, this.#headBytes, this.#at, this.#at + taken);
    this.#at += taken;
    this.#headBytes += taken;
    if (this.#headBytes < headerBytes) return false;
    this.#headBytes = 0;
    const head = Buffer.from(this.#head);
    const length = this.#frameLength(head, 0);
    const type = head[0]!;
    if (length === headerBytes && this.#streams[type] === 0) return this.#found(type, head, 0, headerBytes);
    if (this.#streams[type] === 1 || length > this.#wholeBytesMax) return this.#streamHead(type, head, length);
    this.#parts.push(head);
    this.#missing = length - headerBytes;
    return this.next();
  }

  #streamHead(type: number, head: Buffer, length: number): boolean {
    this.#left = length - headerBytes;
    this.#leftType = type;
    this.type = type;
    this.bytes = head;
    this.start = 0;
    this.end = headerBytes;
    this.whole = false;
    this.first = true;
    this.last = this.#left === 0;
    this.count = this.last ? 1 : 0;
    return true;
  }

  #found(type: number, bytes: Buffer, start: number, end: number): boolean {
    this.type = type;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.whole = true;
    this.first = true;
    this.last = true;
    this.count = 1;
    this.length = end - start;
    return true;
  }

  /** @returns bytes of the frame that starts here, type byte included */
  #frameLength(bytes: Buffer, at: number): number {
    const type = bytes[at]!;
    const length = bytes.readUInt32BE(at + 1);
    const max = this.#bytesMax[type]!;
    if (max === 0) throw new ThroughlineError("frame.malformed", `no message has the type 0x${type.toString(16)} here`);
    if (length < 4) throw new ThroughlineError("frame.malformed", `a message says it is ${length} bytes long`);
    if (length > max) {
      throw new ThroughlineError("frame.too_large", `a message of ${length} bytes is over its limit of ${max}`);
    }
    this.length = length + 1;
    return length + 1;
  }
}

const clientFrames = table(clientTypes, clientBytesMax, [CopyData]);
const targetFrames = table(targetTypes, targetBytesMax, [targetTypes.DataRow, CopyData]);
