/**
 * Ships what a process said from its spool to the shared log: in order, whole batches, one send at a time; what gathers
 * meanwhile goes with the next. While the brokers are away it tries again, for ever: the spool keeps everything, and the
 * outage is an event. How far it got is written beside the spool now and then; after a crash the last second is sent
 * again, and readers drop what they have by (source, stream, sequence).
 */
import type { KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Stream } from "../../schemas/event.ts";
import type { Bus, Outbound } from "./bus.ts";
import { lastOfBatch, lastOfGroup } from "./frame.ts";
import type { Journal } from "./journal.ts";
import type { Appender, Draft, Following, LogRecord, Position } from "./log.ts";
import { makePack, packBytesMax } from "./pack.ts";
import { storedRecord } from "./record.ts";
import { placeOf, type Topics } from "./topics.ts";

/** What the shared log has of a source, by sequence. */
export interface Acknowledged {
  steps: number;
  events: number;
}

export interface ShipperOptions {
  readonly spool: Pick<Journal, "follow" | "decodePosition" | "encodePosition" | "trim">;
  /** Segments of the spool that stay, though the shared log has them: for when it should lose something. */
  readonly keepSegments: number;
  readonly bus: Bus;
  readonly topics: Topics;
  readonly tenant: string;
  readonly keyOf: (source: string) => KeyObject;
  /** Where it remembers how far it got. */
  readonly file: string;
  /** Says outages: a source of the role `log`. */
  readonly appender: Appender;
  readonly now: () => number;
}

