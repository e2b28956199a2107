/**
 * What goes to the client, in order, and not before the record of what caused it is durable (promise 1).
 *
 * Bytes carry the highest ticket that was needed when they came; they leave when the log says that one is durable.
 * Tickets only grow, so a queue in order is enough. Neighbouring pieces of one chunk stay one piece.
 * A client that does not read, or a log that does not sync, pauses the target: nothing grows without bound. For one that
 * has gone the target is not paused, or it would wait for ever, with its locks.
 */
import type { Duplex } from "node:stream";
import type { Ticket } from "../../../infra/log/log.ts";

interface Piece {
  bytes: Buffer;
  start: number;
  end: number;
  ticket: Ticket;
}

export interface OutboxParts {
  readonly client: Duplex;
  readonly isDurable: (ticket: Ticket) => boolean;
  readonly bytesMax: number;
  /** Called when the target must pause (true) or may go on (false). */
  readonly pressed: (paused: boolean) => void;
  /** Called once when more than `bytesMax` came for a client that has gone. */
  readonly vain: () => void;
}

export class Outbox {
  readonly #parts: OutboxParts;
  readonly #pieces: Piece[] = [];
  #first = 0;
  #bytes = 0;
  #ticket: Ticket = 0;
  #clientFull = false;
  #pressed = false;
  #closing = false;
  /** Bytes that came, or were still here, for a client that has gone. */
  #vain = 0;
  /** Bytes given to the client's socket. */
  sent = 0;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    parts.client.on("drain", () => {
      this.#clientFull = false;
      this.release();
    });
    parts.client.on("close", () => {
      this.#clientFull = false; // no `drain` comes any more
      this.release();
    });
  }

  /** From here on, nothing that is added leaves before this ticket is durable. */
  require(ticket: Ticket): void {
    if (ticket > this.#ticket) this.#ticket = ticket;
  }

  add(bytes: Buffer, start = 0, end: number = bytes.length): void {
    if (end <= start) return;
    this.#bytes += end - start;
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.bytes === bytes && last.end === start && last.ticket === this.#ticket) {
      last.end = end;
      return;
    }
    this.#pieces.push({ bytes, start, end, ticket: this.#ticket });
  }

  /** Sends what may leave: after a chunk was taken, and after each sync of the log. */
  release(): void {
    const pieces = this.#pieces;
    const several = pieces.length - this.#first > 1;
    if (several) this.#parts.client.cork();
    while (this.#first < pieces.length && !this.#clientFull) {
      const piece = pieces[this.#first]!;
      if (!this.#parts.isDurable(piece.ticket)) break;
      this.#first += 1;
      this.#send(piece);
    }
    if (several) this.#parts.client.uncork();
    this.#forgetSent();
    this.#press();
    if (this.#closing && this.#pieces.length === 0) this.#parts.client.end();
  }

  #forgetSent(): void {
    if (this.#first === this.#pieces.length) {
      this.#pieces.length = 0;
      this.#first = 0;
    } else if (this.#first > 1024) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Nothing more will be added: the client's side is closed once everything has left. */
  close(): void {
    this.#closing = true;
    this.release();
  }

  #send(piece: Piece): void {
    const { bytes, start, end } = piece;
    const { client } = this.#parts;
    this.#bytes -= end - start;
    this.sent += end - start;
    const whole = start === 0 && end === bytes.length;
    if (client.destroyed || client.writableEnded) this.#drop(end - start);
    else if (!client.write(whole ? bytes : bytes.subarray(start, end))) this.#clientFull = true;
  }

  /** Nobody reads it. */
  #drop(bytes: number): void {
    if (this.#closing) return;
    const before = this.#vain;
    this.#vain += bytes;
    if (before <= this.#parts.bytesMax && this.#vain > this.#parts.bytesMax) this.#parts.vain();
  }

  #press(): void {
    const pressed = this.#clientFull || this.#bytes > this.#parts.bytesMax;
    if (pressed === this.#pressed) return;
    this.#pressed = pressed;
    this.#parts.pressed(pressed);
  }
}
