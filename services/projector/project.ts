/**
 * The projector: follows the log and writes it into the store, for people to read. Resumes from what the store says it
 * has; a crash repeats, never skips. Nothing here is needed for a decision.
 *
 * When the store does not take records, that is an event (`sink.failed`) and the projector tries again, for ever, until
 * it does (`sink.recovered`); the log keeps everything meanwhile. It refuses to go on when the log itself is gone: then
 * `ended` rejects. It cannot see a record that was cut from the log's end.
 */
import type { Blobs } from "../../infra/blobs/blobs.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import { type Appender, type Draft, type Log, type LogRecord, takesNothingNow } from "../../infra/log/log.ts";
import type { ClearText, Store } from "../../infra/store/store.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { ClearTexts } from "./clear.ts";
import { Gaps } from "./gaps.ts";

export interface ProjectorParts {
  readonly log: Pick<Log, "follow" | "decodePosition">;
  /** Whose log it is; records of another tenant are left out, and said. */
  readonly tenant: string;
  /** Of the role `projector`. */
  readonly appender: Pick<Appender, "append">;
  readonly store: Store;
  readonly keys: Keys;
  readonly blobs: Blobs;
  readonly now: () => number;
  /** Resolves after so many milliseconds, or at once when the signal says so. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Projector {
  /** Everything that was durable when it started is in the store. */
  readonly caughtUp: Promise<void>;
  /** Rejects when the log breaks; resolves after close(). */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Each write is a part on disk: small ones are gathered this long. Well under the second that a timeline may be late. */
const gatherMs = 100;
const gatherUnder = 500;
/** So many wait while others are written; then the log does. About 4 KB of memory each. */
const pendingMax = 20_000;
const retryMsMin = 250;
const retryMsMax = 30_000;
/** A large text of what never ran is named in the log while it is still being put away; that takes at most so long. */
const lateMsMax = 30_000;
const lateLookMs = 250;

/**
 * Begins at once, also while the store is away: whoever else runs in this process does not wait for it. That the store is
 * of a newer version, of another tenant or of another log is what `ended` rejects with.
 */
export async function runProjector(parts: ProjectorParts): Promise<Projector> {
  const projection = new Projection(parts);
  const following = projection
    .writtenUpTo()
    .then((upTo) =>
      parts.log.follow(
        { after: upTo === null ? null : parts.log.decodePosition(upTo), streams: ["steps", "events"] },
        (records) => projection.take(records),
      ),
    );
  const caughtUp = following
    .then((one) => Promise.race([one.caughtUp, projection.failed]))
    .then(() => projection.idle());
  const ended = following
    .then((one) => Promise.race([one.ended, projection.failed]))
    .catch((error: unknown) => {
      if (!projection.stopped) throw error;
    });
  // Whoever does not ask for one must not be ended by it: the other carries the same error.
  for (const one of [caughtUp, ended]) one.catch(() => undefined);
  return {
    caughtUp,
    ended,
    async close() {
      projection.stop();
      // Where it never began there is nothing to end; why stands in `ended`.
      await following.then((one) => one.close()).catch(() => undefined);
      await projection.settled();
    },
  };
}

class Projection {
  readonly #parts: ProjectorParts;
  readonly #clear: ClearTexts;
  readonly #gaps = new Gaps();
  readonly #stopping = new AbortController();
  /** Sessions whose text could not be opened, so that each is reported once. */
  readonly #unreadable = new Set<string>();
  /** Sources that said something of another tenant. */
  readonly #foreign = new Set<string>();
  readonly #failed = Promise.withResolvers<never>();
  #pending: LogRecord[] = [];
  #writing: Promise<void> | null = null;
  #broken = false;

  constructor(parts: ProjectorParts) {
    this.#parts = parts;
    const keyIdOf = (session: string) => keyIdFrom(parts.store, session);
    this.#clear = new ClearTexts({ keys: parts.keys, blobs: parts.blobs, keyIdOf });
    this.#failed.promise.catch(() => undefined);
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Asks until the store answers. */
  async writtenUpTo(): Promise<string | null> {
    let upTo: string | null = null;
    await this.#insist("store", 0, async () => {
      upTo = await this.#parts.store.writtenUpTo();
    });
    return upTo;
  }

