/**
 * Reading a partition without an end: keeps the position, opens one session after the other with the brokers and hands
 * on what comes, so that each message is delivered once and in order whatever a session does (rejoins, starts again from
 * elsewhere, dies, hangs). It ends only when its consumer throws or the next message is gone for good.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Bounds, Inbound, Tail } from "./bus.ts";

/** What a session fetched: messages in order; other things (markers of the brokers) may take offsets between them. */
export interface Fetched {
  /** Offsets that this fetch covers, markers too. */
  readonly first: number;
  readonly last: number;
  readonly messages: readonly Inbound[];
}

/** One attempt to read; it ends with an error and never by itself. */
export interface Session {
  readonly broken: Promise<never>;
  end(): Promise<void>;
}

export interface SessionEvents {
  /** Where to read; asked whenever the session has to start over. */
  position(): number;
  /** The brokers answer. */
  alive(): void;
  take(fetched: Fetched): Promise<void>;
}

export interface TailSource {
  readonly name: string;
  open(events: SessionEvents): Promise<Session>;
  bounds(): Promise<Bounds>;
  /** Null: all is well. */
  report(trouble: unknown): void;
  /** For tests; otherwise as below. */
  readonly silenceMsMax?: number;
}

const retryMsMin = 100;
const retryMsMax = 2_000;
/** A session that says nothing for so long, though it polls all the time, is replaced. */
const silenceMsMax = 20_000;
const doubtMs = 500;

export class KafkaTail implements Tail {
  readonly ended: Promise<void>;
  readonly #source: TailSource;
  readonly #deliver: (messages: readonly Inbound[]) => unknown;
  readonly #stopping = new AbortController();
  #next: number;
  #session: symbol | null = null;
  #delivering: Promise<void> = Promise.resolve();
  #busy = false;
  #heardMs = 0;
  #retryMs = retryMsMin;
  /** Why it cannot go on at all. */
  #fatal: { readonly error: unknown } | null = null;

  constructor(source: TailSource, from: number, deliver: (messages: readonly Inbound[]) => unknown) {
    this.#source = source;
    this.#next = from;
    this.#deliver = deliver;
    this.ended = this.#run();
    this.ended.catch(() => {});
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.ended.catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#read(signal);
      } catch (error) {
        if (this.#fatal !== null || signal.aborted) break;
        this.#source.report(error);
      }
      await this.#delivering;
      if (this.#fatal !== null) break;
      await sleep(this.#retryMs, null, { signal }).catch(() => {});
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
    }
    if (this.#fatal !== null) throw this.#fatal.error;
  }

  /** One session from its first word to its end. */
  async #read(signal: AbortSignal): Promise<void> {
    if (!(await this.#check()) || signal.aborted) return;
    const me = Symbol("session");
    const broken = Promise.withResolvers<void>();
    broken.promise.catch(() => {});
    const stop = (): void => broken.resolve();
    this.#session = me;
    this.#heard();
    signal.addEventListener("abort", stop);
    const patienceMs = this.#source.silenceMsMax ?? silenceMsMax;
    const watch = setInterval(() => {
      if (!this.#busy && performance.now() - this.#heardMs > patienceMs) broken.reject(new Error("no answer"));
    }, patienceMs / 20);
    let session: Session | null = null;
    try {
      session = await this.#source.open({
        position: () => this.#next,
        alive: () => this.#alive(me),
        take: (fetched) => this.#take(me, fetched, stop),
      });
      await Promise.race([session.broken, broken.promise]);
    } finally {
      clearInterval(watch);
      signal.removeEventListener("abort", stop);
      this.#session = null;
      await session?.end();
    }
  }

  #heard(): void {
    this.#heardMs = performance.now();
  }

  #alive(session: symbol): void {
    if (session !== this.#session) return;
    this.#heard();
    this.#retryMs = retryMsMin;
    this.#source.report(null);
  }

  async #take(session: symbol, fetched: Fetched, stop: () => void): Promise<void> {
    if (session !== this.#session || this.#fatal !== null) return;
    this.#busy = true;
    this.#delivering = this.#handOn(fetched).catch((error: unknown) => {
      this.#fatal ??= { error };
      stop();
    });
    await this.#delivering;
    this.#busy = false;
    this.#heard();
  }

  async #handOn({ first, last, messages }: Fetched): Promise<void> {
    // The session was told to read from `next`: it starts lower only after the brokers said that `next` does not exist.
    if (first < this.#next) throw this.#gone("the partition was cut behind what was already read");
    if (hasHole(this.#next, last, messages) && !(await this.#check())) return;
    if (messages.length > 0) await this.#deliver(messages);
    this.#next = last + 1;
  }

  /** What should be next must still be there, or be the very next to come. @returns false when it was closed meanwhile */
  async #check(): Promise<boolean> {
    const { signal } = this.#stopping;
    for (let doubts = 0; ; doubts++) {
      const bounds = await unlessAborted(this.#source.bounds(), signal);
      if (bounds === null) return false;
      const { first, end } = bounds;
      if (first <= this.#next && this.#next <= end) return true;
      // A broker that has just taken over may for a moment not know how far its predecessor was.
      if (doubts === 3) {
        const error = this.#gone(`it has ${first} to ${end}`);
        this.#fatal = { error };
        throw error;
      }
      await sleep(doubtMs, null, { signal }).catch(() => {});
    }
  }

  #gone(why: string): ThroughlineError {
    return new ThroughlineError("log.damaged", `${this.#source.name} no longer has offset ${this.#next}: ${why}`);
  }
}

/** Brokers that are away are asked for ever; whoever closes does not wait for them. @returns null then */
async function unlessAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const aborted = Promise.withResolvers<null>();
  const abort = (): void => aborted.resolve(null);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  asked.catch(() => {});
  try {
    return await Promise.race([aborted.promise, asked]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function hasHole(next: number, last: number, messages: readonly Inbound[]): boolean {
  return messages[0]?.offset !== next || messages.at(-1)?.offset !== last || messages.length !== last - next + 1;
}
