/**
 * A process's own journal on a simulated disk: groups that are durable when their sync has returned; of the group that was
 * being synced in a crash, nobody knows. Lanes, appenders and frames are the product's; the disk, and who waits, are not.
 */
import { lastOfBatch, lastOfGroup, openFrame, readPart, writerBytes } from "../../infra/log/frame.ts";
import { Lane } from "../../infra/log/lane.ts";
import type { Following, FollowOptions, Log, LogRecord, Position } from "../../infra/log/log.ts";
import { decodePosition, encodePosition, numberOf } from "../../infra/log/position.ts";
import { StoredRecord } from "../../infra/log/record.ts";
import { type Lanes, SourceAppender } from "../../infra/log/source-appender.ts";
import { StepEncoder } from "../../infra/log/step.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Role, Stream } from "../../schemas/event.ts";
import type { Dice } from "../correlator/dice.ts";
import type { Machine } from "./loop.ts";

/** Records that stay though the shared log has them. */
const trimKept = 20;

type Saying = Parameters<Lane["say"]>[0];

/** What stays when the process goes. */
export class Disk {
  records: StoredRecord[] = [];
  /** Of these, the last whose sync has returned. */
  durable = 0;
  slowMs = 0;
  /** Records of the group that is being synced. */
  syncing = 0;
  /** So many were given up, because the shared log has them. */
  trimmed = 0;

  /** A crash: a group is there whole or not at all. */
  crash(dice: Dice): void {
    const survives = this.syncing > 0 && dice(2) === 0;
    this.records.length = survives ? this.durable + this.syncing : this.durable;
    this.durable = this.records.length;
    this.syncing = 0;
  }

  last(source: string, stream: Stream): number {
    return this.records.findLast((record) => record.source === source && record.stream === stream)?.sequence ?? 0;
  }
}

export interface SpoolOptions {
  readonly machine: Machine;
  readonly disk: Disk;
  readonly dice: Dice;
  readonly tenant: string;
  /** A bug, planted: what is not durable yet is read already. */
  readonly early: boolean;
  /** A bug, planted: so often a group is left out. 0 = never. */
  readonly skips: number;
}

export class Spool implements Log {
  readonly writer: string;
  readonly #options: SpoolOptions;
  readonly #lanes = new Map<string, Lanes>();
  readonly #appenders = new Map<string, SourceAppender>();
  readonly #encoder = new StepEncoder();
  readonly #wakes: (() => void)[] = [];
  #syncing = false;
  #scheduled = false;
  #fresh: { source: string; stream: Stream; part: Buffer }[] = [];

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.writer = `log/${options.machine.name}`;
  }

  async appender(role: Role, name: string): Promise<SourceAppender> {
    return this.open(role, name);
  }

  open(role: Role, name: string): SourceAppender {
    const source = `${role}/${name}`;
    const known = this.#appenders.get(source);
    if (known !== undefined) return known;
    const lanes = this.lanesOf(source);
    const appender = new SourceAppender(source, role, lanes, (lane, saying) => this.#say(lane, saying));
    this.#appenders.set(source, appender);
    return appender;
  }

  lanesOf(source: string): Lanes {
    let lanes = this.#lanes.get(source);
    if (lanes === undefined) {
      const open = (stream: Stream) => {
        const sequence = this.#options.disk.last(source, stream);
        return new Lane(this.#options.tenant, source, stream, { source, stream, sequence, head: Buffer.alloc(32) });
      };
      lanes = { steps: open("steps"), events: open("events") };
      this.#lanes.set(source, lanes);
    }
    return lanes;
  }

  #say(lane: Lane, saying: Saying): void {
    const start = lane.say(saying, this.#encoder, this.#options.machine.now());
    const part = Buffer.from(lane.pending.bytes.subarray(start, lane.pending.used));
    lane.pending.used = 0;
    this.#fresh.push({ source: lane.source, stream: lane.stream, part });
    if (this.#syncing || this.#scheduled) return;
    this.#scheduled = true;
    this.#options.machine.after(0, () => this.#sync());
  }

  #sync(): void {
    const { disk, dice, machine, early } = this.#options;
    this.#scheduled = false;
    const group = this.#fresh.splice(0);
    if (group.length === 0) return;
    disk.records.push(...this.#framed(group));
    disk.syncing = group.length;
    this.#syncing = true;
    const lasts = [...this.#appenders.values()].map((appender) => ({ appender, last: appender.tickets.last }));
    if (early) this.#wake();
    machine.after(1 + dice(dice(8) === 0 ? 40 : 3) + (disk.slowMs > 0 ? dice(disk.slowMs) : 0), () => {
      this.#syncing = false;
      disk.durable += group.length;
      disk.syncing = 0;
      for (const { appender, last } of lasts) appender.tickets.settle(last);
      this.#wake();
      this.#sync();
    });
  }

  /** As a journal writes them: the last record of each lane ends a batch, the last of all ends the group. */
  #framed(group: readonly { source: string; stream: Stream; part: Buffer }[]): StoredRecord[] {
    const { disk, machine } = this.#options;
    const ends = new Map(group.map(({ source, stream }, index) => [`${source} ${stream}`, index]));
    return group.map(({ source, stream, part }, index) => {
      const frame = Buffer.alloc(writerBytes + part.length);
      openFrame(frame, 0, frame.length, disk.records.length + index + 1, disk.durable, machine.now());
      part.copy(frame, writerBytes);
      const ofBatch = ends.get(`${source} ${stream}`) === index ? lastOfBatch : 0;
      frame[9] = ofBatch | (index === group.length - 1 ? lastOfGroup : 0);
      return new StoredRecord(frame, readPart(frame, writerBytes, frame.length)!, source);
    });
  }

  #wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }

  follow({ after }: FollowOptions, deliver: (records: readonly LogRecord[]) => void | Promise<void>): Following {
    const { disk, early, skips, dice } = this.#options;
    let open = true;
    const read = async () => {
      for (let next = numberOf(after); open; ) {
        if (next < disk.trimmed) throw new ThroughlineError("log.damaged", `what follows ${next} has been given up`);
        const records = disk.records.slice(next, early ? disk.records.length : disk.durable);
        if (records.length === 0) await new Promise<void>((resolve) => this.#wakes.push(resolve));
        else {
          const left = skips > 0 && dice(skips) === 0 ? skipped(records) : records;
          if (left.length > 0) await deliver(left);
          next += records.length;
        }
      }
    };
    const ended = read();
    return {
      caughtUp: Promise.resolve(),
      ended,
      async close() {
        open = false;
      },
    };
  }

  /** As hard on the reader as a journal may be: all but the last few. */
  trim(upTo: Position): void {
    const { disk } = this.#options;
    disk.trimmed = Math.max(disk.trimmed, numberOf(upTo) - trimKept);
  }

  async head(): Promise<Position | null> {
    return this.#options.disk.records[this.#options.disk.durable - 1]?.position ?? null;
  }

  encodePosition(position: Position): string {
    return encodePosition(position);
  }

  decodePosition(text: string): Position {
    return decodePosition(text);
  }

  async close(): Promise<void> {}
}

/** Without the first batch of its first record's lane. */
function skipped(records: readonly StoredRecord[]): StoredRecord[] {
  const [first] = records;
  if (first === undefined) return [];
  const isLane = (record: StoredRecord) => record.source === first.source && record.stream === first.stream;
  const end = records.findIndex((record) => isLane(record) && (record.flags & lastOfBatch) !== 0);
  return records.filter((record, index) => index > end || !isLane(record));
}
