/**
 * What one source of a second process has said and the log has not acknowledged: at most one batch on its way, the rest
 * gathering behind it, both kept until they are durable at the writer. Bounded: over `batchBytesMax` nothing more is taken.
 */
import type { KeyObject } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Lane, LaneState, Saying } from "./lane.ts";
import { batchText, signText } from "./sign.ts";
import { type Lanes, SourceAppender } from "./source-appender.ts";
import { isNeeded } from "./space.ts";
import { StepEncoder } from "./step.ts";
import { batchBytesMax } from "./wire.ts";

interface Standing {
  readonly steps: LaneState;
  readonly events: LaneState;
}

interface Batch extends Standing {
  /** Signature, then parts in the order they were said. */
  readonly pieces: readonly Uint8Array[];
  /** Where the lanes stood before it; its own members say where they stand after it. */
  readonly before: Standing;
  /** Last ticket in it. */
  readonly last: number;
}

/** One record, however large. */
const recordBytes = 64 * 1024;

export class Outgoing {
  readonly appender: SourceAppender;
  /** The writer's disk is full. */
  full = false;
  readonly #key: KeyObject;
  readonly #now: () => number;
  readonly #wake: (checkpoint: boolean) => void;
  readonly #encoder = new StepEncoder();
  #order: { lane: Lane; start: number; end: number }[] = [];
  #gathered = 0;
  #batch: Batch | null = null;
  #failed: Error | null = null;

  /** @param wake something new was said; whether it was only a checkpoint */
  constructor(
    lanes: Lanes,
    role: SourceAppender["role"],
    key: KeyObject,
    now: () => number,
    wake: (checkpoint: boolean) => void,
  ) {
    this.#key = key;
    this.#now = now;
    this.#wake = wake;
    this.appender = new SourceAppender(lanes.steps.source, role, lanes, (lane, saying) => this.#say(lane, saying));
  }

  #say(lane: Lane, saying: Saying): void {
    if (this.#failed !== null) throw this.#failed;
    if (this.full && !isNeeded(saying.type))
      throw new ThroughlineError("log.full", "The disk of the log is full: nothing new is recorded");
    if (!this.fits(0))
      throw new ThroughlineError("log.lost_connection", "Too much waits for the process that owns the log");
    const start = lane.say(saying, this.#encoder, this.#now());
    const end = lane.pending.used;
    this.#order.push({ lane, start, end });
    this.#gathered += end - start;
    this.#wake(saying.type === "log.checkpoint");
  }

  /**
   * Whether `bytes` more are taken in small records. Each is taken only where the largest would be: who asks here must not
   * be refused then, because nobody hears a refusal in a timer.
   */
  fits(bytes: number): boolean {
    return this.#failed === null && this.#gathered + bytes + recordBytes < batchBytesMax - 1024;
  }

  get idle(): boolean {
    return this.#batch === null && this.#order.length === 0;
  }

  /** @returns the next batch to send, or null while one is on its way or there is nothing */
  next(): readonly Uint8Array[] | null {
    if (this.#batch !== null || this.#order.length === 0) return null;
    const { lanes, source, tickets } = this.appender;
    const parts = this.#order.map(({ lane, start, end }) => Buffer.from(lane.pending.bytes.subarray(start, end)));
    const before = { steps: lanes.steps.state, events: lanes.events.state };
    for (const lane of [lanes.steps, lanes.events]) lane.seal(lane.nextHead());
    const text = batchText(lanes.steps.tenant, source, [lanes.steps.head, lanes.events.head]);
    const pieces = [signText(this.#key, text), ...parts];
    const { steps, events } = { steps: lanes.steps.state, events: lanes.events.state };
    this.#batch = { pieces, before, steps, events, last: tickets.last };
    this.#order = [];
    this.#gathered = 0;
    return pieces;
  }

  /** The batch on its way, to be sent again. */
  again(): readonly Uint8Array[] | null {
    return this.#batch?.pieces ?? null;
  }

  /** The log has these sequences durable. */
  acknowledge(steps: number, events: number): void {
    const batch = this.#batch;
    if (batch === null || steps < batch.steps.sequence || events < batch.events.sequence) return;
    this.#batch = null;
    this.full = false;
    this.appender.tickets.settle(batch.last);
  }

  fail(error: Error): void {
    this.#failed = error;
    this.appender.tickets.fail(error);
  }

  /**
   * After a reconnection: what the log has of this source must be what was acknowledged, or that and the batch on its way.
   * @returns false when it is neither: another process spoke for the source, or the log lost what it had acknowledged
   */
  continues(steps: LaneState, events: LaneState): boolean {
    const { lanes } = this.appender;
    const at = (state: Standing) => same(steps, state.steps) && same(events, state.events);
    if (at({ steps: lanes.steps.state, events: lanes.events.state })) {
      this.acknowledge(steps.sequence, events.sequence);
      return true;
    }
    return this.#batch !== null && at(this.#batch.before);
  }
}

function same(a: LaneState, b: LaneState): boolean {
  return a.sequence === b.sequence && Buffer.compare(a.head, b.head) === 0;
}
