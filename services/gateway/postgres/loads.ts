/**
 * When the catalog of one target is loaded again, and who waits for it. Whoever wants the same load shares it; a load
 * that began before something was known does not count for it.
 *
 * A definition that passed through the gateway makes the catalog stale for every session. A name that nobody knows, or a
 * text that nobody can read, does not: only its own session waits, and no more than one load a second comes of all of them.
 */
import type { Reading } from "../../../schemas/command.ts";

export interface LoadsParts {
  /** Loads it and takes it over. @throws ThroughlineError `target.unreachable`, `target.refused` */
  readonly load: () => Promise<void>;
  /** The clock, milliseconds. */
  readonly now: () => number;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<unknown>;
}

/** Between two loads that only an unknown name, or an unreadable text, asked for. */
const renewMs = 1_000;

export class Loads {
  readonly #parts: LoadsParts;
  #wanted = 0;
  #loaded = 0;
  #loading: { readonly asked: number; readonly done: Promise<void> } | null = null;
  #renewing: Promise<void> | null = null;
  #begun = 0;
  #finished = 0;
  #begunMs = Number.NEGATIVE_INFINITY;
  /** Readings that another catalog could make otherwise: how many loads had begun by then. */
  readonly #doubtful = new WeakMap<Reading, { readonly since: number; readonly unknownName: boolean }>();

  constructor(parts: LoadsParts) {
    this.#parts = parts;
  }

  get stale(): boolean {
    return this.#loaded < this.#wanted;
  }

  outdate(): void {
    this.#wanted += 1;
  }

  async refresh(): Promise<void> {
    const goal = this.#wanted;
    while (this.#loaded < goal) {
      this.#loading ??= this.#begin();
      const { asked, done } = this.#loading;
      try {
        await done;
      } catch (error) {
        if (asked >= goal) throw error;
      }
    }
  }

  doubt(reading: Reading, unknownName: boolean): void {
    this.#doubtful.set(reading, { since: this.#begun, unknownName });
  }

  /** @returns null when the reading is as good as another load could make it */
  renewed(reading: Reading): Promise<void> | null {
    const doubt = this.#doubtful.get(reading);
    if (doubt === undefined) return null;
    // An unknown name waits for a load that began after it was met; for an unreadable text a recent one is enough.
    const isConfirmed = this.#finished > doubt.since || !doubt.unknownName;
    if (isConfirmed && this.#sinceLoadMs < renewMs) return null;
    this.#renewing ??= this.#renew();
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    await this.#parts.pause(Math.max(0, renewMs - this.#sinceLoadMs));
    while (this.#loading) await this.#loading.done.catch(() => undefined);
    this.#renewing = null; // who comes from now on may know of something that this load misses
    this.#loading = this.#begin();
    await this.#loading.done;
  }

  get #sinceLoadMs(): number {
    return this.#parts.now() - this.#begunMs;
  }

  #begin(): { readonly asked: number; readonly done: Promise<void> } {
    const asked = this.#wanted;
    return { asked, done: this.#load(asked) };
  }

  async #load(asked: number): Promise<void> {
    this.#begun += 1;
    this.#begunMs = this.#parts.now();
    const own = this.#begun;
    try {
      await this.#parts.load();
      this.#loaded = asked;
      this.#finished = own;
    } finally {
      this.#loading = null;
    }
  }
}