interface Batch {
  readonly first: number;
  readonly last: number;
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

interface Lane {
  readonly source: string;
  readonly stream: Stream;
  open: Uint8Array[];
  openBytes: number;
  first: number;
  ready: Batch[];
}

const retryMsMin = 100;
const retryMsMax = 2_000;
const rememberMs = 500;

export class Shipper {
  /** Rejects when the spool breaks; resolves after close(). */
  readonly ended: Promise<void>;
  /** Milliseconds that the last acknowledged send took. */
  sendMs = 0;
  readonly #options: ShipperOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #acknowledged = new Map<string, Acknowledged>();
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  readonly #following: Following;
  /** Everything up to here is in the shared log. */
  #shipped: Position | null;
  #rememberedMs = 0;
  #remembering: Promise<void> | null = null;
  #failingSince: number | null = null;

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#shipped = shippedIn(options);
    this.#following = options.spool.follow(
      { after: this.#shipped, streams: ["steps", "events"], gatherMs: 0 },
      (records) => this.#ship(records),
    );
    this.ended = this.#following.ended.catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) throw error;
    });
    this.ended.catch(() => {});
  }

  /** What the shared log has acknowledged in this run; a new object is never made, so it may be kept. */
  acknowledged(source: string): Readonly<Acknowledged> {
    let known = this.#acknowledged.get(source);
    if (known === undefined) {
      known = { steps: 0, events: 0 };
      this.#acknowledged.set(source, known);
    }
    return known;
  }

  /** Called after each acknowledgement; synchronous, must not throw. @returns stops the calls */
  onAcknowledged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Since when nothing gets through, milliseconds; null while it does. */
  get failingSince(): number | null {
    return this.#failingSince;
  }

  /** The last position of the spool that is in the shared log. */
  get shipped(): Position | null {
    return this.#shipped;
  }

  async #ship(records: readonly LogRecord[]): Promise<void> {
    let upTo: Position | null = null;
    for (const record of records) {
      const { flags, said, stream, source, sequence, position } = storedRecord(record);
      const lane = this.#laneOf(source, stream);
      if (lane.open.length === 0) lane.first = sequence;
      lane.open.push(said);
      lane.openBytes += said.length;
      if (flags & lastOfBatch) {
        lane.ready.push({ first: lane.first, last: sequence, parts: lane.open, bytes: lane.openBytes });
        lane.open = [];
        lane.openBytes = 0;
      }
      if (flags & lastOfGroup) upTo = position;
    }
    await this.#send();
    if (upTo === null) return;
    this.#shipped = upTo;
    this.#remember();
  }

  #laneOf(source: string, stream: Stream): Lane {
    const name = `${source}\n${stream}`;
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = { source, stream, open: [], openBytes: 0, first: 0, ready: [] };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  async #send(): Promise<void> {
    const messages: Outbound[] = [];
    const reached: { acknowledged: Acknowledged; stream: Stream; last: number }[] = [];
    for (const lane of this.#lanes.values()) {
      const { source, stream, ready } = lane;
      if (ready.length === 0) continue;
      lane.ready = [];
      for (const batches of chunks(ready)) messages.push(this.#pack(lane, batches));
      const acknowledged = this.acknowledged(source) as Acknowledged;
      reached.push({ acknowledged, stream, last: ready.at(-1)?.last ?? 0 });
    }
    if (messages.length === 0) return;
    await this.#insist(messages);
    for (const { acknowledged, stream, last } of reached) acknowledged[stream] = last;
    for (const listener of this.#listeners) listener();
  }

  #pack({ source, stream }: Lane, batches: readonly Batch[]): Outbound {
    const { tenant, topics, keyOf } = this.#options;
    const about = { tenant, source, stream, first: batches[0]?.first ?? 0 };
    const value = makePack(
      keyOf(source),
      about,
      batches.map(({ parts }) => parts),
    );
    return { ...placeOf(topics, source, stream), key: stream === "steps" ? tenant : source, value };
  }

  async #insist(messages: readonly Outbound[]): Promise<void> {
    const { bus, now } = this.#options;
    const { signal } = this.#stopping;
    for (let delay = retryMsMin; ; delay = Math.min(delay * 2, retryMsMax)) {
      const since = now();
      try {
        await bus.send(messages);
        this.sendMs = now() - since;
        break;
      } catch (error) {
        // Not sent, so not remembered: the next start sends it.
        if (signal.aborted || !(error instanceof ThroughlineError)) throw error;
        if (this.#failingSince === null) this.#failed(since, error);
        await sleep(delay, undefined, { signal }).catch(() => {});
        if (signal.aborted) throw error;
      }
    }
    if (this.#failingSince !== null) this.#recovered(this.#failingSince);
  }

  #failed(since: number, error: ThroughlineError): void {
    this.#failingSince = since;
    const reason = `${error.code}: ${error.message}`;
    this.#note({ type: "sink.failed", subject: {}, data: { sink: "shared log", reason } });
  }

  #recovered(since: number): void {
    this.#failingSince = null;
    const [from, until] = [since, this.#options.now()].map((ms) => new Date(ms).toISOString());
    const data = { sink: "shared log", from: from ?? "", until: until ?? "", count: 0 };
    this.#note({ type: "sink.recovered", subject: {}, data });
  }

  /** A disk without even a reserve keeps nothing more; what it has must be shipped all the same. */
  #note(draft: Draft): void {
    try {
      this.#options.appender.append(draft);
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
    }
  }

  /** Nothing waits for it: where a full disk keeps the older one, only more is sent again. */
  #remember(): void {
    if (this.#shipped === null || this.#options.now() - this.#rememberedMs < rememberMs) return;
    this.#rememberedMs = this.#options.now();
    this.#remembering ??= this.#write(this.#shipped).finally(() => {
      this.#remembering = null;
    });
    this.#remembering.catch(() => {});
  }

  async #write(shipped: Position): Promise<void> {
    const { file, spool } = this.#options;
    // Flushed before it takes the name: a torn one and a trimmed spool would be a process that cannot start.
    await writeFile(`${file}.new`, `${spool.encodePosition(shipped)}\n`, { mode: 0o600, flush: true });
    await rename(`${file}.new`, file);
    spool.trim(shipped, this.#options.keepSegments);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#following.close();
    await this.#remembering?.catch(() => {});
    if (this.#shipped !== null) await this.#write(this.#shipped).catch(() => {});
  }
}

/** A file that the machine's end has torn is none: everything that the spool has is sent again, and dropped. */
function shippedIn({ file, spool }: Pick<ShipperOptions, "file" | "spool">): Position | null {
  const text = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  return /^\d{16}$/.test(text) ? spool.decodePosition(text) : null;
}

function chunks(batches: readonly Batch[]): Batch[][] {
  const found: Batch[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const batch of batches) {
    if (bytes + batch.bytes > packBytesMax) {
      found.push([]);
      bytes = 0;
    }
    found.at(-1)?.push(batch);
    bytes += batch.bytes;
  }
  return found;
}
