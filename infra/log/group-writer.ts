/**
 * Order and durability: gives each record its position and time, gathers records while a sync runs, writes and syncs them
 * as one group. A record is durable when the sync behind its group has returned, never before; when the disk fails, the
 * process ends (`fatal`), because nobody knows any more what the disk holds.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { nextHead } from "./chain.ts";
import { Group } from "./group.ts";
import type { Lane } from "./lane.ts";
import type { Shelf } from "./shelf.ts";
import type { LogState } from "./walk.ts";

export interface GroupWriterOptions {
  readonly shelf: Shelf;
  readonly now: () => number;
  readonly fatal: (error: Error) => void;
  /** Every lane of the log, also those of other processes. */
  readonly lanes: () => Iterable<Lane>;
  /** Bytes gathered before they are written without waiting; well under the reserve, so that they still fit. */
  readonly groupBytesMax: number;
  /** Called when a sync starts, with everything placed so far written. @returns what to do once that is durable */
  readonly onSync: () => () => void;
}

export class GroupWriter {
  /** Last position given, written, and durable. */
  position: number;
  written: number;
  durable: number;
  /** Time of the last record. */
  atMs: number;
  /** Head of the writer's chain up to `written`. */
  head: Uint8Array;
  broken: Error | null = null;
  readonly #state: LogState;
  readonly #options: GroupWriterOptions;
  readonly #group = new Group();
  #writtenAtMs: number;
  #syncing = false;
  #scheduled = false;

  constructor(state: LogState, options: GroupWriterOptions) {
    this.#state = state;
    this.#options = options;
    this.position = state.position;
    this.written = state.position;
    this.durable = state.position;
    this.atMs = state.atMs;
    this.#writtenAtMs = state.atMs;
    this.head = state.head;
  }

  /**
   * Whether a record of this size fits now. @param needed it must fit while the disk is full
   * @throws ThroughlineError `log.full`, or why the log is broken
   */
  admit(bytes: number, needed: boolean): void {
    if (this.broken !== null) throw this.broken;
    if (!this.#options.shelf.full) return;
    if (!needed) throw new ThroughlineError("log.full", "The disk of the log is full: nothing new is recorded");
    if (!this.#holds(bytes)) throw new ThroughlineError("log.full", "The reserve of the log is used up");
  }

  /**
   * Whether the log works and takes `bytes` more in small records, from the reserve if it must. Each of them is admitted as
   * if it were the largest: who asks here must not be refused then, because nobody hears a refusal in a timer.
   */
  fits(bytes: number): boolean {
    return this.broken === null && this.#holds(bytes + limits.eventBytesMax);
  }

  #holds(bytes: number): boolean {
    const { shelf } = this.#options;
    return !shelf.full || shelf.reserveLeft >= this.#group.used + bytes + limits.eventBytesMax;
  }

  /** Takes the part in `lane.pending` from `start` on. @returns its position */
  add(lane: Lane, start: number): number {
    this.position++;
    this.atMs = Math.max(this.atMs, this.#options.now());
    this.#group.add(lane, start, this.position, this.durable, this.atMs);
    if (!this.#scheduled && !this.#syncing) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
    return this.position;
  }

  /** Ends the batch of a lane whose source has already signed where it ends. */
  end(lane: Lane): void {
    this.#group.end(lane);
  }

  /** Writes without waiting for the running sync when much has gathered. Not between the records of one batch. */
  spill(): void {
    if (this.#group.used < this.#options.groupBytesMax) return;
    this.#write();
    if (this.broken !== null) throw this.broken;
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.broken !== null || this.#syncing) return;
    this.#write();
    if (this.broken === null && this.written > this.durable) this.#sync();
  }

  #write(): void {
    const group = this.#group;
    if (group.used === 0) return;
    const { shelf, lanes } = this.#options;
    try {
      if (shelf.wantsNext && !this.#syncing) {
        // Not as the lanes stand now: what others said has ended its batch in the group that comes after this line.
        const states = [...lanes()].map((lane) => group.standingBefore(lane)).filter((lane) => lane.sequence > 0);
        const { written: position, head } = this;
        shelf.next({ ...this.#state, position, atMs: this.#writtenAtMs, head, lanes: states });
      }
      this.head = nextHead(this.head, group.close());
      shelf.write(group.bytes, group.used);
    } catch (cause) {
      this.fail(new ThroughlineError("log.sync_failed", "The log could not be written", cause));
      return;
    }
    group.used = 0;
    this.written = this.position;
    this.#writtenAtMs = this.atMs;
  }

  #sync(): void {
    const upTo = this.written;
    const settle = this.#options.onSync();
    this.#syncing = true;
    this.#options.shelf.sync((error) => {
      this.#syncing = false;
      if (this.broken !== null) return;
      if (error !== null) {
        this.fail(new ThroughlineError("log.sync_failed", "The log could not be made durable", error));
        return;
      }
      this.durable = upTo;
      // The disk works on the next group while the listeners run.
      if (!this.#scheduled) this.#flush();
      settle();
    });
  }

  /** Ends everything: nothing is acknowledged any more. @returns the error */
  fail(error: Error): Error {
    this.broken ??= error;
    this.#options.fatal(this.broken);
    return this.broken;
  }
}
