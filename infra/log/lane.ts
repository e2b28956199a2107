/**
 * One source's records in one stream: gives the sequence, writes the envelope around what it is given, gathers the bytes
 * of the batch that is not closed yet, and carries the chain. The writer uses it for local sources, the socket's client
 * for its own, and the writer again to follow what came over the socket.
 * It decides nothing about order, time or durability; what it was given must not change afterwards.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventId, EventType, Stream, Subject } from "../../schemas/event.ts";
import { limits } from "../../schemas/limits.ts";
import { ByteWriter } from "./bytes.ts";
import { batchHash, firstHead, nextHead } from "./chain.ts";
import { partHeadBytes, writePartHead } from "./frame.ts";
import { eventId, paddedSequence } from "./record.ts";
import { isStepType, type StepData, type StepEncoder } from "./step.ts";
import { codeOf } from "./type-code.ts";

/** Where a lane stands: the last sequence and the head of the chain up to it. */
export interface LaneState {
  readonly source: string;
  readonly stream: Stream;
  readonly sequence: number;
  readonly head: Uint8Array;
}

export interface Saying {
  readonly type: EventType;
  readonly subject: Subject;
  /** For the step section. */
  readonly folded: unknown;
  readonly id: string | undefined;
  /** The envelope from `,"type":` on. */
  readonly rest: string | readonly Uint8Array[];
}

export class Lane {
  readonly tenant: string;
  readonly source: string;
  readonly stream: Stream;
  /** Last one given. */
  sequence: number;
  /** Last one under `head`. */
  sealed: number;
  head: Uint8Array;
  /** Last one that is no checkpoint, and the last that a checkpoint covers; after a start, what was there is signed again. */
  newest = 0;
  signed = 0;
  /** The parts of the open batch, one behind the other. */
  readonly pending = new ByteWriter(64 * 1024);
  readonly #sourceBytes: Buffer;
  readonly #template: Buffer;
  readonly #idAt: number;
  readonly #sequenceAt: number;
  readonly #timeAt: number;
  #timeMs = -1;

  constructor(tenant: string, source: string, stream: Stream, state: LaneState | undefined) {
    this.tenant = tenant;
    this.source = source;
    this.stream = stream;
    this.sequence = state?.sequence ?? 0;
    this.sealed = this.sequence;
    this.newest = this.sequence;
    this.head = state?.head ?? firstHead(tenant, source, stream);
    this.#sourceBytes = Buffer.from(source);
    const start = `{"specversion":"1.0","source":${JSON.stringify(source)},"tenant":${JSON.stringify(tenant)},`;
    const middle = `"datacontenttype":"application/json","stream":"${stream}","id":"${source}/${stream === "steps" ? "s" : "e"}/`;
    const digits = paddedSequence(this.sequence + 1);
    this.#template = Buffer.from(`${start}${middle}${digits}","sequence":"${digits}","time":"${" ".repeat(24)}"`);
    this.#idAt = Buffer.byteLength(start + middle);
    this.#sequenceAt = this.#idAt + 16 + '","sequence":"'.length;
    this.#timeAt = this.#sequenceAt + 16 + '","time":"'.length;
  }

  get nextId(): EventId {
    return eventId(this.source, this.stream, this.sequence + 1);
  }

  get state(): LaneState {
    return { source: this.source, stream: this.stream, sequence: this.sealed, head: this.head };
  }

  /**
   * Writes the part of the next record behind the pending ones.
   * @returns where it starts in `pending`. @throws ThroughlineError `frame.too_large`, and then nothing was said
   */
  say(saying: Saying, encoder: StepEncoder, nowMs: number): number {
    const { pending } = this;
    const start = pending.used;
    const { type, subject, folded, id, rest } = saying;
    pending.reserve(partHeadBytes + this.#sourceBytes.length);
    writePartHead(pending.bytes, start, this.stream, codeOf(type), this.sequence + 1, this.#sourceBytes.length);
    pending.used = start + partHeadBytes;
    pending.copy(this.#sourceBytes);
    const stepAt = pending.used;
    if (id === undefined && isStepType(type)) encoder.encode(pending, type, subject, folded as StepData);
    const jsonAt = pending.used;
    this.#envelope(id, nowMs);
    if (typeof rest === "string") pending.utf8(rest, Buffer.byteLength(rest));
    else for (const piece of rest) pending.copy(piece);
    const jsonBytes = pending.used - jsonAt;
    if (jsonBytes > limits.eventBytesMax) {
      pending.used = start;
      throw new ThroughlineError("frame.too_large", `${type} of ${jsonBytes} bytes is over ${limits.eventBytesMax}`);
    }
    pending.bytes.writeUInt32LE(jsonAt - stepAt, start + 12);
    pending.bytes.writeUInt32LE(jsonBytes, start + 16);
    this.#count(type);
    increment(this.#template, this.#idAt);
    increment(this.#template, this.#sequenceAt);
    return start;
  }

  /** Takes over the part of a record that another process said with the next sequence. @returns where it starts */
  hear(part: Uint8Array, type: EventType): number {
    const start = this.pending.used;
    this.pending.copy(part);
    this.#count(type);
    return start;
  }

  #count(type: EventType): void {
    this.sequence++;
    if (type !== "log.checkpoint") this.newest = this.sequence;
  }

  #envelope(id: string | undefined, nowMs: number): void {
    if (nowMs !== this.#timeMs) {
      this.#timeMs = nowMs;
      this.#template.write(new Date(nowMs).toISOString(), this.#timeAt, 24, "latin1");
    }
    if (id === undefined) {
      this.pending.copy(this.#template);
      return;
    }
    const before = this.#template.subarray(0, this.#idAt - this.source.length - 4);
    const ownId = `${JSON.stringify(id)},"sequence":"`;
    this.pending.copy(before);
    this.pending.utf8(ownId, Buffer.byteLength(ownId));
    this.pending.copy(this.#template.subarray(this.#sequenceAt));
  }

  /** The head that closing the open batch now would give. */
  nextHead(): Uint8Array {
    return this.pending.used === 0 ? this.head : nextHead(this.head, batchHash(this.pending.taken()));
  }

  /** Closes the batch. @param head from `nextHead` */
  seal(head: Uint8Array): void {
    this.head = head;
    this.sealed = this.sequence;
    this.pending.used = 0;
  }
}

/** Adds one to 16 decimal digits in place. */
function increment(bytes: Buffer, at: number): void {
  for (let i = at + 15; i >= at; i--) {
    const digit = bytes[i] ?? 0x30;
    if (digit < 0x39) {
      bytes[i] = digit + 1;
      return;
    }
    bytes[i] = 0x30;
  }
}
