/**
 * The embedded log: the one writer of a data folder. Append gives position and time at once; what is appended is written
 * and synced in groups (group-writer.ts); folds in this process see a record inside append, followers once it is durable.
 * Sources of other processes come in through socket-host.ts, by `hear`.
 * It refuses a second process on the folder, a role saying what it may not, and new work on a full disk. It cannot see
 * whether somebody changes the files: verify.ts can.
 */
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Envelope, EventType, Role, Stream } from "../../schemas/event.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import { type Disk, realDisk } from "./disk.ts";
import type { Entry } from "./entry.ts";
import { entryOf, Folder, foldedData, subjectOf } from "./fold.ts";
import { type Followed, followLog, startOf } from "./follow.ts";
import { writerBytes } from "./frame.ts";
import { GroupWriter } from "./group-writer.ts";
import { Lane, type Saying } from "./lane.ts";
import { type Lock, lockFolder } from "./lock.ts";
import type { Appender, Following, FollowOptions, Log, LogRecord, Position } from "./log.ts";
import { decodePosition, encodePosition, numberOf, positionOf } from "./position.ts";
import { LogReader } from "./reader.ts";
import { eventId, paddedSequence } from "./record.ts";
import { Shelf } from "./shelf.ts";
import { Signer } from "./signer.ts";
import { type Lanes, SourceAppender } from "./source-appender.ts";
import { openSources, type Sources } from "./sources.ts";
import { isNeeded, SpaceWatch } from "./space.ts";
import { StepEncoder } from "./step.ts";
import { firstState } from "./walk.ts";

export interface JournalOptions {
  /** The data folder: the log is in `log/`, keys in `keys/`. One process at a time. */
  readonly folder: string;
  readonly tenant: string;
  /** Name of this machine: the writer's source is `log/<name>`. */
  readonly name: string;
  /** Where in the data folder: `log` unless said; `spool` for what a process says before the shared log has it. */
  readonly place?: "log" | "spool";
  /** Whose keys; read from the data folder unless given. */
  readonly sources?: Sources;
  /** The clock, milliseconds. */
  readonly now: () => number;
  /** Ends the process: the disk failed, or a fold threw. Nothing is acknowledged afterwards. */
  readonly fatal: (error: Error) => void;
  readonly limits?: Partial<Pick<Limits, "segmentBytesMax" | "reservedBytes" | "checkpointMsMax">>;
  readonly disk?: Disk;
}

export type Fold = (entry: Entry) => void;

export interface JournalFigures {
  /** Records since the log began, and how many of them are durable. */
  readonly appended: number;
  readonly durable: number;
  readonly bytes: number;
  /** The disk has no room for new work. */
  readonly full: boolean;
  readonly broken: boolean;
}

/**
 * Opens the log of a data folder; makes folder and keys on the first start, cuts a torn tail.
 * @throws ThroughlineError `log.locked` (names the process), `log.damaged` (names segment:offset), `log.refused`
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const folder = join(options.folder, options.place ?? "log");
  const lock = lockFolder(folder);
  try {
    const sources = options.sources ?? openSources(options.folder, options.tenant, options.name);
    if (sources.tenant !== options.tenant)
      throw new ThroughlineError("config.invalid", `${options.folder} belongs to tenant ${sources.tenant}`);
    const { segmentBytesMax, reservedBytes } = { ...limits, ...options.limits };
    const disk = options.disk ?? realDisk;
    const writer = `log/${options.name}`;
    const shelf = new Shelf({ folder, disk, reservedBytes, segmentBytesMax }, firstState(options.tenant, writer));
    const journal = new Journal(options, shelf, sources, lock);
    journal.reportStart();
    return journal;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A record that another process said, checked by socket-host.ts. */
export interface Heard {
  readonly lane: Lane;
  readonly part: Uint8Array;
  readonly role: Role;
  readonly envelope: Envelope;
}

export class Journal implements Log {
  readonly sources: Sources;
  readonly tenant: string;
  readonly name: string;
  readonly writer: string;
  readonly #options: JournalOptions;
  readonly #shelf: Shelf;
  readonly #lock: Lock;
  readonly #writer: GroupWriter;
  readonly #lanes = new Map<string, Lanes>();
  readonly #appenders = new Map<string, SourceAppender>();
  readonly #own: SourceAppender;
  readonly #space: SpaceWatch;
  readonly #signer: Signer;
  readonly #encoder = new StepEncoder();
  readonly #folds: Fold[] = [];
  readonly #queue: Entry[] = [];
  readonly #hooks = new Set<() => () => void>();
  readonly #followings = new Set<Following>();
  #wakes: (() => void)[] = [];
  #folding = false;
  #closed = false;

