/**
 * Brings alerts to one receiver, in the order of the log, each until the receiver has taken it or a person has given it
 * up; then the cursor moves, durably, and the next one goes. Whatever kills the process between the two, the message is
 * sent again under the same id. So every alert arrives at least once, and none is skipped.
 *
 * A receiver that does not answer is asked again for as long as it takes; what waits, waits in the log. It cannot see
 * whether anybody read the message.
 */
import type { Appender } from "../../infra/log/log.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Alert } from "./raised.ts";

/** An alert at its place in the log. */
export interface Message {
  /** Text that orders as the log does. */
  readonly position: string;
  readonly atMs: number;
  readonly alert: Alert;
}

export interface CourierParts {
  /** Of the receiver. */
  readonly name: string;
  /** @throws ThroughlineError `alert.undelivered` */
  readonly send: (message: Message) => Promise<void>;
  readonly cursor: { readonly position: string | null; move(position: string): void };
  /** Alerts of the log behind a position, in order, at most so many; fewer when the signal says so. */
  readonly readAfter: (position: string, max: number, signal: AbortSignal) => Promise<readonly Message[]>;
  readonly appender: Appender;
  readonly now: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** What the operator must see: a cursor that cannot be written, a defect. It is tried again after a pause. */
  readonly fault: (error: unknown) => void;
  readonly waitingMax?: number;
}

/** Pauses between tries; the last one again and again. */
const retryMs = [500, 2_000, 8_000, 30_000, 120_000, 600_000] as const;
/** A disk that takes no cursor, a log that cannot be read. */
const againMs = 10_000;
/** Failed tries after which it is an event: a receiver that restarts is not. */
const triesUntilSaid = 4;
const waitingKeptMax = 10_000;

interface Failing {
  readonly since: string;
  reason: string;
  tries: number;
}

export interface CourierStatus {
  readonly name: string;
  /** At least so many; those that are still in the log only are not counted. */
  readonly waiting: number;
  readonly failing: { readonly since: string; readonly reason: string } | null;
  /** Id of the message that is being tried, or null. */
  readonly next: string | null;
}

export class Courier {
  readonly name: string;
  readonly #parts: CourierParts;
  readonly #stopping = new AbortController();
  #waiting: Message[] = [];
  /** Given up by a person; a receiver's own. */
  readonly #givenUp = new Set<string>();
  /** Ends the pause of the message that is being tried. */
  #hurry: AbortController | null = null;
  /** It arrived, or need not; its cursor may not have moved yet. */
  #settled: Message | null = null;
  /** Position of the last one that was taken. */
  #taken: string;
  /** Some are in the log and not in memory. */
  #behind = false;
  #reading = false;
  #begun = false;
  #running: Promise<void> = Promise.resolve();
  #active = false;
  #failing: Failing | null = null;
  /** Messages that arrived, and tries that failed, since the start. */
  readonly counts = { sent: 0, failed: 0 };

  constructor(parts: CourierParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#taken = parts.cursor.position ?? "";
  }

