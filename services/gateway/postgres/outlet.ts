/**
 * What goes to the target: the client's own bytes where they are allowed, in as few writes as they came in, and the few
 * messages of the gateway between them. Knows whether the target owes an answer that only a Flush would bring.
 */
import type { Duplex } from "node:stream";
import { flush as flushMessage } from "./messages.ts";

export class Outlet {
  /** Extended messages since the last Sync: the target is inside a batch. */
  batchOpen = false;
  /** An Execute since the last Sync: outside BEGIN, an implicit transaction is open. */
  executed = false;
  /** The target's socket takes no more: stop until `drained` is called. */
  full = false;
  bytes = 0;
  readonly #target: Duplex;
  #pieces: Buffer[] = [];
  #bytes: Buffer | null = null;
  #start = 0;
  #end = 0;
  #unflushed = false;

  constructor(target: Duplex, drained: () => void) {
    this.#target = target;
    target.on("drain", () => {
      this.full = false;
      drained();
    });
  }

  /** Extended-protocol messages: answered at once only after Flush or Sync. */
  extended(bytes: Buffer, start = 0, end: number = bytes.length): void {
    this.batchOpen = true;
    this.#unflushed = true;
    this.add(bytes, start, end);
  }

  /** Sync, Query, FunctionCall: the target answers and the batch is over. */
  final(bytes: Buffer, start = 0, end: number = bytes.length): void {
    this.batchOpen = false;
    this.executed = false;
    this.#unflushed = false;
    this.add(bytes, start, end);
  }

  add(bytes: Buffer, start = 0, end: number = bytes.length): void {
    if (this.#bytes === bytes && this.#end === start) {
      this.#end = end;
      return;
    }
    this.#keep();
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Asks for the answers that the target still keeps back. */
  urge(): void {
    if (this.#unflushed) this.add(flushMessage());
    this.#unflushed = false;
    this.send();
  }

  send(): void {
    this.#keep();
    const pieces = this.#pieces;
    if (pieces.length === 0 || this.#target.destroyed || this.#target.writableEnded) return;
    this.#pieces = [];
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    this.bytes += bytes.length;
    if (!this.#target.write(bytes)) this.full = true;
  }

  #keep(): void {
    if (this.#bytes === null) return;
    const whole = this.#start === 0 && this.#end === this.#bytes.length;
    this.#pieces.push(whole ? this.#bytes : this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = null;
  }
}
