/**
 * A whole copy of the shared log in one journal of its own: every pack is judged in full, checked against its source's
 * sequences, and written in the order of the steps topic; its writer chains and signs that order. Store, exports,
 * verification and replay read it as they read the log of one machine, and the brokers' retention is not ours.
 *
 * Log time is that of the steps topic, which is what windows are measured by; an event of the other stream gets the time
 * that the steps had reached. A hole stops its source here, is written down once, and ends when what was missing comes.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Envelope, Stream } from "../../schemas/event.ts";
import type { Bus, Inbound, Tail } from "./bus.ts";
import { Refusal } from "./heard-batch.ts";
import type { Journal } from "./journal.ts";
import { judgeParts, type Packed } from "./pack.ts";
import { type Fresh, freshOf, type Hole } from "./pack-reader.ts";
import { paddedSequence } from "./record.ts";
import type { Refusals } from "./refusals.ts";
import type { Topics } from "./topics.ts";

export interface ArchiveOptions {
  readonly journal: Journal;
  readonly bus: Bus;
  readonly topics: Topics;
  readonly refusals: Pick<Refusals, "record">;
  /** Moves the journal's clock: log time of the steps. */
  readonly setClock: (atMs: number) => void;
  /** Where it remembers how far it has read each partition. */
  readonly file: string;
  readonly now: () => number;
}

interface Lane {
  readonly topic: string;
  readonly partition: number;
  readonly stream: Stream;
  /** The next offset to read. */
  next: number;
  /** Where to begin again, because what was missing there has come. */
  back: number | null;
  tail: Tail | null;
}

const rememberMs = 500;
const fullRetryMs = 1_000;
/** Of each minute. */
const signedWaitMs = 2_000;
const signedLookMs = 5;

export class Archive {
  /** Rejects when the journal breaks or a partition cannot be read on; resolves after close(). */
  readonly ended: Promise<void>;
  readonly #options: ArchiveOptions;
  readonly #lanes: readonly Lane[];
  /** Where reading must begin again once what is missing comes: source and stream → offset. */
  readonly #holes = new Map<string, { readonly hole: Hole; readonly lane: Lane; readonly offset: number }>();
  readonly #stopping = new AbortController();
  /** By source: how long others waited for its steps in this minute. */
  readonly #waited = new Map<string, { readonly minute: number; ms: number }>();
  #waiting: { isThere: () => boolean; resolve: () => void }[] = [];
  #remembering: Promise<void> | null = null;

