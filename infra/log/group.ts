/** The records that the writer will write and sync together: framed, numbered and timed, in one growing buffer. */
import { batchHash } from "./chain.ts";
import { closeFrame, lastOfBatch, lastOfGroup, openFrame, writerBytes } from "./frame.ts";
import type { Lane } from "./lane.ts";

export class Group {
  bytes = Buffer.allocUnsafeSlow(512 * 1024);
  used = 0;
  #last = 0;
  /** Where each touched lane's last record starts. */
  readonly #lanes = new Map<Lane, number>();

  /** Frames the part that stands in `lane.pending` from `start` on. */
  add(lane: Lane, start: number, position: number, synced: number, atMs: number): void {
    const { bytes: from, used: end } = lane.pending;
    const length = writerBytes + end - start;
    const at = this.used;
    this.#reserve(length);
    openFrame(this.bytes, at, length, position, synced, atMs);
    from.copy(this.bytes, at + writerBytes, start, end);
    this.used = at + length;
    this.#last = at;
    this.#lanes.set(lane, at);
  }

  #reserve(more: number): void {
    if (this.used + more <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.used + more));
    this.bytes.copy(grown, 0, 0, this.used);
    this.bytes = grown;
  }

  /** Ends the lane's batch at its last record here. */
  end(lane: Lane): void {
    const at = this.#lanes.get(lane);
    if (at === undefined) return;
    this.bytes[at + 9] = lastOfBatch;
    lane.seal(lane.nextHead());
    this.#lanes.delete(lane);
  }

  /** Ends every open batch and the group; sets every crc. @returns the group's hash, for the writer's chain */
  close(): Buffer {
    for (const lane of this.#lanes.keys()) this.end(lane);
    this.bytes[this.#last + 9] = lastOfBatch | lastOfGroup;
    for (let at = 0; at < this.used; ) at = closeFrame(this.bytes, at);
    return batchHash(this.bytes.subarray(0, this.used));
  }
}
