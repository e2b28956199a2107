/**
 * Walks records in the log's order and keeps what they must agree with: positions and sequences without a hole, times that
 * never go back, and the head of every chain. Recovery, export and verification walk the same way.
 * It checks no signature (verify.ts does) and cannot see what was cut behind the last record.
 */
import { createHash, type Hash } from "node:crypto";
import type { Stream } from "../../schemas/event.ts";
import { firstHead, nextHead } from "./chain.ts";
import { lastOfBatch, lastOfGroup, spineEnd } from "./frame.ts";
import type { LaneState } from "./lane.ts";
import type { StoredRecord } from "./record.ts";

/** Where the whole log stands at the end of a writer's group. */
export interface LogState {
  readonly tenant: string;
  /** `log/<name>`. */
  readonly writer: string;
  readonly position: number;
  readonly atMs: number;
  readonly head: Uint8Array;
  readonly lanes: readonly LaneState[];
}

export function firstState(tenant: string, writer: string): LogState {
  return { tenant, writer, position: 0, atMs: 0, head: firstHead(tenant, writer, "writer"), lanes: [] };
}

interface LaneWalk {
  readonly source: string;
  readonly stream: Stream;
  sequence: number;
  head: Uint8Array;
  batch: Hash | null;
  closed: LaneState;
}

export class Walk {
  readonly #lanes = new Map<string, LaneWalk>();
  readonly #touched = new Set<LaneWalk>();
  #group: Hash = createHash("sha256");
  #position: number;
  #atMs: number;
  #head: Uint8Array;
  #closed: LogState;

  constructor(state: LogState) {
    this.#position = state.position;
    this.#atMs = state.atMs;
    this.#head = state.head;
    this.#closed = state;
    for (const lane of state.lanes) this.#open(lane);
  }

  /** The position that the next record must have. */
  get next(): number {
    return this.#position + 1;
  }

  /** State at the end of the last whole group. */
  get closed(): LogState {
    const lanes = [...this.#lanes.values()].map((lane) => lane.closed).filter((lane) => lane.sequence > 0);
    return { ...this.#closed, lanes };
  }

  /** The writer's chain at the end of the last whole group. */
  get merged(): { readonly position: number; readonly head: Uint8Array } {
    return this.#closed;
  }

  /** The head of a lane at its last closed batch, also inside a group. */
  lane(source: string, stream: Stream): { readonly sequence: number; readonly head: Uint8Array } | undefined {
    const lane = this.#lanes.get(`${source}\n${stream}`);
    return lane && { sequence: lane.sequence, head: lane.head };
  }

  /** Takes the next record. @returns what is wrong with it in words, or null */
  accept(record: StoredRecord): string | null {
    const { number, source, stream, sequence, atMs, flags } = record;
    if (number !== this.next) return `position ${this.next} is missing: ${number} follows ${this.#position}`;
    if (atMs < this.#atMs) return "the log's time goes back";
    const lane = this.#lanes.get(`${source}\n${stream}`) ?? this.#open(this.#firstOf(source, stream));
    if (sequence !== lane.sequence + 1) return `sequence ${lane.sequence + 1} is missing: ${sequence} follows`;
    this.#position = number;
    this.#atMs = atMs;
    lane.sequence = sequence;
    lane.batch ??= createHash("sha256");
    lane.batch.update(record.said);
    this.#touched.add(lane);
    this.#group.update(record.frame.subarray(0, spineEnd(record.frame, 0)));
    if (flags & lastOfBatch) {
      lane.head = nextHead(lane.head, lane.batch.digest());
      this.#group.update(lane.head);
      lane.batch = null;
    }
    return flags & lastOfGroup ? this.#closeGroup() : null;
  }

  #closeGroup(): string | null {
    this.#head = nextHead(this.#head, this.#group.digest());
    this.#group = createHash("sha256");
    for (const lane of this.#touched) {
      if (lane.batch !== null) return `a batch of ${lane.source} has no end`;
      lane.closed = { source: lane.source, stream: lane.stream, sequence: lane.sequence, head: lane.head };
    }
    this.#touched.clear();
    this.#closed = { ...this.#closed, position: this.#position, atMs: this.#atMs, head: this.#head };
    return null;
  }

  #firstOf(source: string, stream: Stream): LaneState {
    return { source, stream, sequence: 0, head: firstHead(this.#closed.tenant, source, stream) };
  }

  #open(state: LaneState): LaneWalk {
    const { source, stream, sequence, head } = state;
    const lane: LaneWalk = { source, stream, sequence, head, batch: null, closed: state };
    this.#lanes.set(`${source}\n${stream}`, lane);
    return lane;
  }
}
