/**
 * What a gateway knows of the shared log and of the other gateways: how far its own records are acknowledged, how old its
 * feed may be, and how far everybody else has read. Folded from the steps it follows; the clock is given.
 *
 * On one machine there is no such view: the log is in this process, nothing is ever behind.
 */
import type { Entry } from "../../infra/log/entry.ts";

export interface SharedParts {
  /** `gateway/<name>`. */
  readonly source: string;
  /** Last sequence of its steps that was said here, and that the shared log has acknowledged. */
  readonly said: () => number;
  readonly acknowledged: () => number;
  /** The clock that people set, and the one that only runs while the machine does; milliseconds. */
  readonly now: () => number;
  readonly steady: () => number;
  /** Without a heartbeat for this long a gateway counts as gone: longer than it would itself go on with an old feed. */
  readonly goneMs: number;
}

interface Gateway {
  /** It has folded everything up to this place. */
  readonly upTo: string;
  readonly targets: readonly string[];
  /** By the steady clock. */
  readonly seenMs: number;
}

export interface KeptGateway {
  readonly source: string;
  readonly upTo: string;
  readonly targets: readonly string[];
}

interface Moment {
  readonly wallMs: number;
  readonly steadyMs: number;
}

/** What a record brings. */
export interface Travel {
  /** A name gets another meaning, which the record itself tells. */
  readonly redefines: boolean;
  /** Its tags are known here: a correlator has told them. */
  readonly isTold: boolean;
}

/** One own record that must be known to everybody before it takes effect. */
interface Watch {
  readonly target: string;
  /** Whether the record itself is news to others, not only what a correlator says of it. */
  readonly redefines: boolean;
  /** Its place in the shared log. */
  place: string | null;
  /** Where a correlator had said everything that follows from it. */
  told: string | null;
}

export class SharedView {
  readonly #parts: SharedParts;
  readonly #gateways = new Map<string, Gateway>();
  readonly #watches = new Map<number, Watch>();
  readonly #heartbeats = new Map<string, Moment>();
  readonly #listeners = new Set<() => void>();
  #fresh: Moment | null = null;
  #place = "";
  /** Of the last tag that travelled. */
  #newsPlace = "";

  constructor(parts: SharedParts) {
    this.#parts = parts;
  }

  /** The place up to which this gateway has folded. */
  get place(): string {
    return this.#place;
  }

  /** The steps sequence that the next record of this gateway follows. */
  get said(): number {
    return this.#parts.said();
  }

  hasAcknowledged(sequence: number): boolean {
    return sequence <= this.#parts.acknowledged();
  }

  /** A heartbeat leaves now: when it comes back, everything until now is known here. */
  beats(id: string): void {
    const { now, steady } = this.#parts;
    this.#heartbeats.set(id, { wallMs: now(), steadyMs: steady() });
  }

  /**
   * How old what is known here may be, milliseconds; infinite before the first heartbeat came back. By whichever clock says
   * more: one was set back, or the other stood still while the machine slept.
   */
  staleMs(): number {
    if (this.#fresh === null) return Number.POSITIVE_INFINITY;
    const { now, steady } = this.#parts;
    return Math.max(now() - this.#fresh.wallMs, steady() - this.#fresh.steadyMs);
  }

  /** @param place of the entry in the shared log */
  fold(entry: Entry, place: string): void {
    this.#place = place;
    if (entry.type === "resource.tagged") this.#newsPlace = place;
    if (entry.type === "gateway.followed") this.#hear(entry);
    else if (entry.type === "clock.ticked") this.#ticked(entry.data.upTo ?? "");
    else if (entry.type === "service.stopped" && entry.data.role === "gateway") this.#gateways.delete(entry.source);
    if (entry.source === this.#parts.source && this.#watches.size > 0) this.#passed(entry.id);
  }

  /** The gateways that count as alive, for a snapshot. */
  kept(): readonly KeptGateway[] {
    return [...this.#gateways].map(([source, { upTo, targets }]) => ({ source, upTo, targets }));
  }

  /** They count as alive from now on: nobody is passed over who may still act. */
  restore(kept: readonly KeptGateway[], place: string): void {
    this.#place = place;
    const seenMs = this.#parts.steady();
    for (const { source, upTo, targets } of kept) this.#gateways.set(source, { upTo, targets, seenMs });
  }

  /** Called when an acknowledgement or news of others may have let something go on. @returns stops the calls */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /**
   * Watches the record that was said last: what it brings (tags that travel, a name's new meaning) must be known to every
   * live gateway of the target. While no correlator works, it is not. @returns whether it is
   */
  travelling(target: string, { redefines, isTold }: Travel): () => boolean {
    const watch: Watch = { target, redefines, place: null, told: isTold ? this.#newsPlace : null };
    if (!isTold) this.#watches.set(this.said, watch);
    return () => this.#isKnown(watch);
  }

  #isKnown({ target, told }: Watch): boolean {
    return (
      told !== null && this.live(target).every(([source, { upTo }]) => source === this.#parts.source || upTo >= told)
    );
  }

  /** Gateways of a target that may still act on what they know. */
  live(target: string): readonly (readonly [string, Gateway])[] {
    const sinceMs = this.#parts.steady() - this.#parts.goneMs;
    return [...this.#gateways].filter(([, { seenMs, targets }]) => seenMs >= sinceMs && targets.includes(target));
  }

  /** Of all live gateways the one that says what time ends, so that it is said once. */
  speaks(): boolean {
    const sinceMs = this.#parts.steady() - this.#parts.goneMs;
    const live = [...this.#gateways].filter(([, { seenMs }]) => seenMs >= sinceMs).map(([source]) => source);
    return live.every((source) => source >= this.#parts.source);
  }

  #hear({ id, source, data }: Extract<Entry, { type: "gateway.followed" }>): void {
    this.#gateways.set(source, { upTo: data.upTo, targets: data.targets, seenMs: this.#parts.steady() });
    const sent = this.#heartbeats.get(id);
    if (sent === undefined) return;
    // They come back in the order in which they left.
    this.#fresh = sent;
    for (const [known, { steadyMs }] of this.#heartbeats) if (steadyMs <= sent.steadyMs) this.#heartbeats.delete(known);
  }

  /** A correlator has folded everything up to there, and what it had to say about it stands before this tick. */
  #ticked(upTo: string): void {
    for (const [sequence, watch] of this.#watches) {
      if (watch.place === null || upTo < watch.place) continue;
      // A tag that was told with the answer to its intent stands before the record: whatever is news counts.
      watch.told = watch.redefines && watch.place > this.#newsPlace ? watch.place : this.#newsPlace;
      this.#watches.delete(sequence);
    }
  }

  #passed(id: string): void {
    const watch = this.#watches.get(Number(id.slice(id.lastIndexOf("/") + 1)));
    if (watch !== undefined) watch.place ??= this.#place;
  }
}
