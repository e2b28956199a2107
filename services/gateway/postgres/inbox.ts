/**
 * What a peer has said during a login, taken in exact amounts. Only for the few messages before a session: afterwards
 * bytes go through a Scanner. Keeps at most a bounded number of bytes and then stops reading, so that a peer that
 * talks ahead costs nothing.
 */
import type { Duplex } from "node:stream";
import { ThroughlineError } from "../../../schemas/errors.ts";
import { limits } from "../../../schemas/limits.ts";

interface Wanted {
  readonly bytes: number;
  readonly done: (taken: Buffer) => void;
  readonly failed: (error: ThroughlineError) => void;
}

export class Inbox {
  readonly stream: Duplex;
  /** Bytes that ever came in. */
  received = 0;
  #kept: Buffer = Buffer.alloc(0);
  #wanted: Wanted | null = null;
  #broken: ThroughlineError | null = null;
  readonly #onData = (chunk: Buffer) => this.#add(chunk);
  readonly #onGone = () => this.fail(new ThroughlineError("login.abandoned", "the peer closed the connection"));

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on("data", this.#onData).on("end", this.#onGone).on("close", this.#onGone);
    if (stream.destroyed) this.#onGone();
  }

  /** Bytes that are here and not taken. */
  get waiting(): number {
    return this.#kept.length;
  }

  get gone(): boolean {
    return this.#broken !== null;
  }

  /** @throws ThroughlineError `login.abandoned` when the peer leaves first; whatever fail() was given */
  take(bytes: number): Promise<Buffer> {
    return new Promise((done, failed) => {
      this.#wanted = { bytes, done, failed };
      this.#settle();
    });
  }

  /** Every wait, now and later, ends with this. What is already here can still be taken. */
  fail(error: ThroughlineError): void {
    this.#broken ??= error;
    this.#settle();
  }

  /** Stops listening and pauses the stream. @returns what was not taken */
  release(): Buffer {
    this.stream.pause();
    this.stream.off("data", this.#onData).off("end", this.#onGone).off("close", this.#onGone);
    const rest = this.#kept;
    this.#kept = Buffer.alloc(0);
    return rest;
  }

  #add(chunk: Buffer): void {
    this.received += chunk.length;
    this.#kept = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    if (this.#kept.length > limits.passwordBytesMax) this.stream.pause();
    this.#settle();
  }

  #settle(): void {
    const wanted = this.#wanted;
    if (wanted === null) return;
    if (this.#kept.length >= wanted.bytes) {
      this.#wanted = null;
      const taken = this.#kept.subarray(0, wanted.bytes);
      this.#kept = this.#kept.subarray(wanted.bytes);
      wanted.done(taken);
    } else if (this.#broken !== null) {
      this.#wanted = null;
      wanted.failed(this.#broken);
    } else {
      this.stream.resume();
    }
  }
}

export interface LoginFrame {
  readonly type: number;
  readonly body: Buffer;
  /** The frame as it came, header included. */
  readonly bytes: Buffer;
}

/** @throws ThroughlineError `frame.malformed`, `frame.too_large` before a byte of the body is read */
export async function takeFrame(inbox: Inbox, bytesMax: number): Promise<LoginFrame> {
  const head = await inbox.take(5);
  const length = head.readUInt32BE(1);
  if (length < 4) throw new ThroughlineError("frame.malformed", `a message says it is ${length} bytes long`);
  if (length > bytesMax) throw new ThroughlineError("frame.too_large", `a message of ${length} bytes during login`);
  const body = await inbox.take(length - 4);
  return { type: head[0]!, body, bytes: Buffer.concat([head, body]) };
}
