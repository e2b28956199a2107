/**
 * The log of many machines as one process has it: what it says goes into its own spool first and from there, shipped,
 * into the shared log; what everybody says it follows from there. `openArchivedLog` adds a whole copy, for processes
 * that serve people; it is the same `Log` that one machine has.
 *
 * When the brokers are away, what needs no more than the spool goes on; what must be shared waits.
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Role, Stream } from "../../schemas/event.ts";
import { Archive } from "./archive.ts";
import type { Bus } from "./bus.ts";
import type { Entry } from "./entry.ts";
import { type Journal, openJournal } from "./journal.ts";
import type { Appender, Following, FollowOptions, Log, LogRecord } from "./log.ts";
import type { Hole } from "./pack-reader.ts";
import { numberOf } from "./position.ts";
import { Refusals } from "./refusals.ts";
import { SharedAppender } from "./shared-appender.ts";
import { Shipper } from "./shipper.ts";
import type { Sources } from "./sources.ts";
import { followSteps, type StepsFollowing, type StepsState } from "./steps-follow.ts";
import { type Durability, type Topics, topicNeeds, topicsOf } from "./topics.ts";

export interface SharedLogOptions {
  /** The data folder: `spool/`, and `log/` where there is an archive. */
  readonly folder: string;
  readonly tenant: string;
  /** Name of this process's sources: `<role>/<name>`. */
  readonly name: string;
  readonly sources: Sources;
  readonly bus: Bus;
  readonly prefix: string;
  readonly eventPartitions: number;
  readonly durability: Durability;
  readonly now: () => number;
  readonly fatal: (error: Error) => void;
  /** For the operator: a message that was refused, a hole in what a source said. */
  readonly fault: (error: unknown) => void;
  /** How long closing waits for the brokers, milliseconds. */
  readonly closeWaitMs?: number;
}

const closeWaitMs = 5_000;
/** A gibibyte of what was shipped stays in the spool. */
const spoolSegmentsKept = 4;
/** Brokers that were away at every one of so many looks are away. */
const awayLooks = 10;
const awayLookMs = 300;

/** @throws ThroughlineError `config.invalid` when the topics are not as they must be, and as `openJournal` */
export async function openSharedLog(options: SharedLogOptions): Promise<SharedLog> {
  const { folder, tenant, name, now, fatal, sources, bus, durability } = options;
  const topics = topicsOf(options);
  await bus.prepare(topicNeeds(topics, durability));
  const spool = await openJournal({ folder, place: "spool", tenant, name, now, fatal, sources });
  const shipper = new Shipper({
    spool,
    bus,
    topics,
    tenant,
    keyOf: keptKeys(sources),
    file: join(folder, "spool", "shipped"),
    keepSegments: spoolSegmentsKept,
    appender: await spool.appender("log", name),
    now,
  });
  shipper.ended.catch(fatal);
  return new SharedLog(options, topics, spool, shipper);
}

export class SharedLog {
  readonly spool: Journal;
  readonly shipper: Shipper;
  readonly topics: Topics;
  readonly #options: SharedLogOptions;
  readonly #appenders: SharedAppender[] = [];
  readonly #refusals: Refusals;
  #closing: Promise<void> | null = null;
  #closed = false;

  constructor(options: SharedLogOptions, topics: Topics, spool: Journal, shipper: Shipper) {
    this.#options = options;
    this.topics = topics;
    this.spool = spool;
    this.shipper = shipper;
    this.#refusals = new Refusals(spool, options.now);
  }

  /** Durable = in this process's spool. */
  appender(role: Role, name: string): Promise<Appender> {
    return this.spool.appender(role, name);
  }

  /** Durable = acknowledged by the shared log. */
  async sharedAppender(role: Role, name: string): Promise<Appender> {
    const local = await this.spool.appender(role, name);
    const appender = new SharedAppender(local, this.spool.lanesOf(local.source), this.shipper);
    this.#appenders.push(appender);
    return appender;
  }

