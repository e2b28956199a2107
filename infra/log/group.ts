/** The records that the writer will write and sync together: framed, numbered and timed, in one growing buffer. */
import { ByteWriter } from "./bytes.ts";
import { batchHash } from "./chain.ts";
import { closeFrame, lastOfBatch, lastOfGroup, openFrame, spineEnd, writerBytes } from "./frame.ts";
import type { Lane, LaneState } from "./lane.ts";

export class Group {
  bytes = Buffer.allocUnsafeSlow(512 * 1024);
  used = 0;
  #last = 0;
  /** Where each touched lane's last record starts. */
  readonly #lanes = new Map<Lane, number>();
  /** Where the lanes whose batches ended early stood before this group. */
  readonly #before = new Map<Lane, LaneState>();
  /** The heads of batches that ended here, by where their last record starts. */
  readonly #heads = new Map<number, Uint8Array>();
  readonly #spine = new ByteWriter(64 * 1024);

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

  /** Ends the lane's batch at its last record here, before the group ends. */
  end(lane: Lane): void {
    if (!this.#before.has(lane)) this.#before.set(lane, lane.state);
    this.#end(lane);
  }

  /** Where the lane stood at the end of the last group: as long as this one is open. */
  standingBefore(lane: Lane): LaneState {
    return this.#before.get(lane) ?? lane.state;
  }

  #end(lane: Lane): void {
    const at = this.#lanes.get(lane);
    if (at === undefined) return;
    this.bytes[at + 9] = lastOfBatch;
    lane.seal(lane.nextHead());
    this.#heads.set(at, lane.head);
    this.#lanes.delete(lane);
  }

  /** Ends every open batch and the group; sets every crc. @returns the group's hash, for the writer's chain */
  close(): Buffer {
    for (const lane of this.#lanes.keys()) this.#end(lane);
    this.#before.clear();
    this.bytes[this.#last + 9] = lastOfBatch | lastOfGroup;
    const spine = this.#spine;
    spine.used = 0;
    for (let at = 0; at < this.used; ) {
      const end = closeFrame(this.bytes, at);
      spine.copy(this.bytes.subarray(at, spineEnd(this.bytes, at)));
      const head = this.#heads.get(at);
      if (head !== undefined) spine.copy(head);
      at = end;
    }
    this.#heads.clear();
    return batchHash(spine.taken());
  }
}