  constructor(options: JournalOptions, shelf: Shelf, sources: Sources, lock: Lock) {
    this.#options = options;
    this.tenant = options.tenant;
    this.name = options.name;
    this.writer = `log/${options.name}`;
    this.#shelf = shelf;
    this.#lock = lock;
    this.sources = sources;
    const bounds = { ...limits, ...options.limits };
    for (const { source } of shelf.opened.state.lanes) this.lanesOf(source);
    this.#writer = new GroupWriter(shelf.opened.state, {
      shelf,
      now: options.now,
      fatal: (error) => this.#fail(error),
      lanes: () => [...this.#lanes.values()].flatMap(({ steps, events }) => [steps, events]),
      groupBytesMax: Math.min(1024 * 1024, bounds.reservedBytes / 4),
      onSync: () => this.#onSync(),
    });
    this.#own = this.#open("log", options.name);
    this.#signer = new Signer(this.#writer, this.#own, sources, bounds.checkpointMsMax);
    this.#signer.add(this.#own);
    this.#space = new SpaceWatch(shelf, this.#own, this.#writer);
  }

  /** Records what the start found: a tail that was cut, a disk that is full. */
  reportStart(): void {
    const { cut, state } = this.#shelf.opened;
    const at = paddedSequence(state.position + 1);
    const reason = `${cut} bytes of a group that was never acknowledged were cut at start`;
    if (cut > 0) {
      const data = { source: this.#own.source, stream: "writer", from: at, until: at, count: cut, reason };
      this.#own.append({ type: "log.gap", subject: {}, data });
    }
    if (state.position > 0) this.#signer.saw(state.position);
    this.#space.look();
  }

  async appender(role: Role, name: string): Promise<Appender> {
    const known = this.#appenders.get(`${role}/${name}`);
    if (known !== undefined) return known;
    const appender = this.#open(role, name);
    this.#signer.add(appender);
    return appender;
  }

  #open(role: Role, name: string): SourceAppender {
    const source = `${role}/${name}`;
    if (this.sources.known.get(source)?.role !== role)
      throw new ThroughlineError("log.refused", `${source} is not in keys/sources.json`);
    const lanes = this.lanesOf(source);
    const appender = new SourceAppender(source, role, lanes, (lane, saying) => this.#say(role, lane, saying));
    this.#appenders.set(source, appender);
    return appender;
  }

  /** Whether this process speaks for the source itself. */
  isLocal(source: string): boolean {
    return this.#appenders.has(source);
  }

  /** Both streams of a source, continuing where the log left them. */
  lanesOf(source: string): Lanes {
    let lanes = this.#lanes.get(source);
    if (lanes === undefined) {
      const { lanes: states } = this.#shelf.opened.state;
      const open = (stream: Stream) => {
        const state = states.find((lane) => lane.source === source && lane.stream === stream);
        return new Lane(this.tenant, source, stream, state);
      };
      lanes = { steps: open("steps"), events: open("events") };
      this.#lanes.set(source, lanes);
    }
    return lanes;
  }

  #say(role: Role, lane: Lane, saying: Saying): void {
    const { type, id, subject, folded } = saying;
    this.#admit(limits.eventBytesMax, this.#folding || isNeeded(type));
    const start = lane.say(saying, this.#encoder, this.#options.now());
    this.#place(lane, start, type);
    this.#writer.spill();
    if (this.#folds.length === 0) return;
    const ownId = id ?? eventId(lane.source, lane.stream, lane.sequence);
    const { atMs } = this.#writer;
    this.#queue.push(entryOf({ type, id: ownId, atMs, source: lane.source, role, subject, data: folded }));
    this.#deliver();
  }

  /**
   * Appends a checked batch of another process, whole or not at all; its source has signed where it ends.
   * @throws ThroughlineError `log.full`
   */
  hear(batch: readonly Heard[]): void {
    const bytes = batch.reduce((sum, { part }) => sum + part.length + writerBytes, 0);
    this.#admit(
      bytes,
      batch.every(({ envelope }) => isNeeded(envelope.type)),
    );
    for (const { lane, part, role, envelope } of batch) {
      const { type, id } = envelope;
      this.#place(lane, lane.hear(part, type), type);
      const { atMs } = this.#writer;
      const data = foldedData(type, envelope.data);
      if (this.#folds.length > 0)
        this.#queue.push(entryOf({ type, id, atMs, source: lane.source, role, subject: subjectOf(envelope), data }));
    }
    for (const { lane } of batch) this.#writer.end(lane);
    this.#writer.spill();
    this.#deliver();
  }

  #admit(bytes: number, needed: boolean): void {
    if (this.#closed) throw new ThroughlineError("log.lost_connection", "The log is closed");
    try {
      this.#writer.admit(bytes, needed);
    } catch (error) {
      this.#space.refused++;
      throw error;
    }
  }

  #place(lane: Lane, start: number, type: EventType): void {
    const position = this.#writer.add(lane, start);
    if (type !== "log.checkpoint") this.#signer.saw(position);
  }

  /** Gives queued entries to the folds; what a fold appends meanwhile comes behind them. */
  #deliver(): void {
    if (this.#folding) return;
    this.#folding = true;
    try {
      for (const entry of this.#queue) for (const fold of this.#folds) fold(entry);
    } catch (cause) {
      throw this.#writer.fail(new ThroughlineError("internal.bug", "A fold of the log failed", cause));
    } finally {
      this.#queue.length = 0;
      this.#folding = false;
    }
  }

  /**
   * Calls `fold` inside append for every record of every source from now on, before it is durable. It may append: that
   * comes after. An error in it ends the process. @returns stops the calls
   */
  fold(fold: Fold): () => void {
    this.#folds.push(fold);
    return () => {
      const index = this.#folds.indexOf(fold);
      if (index >= 0) this.#folds.splice(index, 1);
    };
  }

  /** Gives every record that is in the log now, from the first. @throws ThroughlineError `log.damaged`, `log.refused` */
  async replay(fold: Fold): Promise<void> {
    await this.#replay(fold, this.#writer.position);
  }

  /** `replay`, then `fold` with no gap and no record twice. @returns stops the calls */
  async foldFromStart(fold: Fold): Promise<() => void> {
    await this.#replay(fold, Number.POSITIVE_INFINITY);
    return this.fold(fold);
  }

  /** Up to a position, or until there is nothing more; then it returns in the same turn. */
  async #replay(fold: Fold, end: number): Promise<void> {
    const reader = new LogReader(this.#shelf, 0);
    const folder = new Folder();
    try {
      while (reader.position < Math.min(end, this.#writer.position)) {
        const records = await reader.next();
        if (records.length === 0) await this.drained();
        for (const record of records) if (record.number <= end) fold(folder.toEntry(record));
      }
    } finally {
      // Not waited for: whoever goes live next must not miss a record meanwhile.
      reader.close().catch((error: Error) => this.#fail(error));
    }
  }

  follow(options: FollowOptions, deliver: (records: readonly LogRecord[]) => void | Promise<void>): Following {
    const reader = new LogReader(this.#shelf, startOf(options));
    const log: Followed = {
      reader,
      durable: () => this.#writer.durable,
      once: (wake) => this.#wakes.push(wake),
      broken: () => this.#writer.broken,
    };
    const following = followLog(log, options, deliver);
    this.#followings.add(following);
    const forget = () => this.#followings.delete(following);
    following.ended.then(forget, forget);
    return following;
  }

  /** Called when a sync starts; what it returns is called when all appended before that is durable. */
  onSync(hook: () => () => void): () => void {
    this.#hooks.add(hook);
    return () => this.#hooks.delete(hook);
  }

  #onSync(): () => void {
    const settles = [...this.#hooks].map((hook) => hook());
    const lasts = [...this.#appenders.values()].map(({ tickets }) => ({ tickets, last: tickets.last }));
    // Behind these: what it says, and what folds say to that, is written only for the next sync.
    this.#space.look();
    return () => {
      for (const { tickets, last } of lasts) tickets.settle(last);
      for (const settle of settles) settle();
      for (const wake of this.#wakes.splice(0)) wake();
    };
  }

  /** For who watches this process; read when somebody asks. */
  get figures(): JournalFigures {
    const { position, durable, broken } = this.#writer;
    return { appended: position, durable, bytes: this.#shelf.bytes, full: this.#shelf.full, broken: broken !== null };
  }

  /** Resolves when everything appended until now is durable. */
  async drained(): Promise<void> {
    const { position } = this.#writer;
    while (this.#writer.durable < position) {
      if (this.#writer.broken !== null) throw this.#writer.broken;
      await new Promise<void>((resolve) => this.#wakes.push(resolve));
    }
  }

  #fail(error: Error): void {
    for (const { tickets } of this.#appenders.values()) tickets.fail(error);
    for (const wake of this.#wakes.splice(0)) wake();
    this.#options.fatal(error);
  }

  /** Removes whole segments whose records are all safe elsewhere, up to a position, but for the newest `keep`. */
  trim(upTo: Position, keep: number): void {
    this.#shelf.trim(numberOf(upTo), keep);
  }

  /** Appends a `log.refused` of the writer. */
  refuse(source: string, claimedType: string, reason: string): void {
    this.#own.append({ type: "log.refused", subject: {}, data: { source, claimedType, reason } });
  }

  /** Appends a `log.gap` of the writer: records of a source that should be here. */
  miss(hole: { source: string; stream: Stream; from: number; until: number }, reason: string): void {
    const { source, stream, from, until } = hole;
    const count = until - from + 1;
    const data = { source, stream, from: paddedSequence(from), until: paddedSequence(until), count, reason };
    this.#own.append({ type: "log.gap", subject: {}, data });
  }

  async head(): Promise<Position | null> {
    const { durable } = this.#writer;
    return durable === 0 ? null : positionOf(durable);
  }

  encodePosition(position: Position): string {
    return encodePosition(position);
  }

  decodePosition(text: string): Position {
    return decodePosition(text);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#space.close();
    try {
      await this.drained();
      this.#signer.sign();
      this.#closed = true;
      await this.drained();
    } finally {
      this.#closed = true;
      this.#signer.close();
      await Promise.all([...this.#followings].map((following) => following.close()));
      // The last sync's callback may still be on its way when the log broke.
      await nextTurn();
      this.#shelf.close();
      this.#lock.release();
    }
  }
}