  get status(): CourierStatus {
    const { since, reason } = this.#failing ?? {};
    const failing = since === undefined || reason === undefined ? null : { since, reason };
    return { name: this.name, waiting: this.#waiting.length, failing, next: this.#waiting[0]?.alert.alert ?? null };
  }

  /** For every alert of the log, in order. Before `begin` a receiver that is new takes none: they were before its time. */
  take(message: Message): void {
    if (!this.#begun && this.#parts.cursor.position === null) return;
    if (message.position <= this.#taken) return;
    if (this.#reading || this.#behind || this.#waiting.length >= (this.#parts.waitingMax ?? waitingKeptMax)) {
      this.#behind = true;
      return;
    }
    this.#taken = message.position;
    this.#waiting.push(message);
    if (this.#begun) this.#run();
  }

  /** A person said so, in the log. */
  giveUp(alert: string): void {
    this.#givenUp.add(alert);
    if (this.#waiting[0]?.alert.alert === alert) this.#hurry?.abort();
  }

  /** The log was read up to here: from now on messages are sent. A cursor that is ahead of the log is of another log. */
  begin(position: string): void {
    const { cursor } = this.#parts;
    this.#begun = true;
    if (cursor.position === null) this.#settle(position);
    else if (cursor.position > position) {
      const ahead = `what ${this.name} has got (${cursor.position}) is not in this log, which ends at ${position}`;
      this.#settle(position);
      this.#parts.fault(new ThroughlineError("alert.undelivered", `${ahead}: it goes on from there`));
    }
    this.#run();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#hurry?.abort();
    await this.#running;
  }

  /** On a disk that takes no cursor it counts in memory; the next message moves the cursor again. */
  #settle(position: string): void {
    this.#taken = position;
    try {
      this.#parts.cursor.move(position);
    } catch (error) {
      this.#parts.fault(error);
    }
  }

  #run(): void {
    if (this.#active) return;
    this.#active = true;
    this.#running = this.#deliver().catch(this.#parts.fault);
  }

  async #deliver(): Promise<void> {
    try {
      while (!this.#stopping.signal.aborted) {
        if (this.#waiting.length === 0 && !this.#behind) return;
        await this.#step();
      }
    } finally {
      // In the same turn as the last look: what is taken after it starts anew.
      this.#active = false;
    }
  }

  /** What fails here is nobody's refusal: what waits is tried again, whether or not there is ever another alert. */
  async #step(): Promise<void> {
    try {
      const [message] = this.#waiting;
      await (message === undefined ? this.#refill() : this.#next(message));
    } catch (error) {
      this.#parts.fault(error);
      await this.#parts.wait(againMs, this.#stopping.signal);
    }
  }

  async #next(message: Message): Promise<void> {
    const { alert } = message.alert;
    const isSettled = () => this.#settled === message || this.#givenUp.has(alert);
    if (!isSettled() && !(await this.#bring(message)) && !isSettled()) return;
    this.#settled = message;
    this.#parts.cursor.move(message.position);
    this.#settled = null;
    this.#waiting.shift();
    this.#givenUp.delete(alert);
  }

  /** @returns whether it arrived; false = given up, or the process ends */
  async #bring(message: Message): Promise<boolean> {
    const { signal } = this.#stopping;
    for (let tries = 0; !signal.aborted && !this.#givenUp.has(message.alert.alert); tries += 1) {
      try {
        await this.#parts.send(message);
        this.#worked();
        return true;
      } catch (error) {
        if (!(error instanceof ThroughlineError)) throw error;
        this.#failed(error.message);
      }
      this.#hurry = new AbortController();
      const pause = retryMs[Math.min(tries, retryMs.length - 1)] ?? 0;
      if (!signal.aborted) await this.#parts.wait(pause, AbortSignal.any([signal, this.#hurry.signal]));
      this.#hurry = null;
    }
    return false;
  }

  #failed(reason: string): void {
    this.counts.failed += 1;
    this.#failing ??= { since: new Date(this.#parts.now()).toISOString(), reason, tries: 0 };
    this.#failing.reason = reason;
    this.#failing.tries += 1;
    if (this.#failing.tries !== triesUntilSaid) return;
    this.#parts.appender.append({ type: "sink.failed", subject: {}, data: { sink: this.#sink, reason } });
  }

  #worked(): void {
    this.counts.sent += 1;
    const failing = this.#failing;
    this.#failing = null;
    if (failing === null || failing.tries < triesUntilSaid) return;
    const until = new Date(this.#parts.now()).toISOString();
    const data = { sink: this.#sink, from: failing.since, until, count: this.#waiting.length };
    this.#parts.appender.append({ type: "sink.recovered", subject: {}, data });
  }

  get #sink(): string {
    return `alerts/${this.name}`;
  }

  /** Those that did not fit into memory; what is raised meanwhile is read the next time. */
  async #refill(): Promise<void> {
    this.#reading = true;
    const max = this.#parts.waitingMax ?? waitingKeptMax;
    try {
      // Still behind where this fails; what is raised while it reads makes it so again.
      this.#behind = false;
      const found = await this.#parts.readAfter(this.#taken, max, this.#stopping.signal);
      if (found.length >= max) this.#behind = true;
      this.#waiting.push(...found);
      this.#taken = found.at(-1)?.position ?? this.#taken;
    } catch (error) {
      this.#behind = true;
      throw error;
    } finally {
      this.#reading = false;
    }
  }
}