  constructor(options: ArchiveOptions) {
    this.#options = options;
    const { topics, file } = options;
    const known = placesIn(file);
    const lane = (topic: string, partition: number, stream: Stream): Lane => {
      return { topic, partition, stream, next: known[`${topic}/${partition}`] ?? 0, back: null, tail: null };
    };
    const events = Array.from({ length: topics.eventPartitions }, (_, index) => lane(topics.events, index, "events"));
    this.#lanes = [lane(topics.steps, 0, "steps"), ...events];
    this.ended = Promise.all(this.#lanes.map((one) => this.#follow(one))).then(() => {});
    this.ended.catch(() => {});
  }

  /** Follows one partition until the archive is closed; begins again further back where a hole has ended. */
  async #follow(lane: Lane): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      lane.back = null;
      const tail = this.#options.bus.tail(lane.topic, lane.partition, lane.next, async (messages) => {
        for (const message of messages)
          if (lane.back === null && !this.#stopping.signal.aborted) await this.#take(lane, message);
        this.#settle();
      });
      lane.tail = tail;
      await tail.ended;
    }
  }

  async #take(lane: Lane, message: Inbound): Promise<void> {
    const { journal, refusals, setClock } = this.#options;
    if (lane.stream === "steps") setClock(message.atMs);
    const reading = {
      tenant: journal.tenant,
      known: journal.sources.known,
      stream: lane.stream,
      has: (source: string) => journal.lanesOf(source)[lane.stream].sequence,
      refused: (source: string, type: string, reason: string) => refusals.record(source, type, reason),
    };
    const fresh = freshOf(reading, message);
    if (fresh?.hole) this.#missing(fresh.hole, lane, message.offset);
    else if (fresh !== null) {
      for (const batch of fresh.batches) if (!(await this.#hear(fresh, batch))) break;
      // Whoever was closing took no more of it: the next start must read it again.
      if (this.#stopping.signal.aborted) return;
      this.#mended(fresh);
    }
    // Not before it was heard: somebody else may write down meanwhile how far this lane has got.
    lane.next = lane.back ?? message.offset + 1;
    this.#remember();
  }

  /** Written down once per hole. */
  #missing(hole: Hole, lane: Lane, offset: number): void {
    const name = `${hole.source}\n${hole.stream}`;
    if (this.#holes.has(name)) return;
    this.#holes.set(name, { hole, lane, offset });
    this.#options.journal.miss(hole, "they never came to the shared log; what follows them waits");
  }

  /** Reading begins again at the hole that has just ended. */
  #mended({ pack }: Fresh): void {
    const name = `${pack.source.source}\n${pack.stream}`;
    const open = this.#holes.get(name);
    // What ends it must have been taken, not only have come: a refused pack would send this round and round.
    const { sequence } = this.#options.journal.lanesOf(pack.source.source)[pack.stream];
    if (open === undefined || sequence < open.hole.until) return;
    this.#holes.delete(name);
    // At once: as long as its place stood further on, it would be written down, and lost by a process that dies.
    const { lane, offset } = open;
    lane.back = lane.next = Math.min(offset, lane.back ?? offset);
    void lane.tail?.close();
  }

  /**
   * A signed head is written behind what it signs, though that came by another partition. It may come first all the same
   * (the verifier takes that), so no source keeps the others waiting for more than a part of each minute.
   */
  async #stepsUpTo(source: string, upTo: number): Promise<void> {
    const { steps } = this.#options.journal.lanesOf(source);
    if (steps.sequence >= upTo) return;
    const minute = Math.floor(this.#options.now() / 60_000);
    const before = this.#waited.get(source);
    const spent = before?.minute === minute ? before : { minute, ms: 0 };
    this.#waited.set(source, spent);
    for (; steps.sequence < upTo && spent.ms < signedWaitMs && !this.#stopping.signal.aborted; spent.ms += signedLookMs)
      await sleep(signedLookMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }

  /** @returns false when it was refused; what its source says from here on is a hole */
  async #hear({ pack }: Fresh, batch: readonly Packed[]): Promise<boolean> {
    const { journal, refusals } = this.#options;
    const { source } = pack.source;
    try {
      const envelopes = judgeParts(pack, batch, journal.tenant);
      await this.#stepsUpTo(source, stepsSigned(envelopes));
      const lane = journal.lanesOf(source)[pack.stream];
      const heard = batch.map(({ part, at }, index) => {
        return { lane, part: pack.body.subarray(at, part.end), role: pack.source.role, envelope: envelopes[index]! };
      });
      while (!this.#stopping.signal.aborted) {
        // Copied into another partition, it may have come from there while this one waited.
        if ((batch[0]?.part.sequence ?? 0) <= lane.sequence) return true;
        try {
          journal.hear(heard);
          return true;
        } catch (error) {
          if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
          // The topic keeps it: reading goes on when there is room.
          await sleep(fullRetryMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
        }
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refusals.record(source, error.claimedType, error.message);
    }
    return false;
  }

  /** Resolves when everything that stands in the shared log now, as far as its partitions can be asked, is durable here. */
  async caughtUp(): Promise<void> {
    const { bus, journal } = this.#options;
    const ends = await Promise.all(
      this.#lanes.map(async (lane) => ({ lane, ...(await bus.bounds(lane.topic, lane.partition)) })),
    );
    const isThere = () => ends.every(({ lane, end }) => lane.next >= end);
    if (!isThere())
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push({ isThere, resolve })), this.ended]);
    await journal.drained();
  }

  #settle(): void {
    this.#waiting = this.#waiting.filter(({ isThere, resolve }) => !isThere() || resolve());
  }

  /** Only what is durable is left behind; an older place means that more is read, and dropped, again. */
  #remember(): void {
    this.#remembering ??= (async () => {
      const places: Record<string, number> = {};
      const back = [...this.#holes.values()];
      for (const one of this.#lanes) {
        const offsets = back.filter(({ lane }) => lane === one).map(({ offset }) => offset);
        places[`${one.topic}/${one.partition}`] = Math.min(one.next, ...offsets);
      }
      await this.#options.journal.drained();
      writeFileSync(`${this.#options.file}.new`, `${JSON.stringify(places)}\n`, { mode: 0o600 });
      renameSync(`${this.#options.file}.new`, this.#options.file);
      await sleep(rememberMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
    })().finally(() => {
      this.#remembering = null;
    });
    this.#remembering.catch(() => {});
  }

  /** Missing records, for an operator. */
  get holes(): readonly string[] {
    return [...this.#holes.values()].map(
      ({ hole }) => `${hole.source} ${hole.stream} ${paddedSequence(hole.from)} to ${paddedSequence(hole.until)}`,
    );
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#lanes.map((lane) => lane.tail?.close()));
    await this.ended.catch(() => {});
    await this.#remembering?.catch(() => {});
  }
}

/** Partition → next offset, as #remember wrote them. A file that the machine's end has torn is none: all is read, and dropped, again. */
function placesIn(file: string): Record<string, number> {
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return {};
  }
}

/** The last step that checkpoints of its source among these sign; 0 when there is none. */
function stepsSigned(envelopes: readonly Envelope[]): number {
  const signed = envelopes.map(({ type, data }) =>
    type === "log.checkpoint" && "signature" in data && data.stream === "steps" ? Number(data.upTo) : 0,
  );
  return Math.max(0, ...signed);
}
