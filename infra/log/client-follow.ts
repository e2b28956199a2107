/** One follow over the socket: takes blocks of frames, checks them, delivers, remembers how far it came. */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Stream } from "../../schemas/event.ts";
import { textTable } from "./bytes.ts";
import { frameLength } from "./frame.ts";
import type { Following, LogRecord } from "./log.ts";
import { checkSayer, readRecord, type StoredRecord } from "./record.ts";

/** follow number, caught-up flag. */
const headBytes = 5;

export class ClientFollow implements Following {
  readonly caughtUp: Promise<void>;
  readonly ended: Promise<void>;
  readonly streams: readonly Stream[];
  /** The last position delivered. */
  position: number;
  readonly #deliver: (records: readonly LogRecord[]) => void | Promise<void>;
  readonly #say: { more: () => void; stop: () => void };
  readonly #caughtUp = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #texts = textTable(256);
  #delivering: Promise<void> = Promise.resolve();
  #over = false;
  /** Counts connections, so that a block from before an interruption asks for no more after it. */
  #connection = 0;

  constructor(
    after: number,
    streams: readonly Stream[],
    deliver: (records: readonly LogRecord[]) => void | Promise<void>,
    say: { more: () => void; stop: () => void },
  ) {
    this.position = after;
    this.streams = streams;
    this.#deliver = deliver;
    this.#say = say;
    this.caughtUp = this.#caughtUp.promise;
    this.ended = this.#ended.promise;
    this.caughtUp.catch(() => {});
    this.ended.catch(() => {});
  }

  take(body: Buffer): void {
    const connection = this.#connection;
    this.#delivering = this.#delivering.then(() => this.#takeBlock(body, connection));
  }

  async #takeBlock(body: Buffer, connection: number): Promise<void> {
    if (this.#over) return;
    try {
      const records = this.#read(body).filter((record) => record.number > this.position);
      if (records.length > 0) {
        await this.#deliver(records);
        this.position = records.at(-1)?.number ?? this.position;
      }
      if (body[4] === 1) this.#caughtUp.resolve();
      else if (connection === this.#connection && !this.#over) this.#say.more();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #read(body: Buffer): StoredRecord[] {
    const records: StoredRecord[] = [];
    for (let at = headBytes; at < body.length; ) {
      const length = frameLength(body, at, body.length);
      if (length <= 0) throw new ThroughlineError("log.damaged", "A record came over the socket damaged");
      records.push(checkSayer(readRecord(body, at, length, this.#texts)));
      at += length;
    }
    return records;
  }

  /** The connection is gone; what is being delivered is still delivered. */
  interrupt(): void {
    this.#connection++;
  }

  /** Resolves when nothing is being delivered. */
  idle(): Promise<void> {
    return this.#delivering;
  }

  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#caughtUp.reject(error);
    this.#ended.reject(error);
    this.#say.stop();
  }

  async close(): Promise<void> {
    if (!this.#over) {
      this.#over = true;
      this.#say.stop();
      this.#ended.resolve();
    }
    await this.#delivering;
  }
}