  /** Rejects when what was taken cannot be written; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Resolves when everything that was taken is in the store. */
  async idle(): Promise<void> {
    while ((this.#pending.length > 0 || this.#writing !== null) && !this.stopped) await this.#write();
  }

  /** Resolves when nothing is being written; what fails then stands in `failed`. */
  async settled(): Promise<void> {
    await this.#writing?.catch(() => undefined);
  }

  /** What is being written, or begins to be now. */
  async #write(): Promise<void> {
    // What was not written must not be skipped: nothing is written after it.
    if (this.#broken) await this.#failed.promise;
    if (this.#pending.length > 0) this.#writing ??= this.#writeOn();
    await this.#writing;
  }

  /** What it takes is written while the next is read; it keeps the log waiting when too much is. */
  async take(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) {
      const gap = this.#gaps.before(record);
      if (gap) this.#parts.appender.append({ type: "log.gap", subject: {}, data: gap });
      if (record.envelope.tenant !== this.#parts.tenant) {
        this.#leaveOut(record);
        continue;
      }
      this.#clear.follow(record);
      if (record.type === "key.erased") {
        // The text is deleted before the store can say that it has read this far.
        await this.idle();
        await this.#forget(record);
      }
      this.#pending.push(record);
    }
    const writing = this.#write();
    // It also stands in `failed`, and the next call meets it here.
    writing.catch(() => undefined);
    while (this.#pending.length >= pendingMax && !this.stopped) await this.#write();
    if (this.#broken) await writing;
  }

  /** Whoever may write the log of one tenant must not fill the timelines of another. */
  #leaveOut(record: LogRecord): void {
    if (this.#foreign.has(record.source)) return;
    this.#foreign.add(record.source);
    const reason = `store.foreign: ${record.source} says records of another tenant; they are left out`;
    this.#parts.appender.append({ type: "sink.failed", subject: {}, data: { sink: "store", reason } });
  }

  /** Writes until nothing waits. */
  async #writeOn(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        if (this.#pending.length < gatherUnder) await this.#parts.wait(gatherMs, this.#stopping.signal);
        if (this.stopped) return;
        const records = this.#pending;
        this.#pending = [];
        await this.#store(records);
      }
    } catch (error) {
      this.#broken = true;
      this.#failed.reject(error);
      throw error;
    } finally {
      this.#writing = null;
    }
  }

  async #store(records: readonly LogRecord[]): Promise<void> {
    await this.#insist("store", records.length, async () => {
      const texts = await this.#textsOf(records);
      await this.#parts.store.write(records, texts);
    });
  }

  async #forget(record: LogRecord): Promise<void> {
    const { keyId } = record.envelope.data as EventData["key.erased"];
    await this.#insist("store", 1, async () => {
      const { store } = this.#parts;
      const opened = await store.timeline({ key: keyId, type: "session.opened" }, 1);
      const session = record.envelope.session ?? opened[0]?.session;
      if (session !== undefined) await store.forgetText(session);
    });
  }

  /** Tries until it works or the projector is closed; says so in the log when it begins to fail and when it ends. */
  async #insist(sink: string, count: number, work: () => Promise<void>): Promise<void> {
    const { now, wait } = this.#parts;
    let failedSince: string | null = null;
    for (let delay = retryMsMin; ; delay = Math.min(delay * 2, retryMsMax)) {
      try {
        await work();
        break;
      } catch (error) {
        if (!isAway(error)) throw error;
        if (failedSince === null) {
          failedSince = new Date(now()).toISOString();
          this.#note({ type: "sink.failed", subject: {}, data: { sink, reason: reasonOf(error) } });
        }
        await wait(delay, this.#stopping.signal);
        // Not written, so not skipped: the store's own mark stays where it is.
        if (this.#stopping.signal.aborted) throw error;
      }
    }
    if (failedSince === null) return;
    const data = { sink, from: failedSince, until: new Date(now()).toISOString(), count };
    this.#note({ type: "sink.recovered", subject: {}, data });
  }

  /** What fails with the store may be the disk or the machine that the log is on too: nothing ends because it goes unsaid. */
  #note(draft: Draft): void {
    try {
      this.#parts.appender.append(draft);
    } catch (error) {
      if (!takesNothingNow(error)) throw error;
    }
  }

  async #textsOf(records: readonly LogRecord[]): Promise<Map<string, ClearText>> {
    const texts = new Map<string, ClearText>();
    for (const record of records) {
      const clear = await this.#readable(record);
      if (clear) texts.set(record.envelope.id, clear);
    }
    return texts;
  }

  async #readable(record: LogRecord): Promise<ClearText | null> {
    for (let waitedMs = 0; ; waitedMs += lateLookMs) {
      try {
        return await this.#clear.of(record);
      } catch (error) {
        // Text that is only late must not be missing for ever: it is tried again, and timelines wait.
        if (!(error instanceof ThroughlineError) || isAway(error)) throw error;
        if (error.code !== "not.found" || !this.#mayBeLate(record, waitedMs)) return this.#without(record, error);
        await this.#parts.wait(lateLookMs, this.#stopping.signal);
        if (this.stopped) throw error;
      }
    }
  }

  #mayBeLate(record: LogRecord, waitedMs: number): boolean {
    return waitedMs < lateMsMax && this.#parts.now() - record.atMs < lateMsMax;
  }

  #without(record: LogRecord, error: ThroughlineError): null {
    const session = record.envelope.session ?? "";
    if (!this.#unreadable.has(session)) {
      this.#unreadable.add(session);
      const data = { sink: "text", reason: reasonOf(error) };
      this.#note({ type: "sink.failed", subject: { session }, data });
    }
    return null;
  }
}

async function keyIdFrom(store: Store, session: string): Promise<string | null> {
  const [opened] = await store.timeline({ session, type: "session.opened" }, 1);
  const data = opened?.data as Partial<EventData["session.opened"]> | undefined;
  return data?.keyId ?? null;
}

/**
 * The store, or the storage of keys and blobs: whatever it is, it comes back. Also credentials that are being exchanged:
 * for a moment a file is not there, or the storage refuses what belongs together only in a moment.
 */
const awayCodes: ReadonlySet<string> = new Set([
  "store.unavailable",
  "blobs.unavailable",
  "blobs.refused",
  "config.unreadable",
]);

function isAway(error: unknown): boolean {
  return error instanceof ThroughlineError && awayCodes.has(error.code);
}

/** The store's own words, without the rows that it quotes. */
function reasonOf(error: unknown): string {
  if (!(error instanceof ThroughlineError)) return "unknown";
  return `${error.code}: ${error.message}`;
}