  /**
   * Every step of the tenant, from the first or behind `from`.
   * @param deliver gets the entries of one message and its place; it is waited for
   */
  follow(
    deliver: (entries: readonly Entry[], offset: number) => void | Promise<void>,
    from?: StepsState,
  ): StepsFollowing {
    const { bus, tenant, sources, fault } = this.#options;
    const refused = (source: string, type: string, reason: string) => {
      // Not more than is written down: whoever may write to the topic must not bury what else an operator is told.
      if (!this.#refusals.record(source, type, reason)) return;
      fault(new ThroughlineError("log.refused", `A message in ${this.topics.steps} was refused: ${reason}`));
    };
    const holes = (hole: Hole) => fault(holeIn(hole));
    const about = { bus, topics: this.topics, tenant, known: sources.known, refused, holes };
    return followSteps(from === undefined ? about : { ...about, from }, deliver);
  }

  /**
   * A spool that is older than what the shared log has (a disk that was lost, or put back) gives sequences again, and
   * everybody would drop what it says as a repetition: approvals, blocks and records without a word.
   * @param last by source, of what the shared log has in a stream. @throws ThroughlineError `log.refused`
   */
  expectWhole(stream: Stream, last: Iterable<readonly [source: string, sequence: number]>): void {
    for (const [source, sequence] of last) {
      const own = this.spool.isLocal(source) ? this.spool.lanesOf(source)[stream].sequence : sequence;
      if (own >= sequence) continue;
      const found = `The shared log has ${source}, ${stream}, up to ${sequence}; the spool here ends at ${own}`;
      throw new ThroughlineError(
        "log.refused",
        `${found}: it is an older or another one. Give this process a new name`,
      );
    }
  }

  /** Resolves when everything that was said until now is in the shared log. */
  async shipped(): Promise<void> {
    await this.spool.drained();
    const head = await this.spool.head();
    if (head === null) return;
    const upTo = numberOf(head);
    while (numberOf(this.shipper.shipped) < upTo && !this.#closed) await sleep(5);
  }

  /** Waits a while until the shared log has everything that was said. @throws ThroughlineError `log.lost_connection` */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const late = Symbol("late");
    const waited = new AbortController();
    const patience = sleep(this.#options.closeWaitMs ?? closeWaitMs, late, waited).catch(() => {});
    const shipped = (await Promise.race([this.shipped(), patience])) !== late;
    waited.abort();
    this.#closed = true;
    await this.shipper.close();
    const error = new ThroughlineError(
      "log.lost_connection",
      "Not everything said here reached the shared log; the spool keeps it",
    );
    for (const appender of this.#appenders) appender.close(error);
    await this.spool.close();
    if (!shipped) throw error;
  }
}

export interface ArchivedLog extends Log {
  readonly shared: SharedLog;
  readonly archive: Archive;
  readonly journal: Journal;
}

/**
 * As `openSharedLog`, with a whole copy in `log/`, written by the source `log/<name>-archive`. Its appenders' records are
 * durable when the shared log has them; what it gives back has come from there.
 */
export async function openArchivedLog(options: SharedLogOptions): Promise<ArchivedLog> {
  const { folder, tenant, name, sources, bus, fatal, now } = options;
  const shared = await openSharedLog(options);
  const clock = { atMs: 0 };
  const journal = await openJournal({ folder, tenant, name: `${name}-archive`, sources, fatal, now: () => clock.atMs });
  const archive = new Archive({
    journal,
    bus,
    topics: shared.topics,
    refusals: new Refusals(journal, now),
    setClock: (atMs) => {
      clock.atMs = Math.max(clock.atMs, atMs);
    },
    file: join(folder, "log", "read"),
    now,
  });
  archive.ended.catch(fatal);
  let closing: Promise<void> | null = null;
  archive
    .caughtUp()
    .then(() => {
      for (const stream of ["steps", "events"] as const)
        shared.expectWhole(
          stream,
          [...sources.known.keys()].map((source) => [source, journal.lanesOf(source)[stream].sequence] as const),
        );
    })
    // Who closes while brokers are away hears only that the bus was closed.
    .catch((error: Error) => closing === null && fatal(error));
  const followings = new Set<Following>();
  return {
    writer: journal.writer,
    shared,
    archive,
    journal,
    appender: (role, ofName) => shared.sharedAppender(role, ofName),
    follow(followOptions, deliver) {
      const following = followArchive({ journal, archive, bus }, followOptions, deliver);
      followings.add(following);
      const forget = () => followings.delete(following);
      following.ended.then(forget, forget);
      return following;
    },
    async head() {
      await caughtUpOrAway(archive, bus);
      return journal.head();
    },
    encodePosition: (position) => journal.encodePosition(position),
    decodePosition: (text) => journal.decodePosition(text),
    close() {
      closing ??= (async () => {
        try {
          await shared.close();
        } finally {
          for (const following of followings) await following.close();
          await archive.close();
          await journal.close();
        }
      })();
      return closing;
    },
  };
}

/** Caught up: with all that the shared log has when it can be asked, else with what was copied. */
function followArchive(
  { journal, archive, bus }: { journal: Journal; archive: Archive; bus: Bus },
  options: FollowOptions,
  deliver: (records: readonly LogRecord[]) => void | Promise<void>,
): Following {
  let [delivered, wanted] = [numberOf(options.after), Number.POSITIVE_INFINITY];
  const reached = Promise.withResolvers<void>();
  reached.promise.catch(() => {});
  const settle = () => delivered >= wanted && reached.resolve();
  const inner = journal.follow({ ...options, streams: ["steps", "events"] }, async (records) => {
    const given = records.filter((record) => options.streams.includes(record.stream));
    if (given.length > 0) await deliver(given);
    delivered = numberOf(records.at(-1)?.position ?? null);
    settle();
  });
  inner.ended.catch((error: Error) => reached.reject(error));
  caughtUpOrAway(archive, bus)
    .then(async () => {
      wanted = numberOf(await journal.head());
      settle();
    })
    .catch((error: Error) => reached.reject(error));
  return { caughtUp: reached.promise, ended: inner.ended, close: () => inner.close() };
}

/** Waits for all that the shared log has; when the brokers stay away, for what was copied before. */
async function caughtUpOrAway(archive: Archive, bus: Bus): Promise<void> {
  const ended = new AbortController();
  const { signal } = ended;
  const away = async () => {
    for (let looks = 0; looks < awayLooks && !signal.aborted; looks = bus.state.connected ? 0 : looks + 1)
      await sleep(awayLookMs, undefined, { signal }).catch(() => {});
  };
  try {
    await Promise.race([archive.caughtUp(), away()]);
  } finally {
    ended.abort();
  }
}

function holeIn({ source, stream, from, until }: Hole): ThroughlineError {
  return new ThroughlineError(
    "log.damaged",
    `Records ${from} to ${until} of ${source}, ${stream}, never came to the shared log`,
  );
}

/** A private key is read once. */
function keptKeys(sources: Sources): (source: string) => ReturnType<Sources["privateKey"]> {
  const kept = new Map<string, ReturnType<Sources["privateKey"]>>();
  return (source) => {
    const key = kept.get(source) ?? sources.privateKey(source);
    kept.set(source, key);
    return key;
  };
}
