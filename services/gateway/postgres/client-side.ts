/**
 * Reads what the client asks, one message at a time and in order: while one waits (for its record, for people, for the
 * target to say what names mean) the next ones stay here, and the client is paused when they grow.
 *
 * What the target would throw away until Sync is thrown away here. A message too large to be read is refused, COPY data
 * streams by. What breaks the protocol ends the session.
 */
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Conversation } from "./conversation.ts";
import { CopyBrought } from "./copy-brought.ts";
import { copyEnd } from "./copy-end.ts";
import { extended } from "./extended.ts";
import { Scanner, clientTypes as types } from "./frames.ts";
import { refuseLarge } from "./judged.ts";
import { functionCall, simpleQuery } from "./simple.ts";

type Done = void | Promise<void>;

export interface ClientSideParts {
  readonly talk: Conversation;
  /** The client has ended the session, or broke off. */
  readonly left: (reason: string) => void;
  readonly failed: (error: unknown) => void;
  /** The session may not ask any more (Grant ended, revoked, a block). */
  readonly ended: (reason: string) => void;
}

export class ClientSide {
  readonly #parts: ClientSideParts;
  readonly #scanner: Scanner;
  #inbox: Buffer[] = [];
  #inboxBytes = 0;
  #paused = false;
  #busy = false;
  #ended = false;
  /** The client has closed its side: what it sent before is still done. */
  #last: string | null = null;
  bytes = 0;

  constructor(parts: ClientSideParts) {
    this.#parts = parts;
    this.#scanner = new Scanner("client", parts.talk.parts.bounds.statementBytesMax);
  }

  /** Everything that the client has sent was read, and nothing of it waits here. */
  get idle(): boolean {
    return !this.#busy && this.#inbox.length === 0;
  }

  take(chunk: Buffer): void {
    if (this.#ended) return;
    this.bytes += chunk.length;
    this.#inbox.push(chunk);
    this.#inboxBytes += chunk.length;
    if (this.#inboxBytes > this.#parts.talk.parts.bounds.wireBufferBytesMax) {
      this.#paused = true;
      this.#parts.talk.wire.client.pause();
    }
    this.pump();
  }

  /** Nothing more will come. A held command is given up; what was sent before it left is still done. */
  close(reason: string): void {
    this.#last ??= reason;
    this.#parts.talk.leave();
    this.pump();
  }

  stop(): void {
    this.#ended = true;
    this.#inbox = [];
  }

  pump(): void {
    const { talk } = this.#parts;
    if (this.#busy) return;
    try {
      while (!this.#ended && !talk.outlet.full && this.#next()) {
        const { ending } = talk.session;
        if (ending !== null) {
          this.#parts.ended(ending);
          return;
        }
        const done = this.#message();
        if (done instanceof Promise) {
          this.#wait(done);
          return;
        }
      }
    } catch (error) {
      this.#parts.failed(error);
      return;
    }
    if (this.#ended) return;
    talk.outlet.send();
    if (this.#last !== null && !talk.outlet.full) this.#parts.left(this.#last);
  }

  #wait(done: Promise<void>): void {
    this.#busy = true;
    this.#parts.talk.outlet.send();
    done.then(
      () => {
        this.#busy = false;
        this.pump();
      },
      (error: unknown) => this.#parts.failed(error),
    );
  }

  #next(): boolean {
    while (!this.#scanner.next()) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) return false;
      this.#inboxBytes -= chunk.length;
      this.#scanner.feed(chunk);
      this.#resume();
    }
    return true;
  }

  #resume(): void {
    const { talk } = this.#parts;
    if (!this.#paused || this.#inboxBytes > talk.parts.bounds.wireBufferBytesMax / 2) return;
    this.#paused = false;
    talk.wire.client.resume();
  }

  #message(): Done {
    const { talk } = this.#parts;
    const { type, bytes, start, end, whole } = this.#scanner;
    if (type === types.CopyData) return talk.replies.skipping ? undefined : this.#copyData(bytes, start, end);
    if (type === types.Terminate) return this.#terminate();
    if (type === types.Sync) return this.#sync(bytes, start, end);
    if (type === types.Flush) return this.#flush();
    if (talk.replies.skipping) return;
    if (type === types.CopyDone || type === types.CopyFail) return copyEnd(talk, type, bytes.subarray(start, end));
    if (talk.replies.head?.run?.copying === true) throw misplaced();
    if (!whole) return this.#large(type);
    if (type === types.Query) return simpleQuery(talk, bytes, start, end);
    if (type === types.FunctionCall) return functionCall(talk, bytes, start, end);
    return extended(talk, type, { bytes, start, end });
  }

  /** Its pieces are thrown away; the first one refuses it. */
  #large(type: number): void {
    if (this.#scanner.first) refuseLarge(this.#parts.talk, type, this.#scanner.length);
  }

  #terminate(): void {
    this.#ended = true;
    this.#parts.left("the client ended it");
  }

  /** While COPY takes data the target ignores Sync and Flush, so they stay here. */
  #sync(bytes: Buffer, start: number, end: number): void {
    const { talk } = this.#parts;
    if (talk.replies.head?.run?.copying === true) return;
    if (talk.transaction.status !== "T") talk.names.ending();
    talk.replies.push({ kind: "sync" });
    talk.outlet.final(bytes, start, end);
  }

  #flush(): void {
    const { talk } = this.#parts;
    if (talk.replies.head?.run?.copying !== true) talk.outlet.urge();
  }

  /** What it brings is looked at as it passes by, also what is sent before the target has asked for it. */
  #copyData(bytes: Buffer, start: number, end: number): void {
    const { talk } = this.#parts;
    const run = talk.replies.newest;
    if (run !== undefined && talk.gate.content !== null) {
      run.brought ??= new CopyBrought(talk.gate.content, talk.session);
      run.brought.frames(bytes, start, end);
    }
    talk.outlet.add(bytes, start, end);
  }
}

function misplaced(): ThroughlineError {
  return new ThroughlineError("frame.malformed", "the client sent another command where COPY data was due");
}
