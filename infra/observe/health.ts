/**
 * Whether this process can do its work, part by part. A part that is *needed* makes the process not ready; of others
 * it is only said how they are: one target that is down must not take the gateway away from the others.
 *
 * Reasons are sentences of ours: they are shown to whoever reaches the operations address.
 */

export type PartState =
  | { readonly ok: true; readonly detail?: string }
  | { readonly ok: false; readonly reason: string };

export interface HealthReport {
  readonly ready: boolean;
  readonly parts: Readonly<Record<string, PartState & { readonly needed: boolean }>>;
}

interface Part {
  readonly needed: boolean;
  readonly look: () => PartState;
}

export const fine: PartState = { ok: true };

export class Health {
  readonly #parts = new Map<string, Part>();
  #leaving: string | null = null;

  /** @param look is called for every question: it reads what is known, it does not wait */
  part(name: string, needed: boolean, look: () => PartState): void {
    this.#parts.set(name, { needed, look });
  }

  /** From now on not ready, for good: the process is going away. */
  leave(reason: string): void {
    this.#leaving ??= reason;
  }

  report(): HealthReport {
    const parts: Record<string, PartState & { needed: boolean }> = {};
    if (this.#leaving !== null) parts.service = { ok: false, reason: this.#leaving, needed: true };
    for (const [name, { needed, look }] of this.#parts) parts[name] = { ...look(), needed };
    return { ready: Object.values(parts).every(({ ok, needed }) => ok || !needed), parts };
  }
}

export interface ProbeParts {
  /** Rejects when the part does not answer. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
  readonly now: () => number;
  readonly everyMs: number;
  readonly answerMsMax: number;
  /** What is said of a failure: never the error's own words. */
  readonly reason: string;
}

/** A part that must be asked over the network: asked again when somebody wants to know and the last answer is old. */
export class Probe {
  readonly #parts: ProbeParts;
  #state: PartState = { ok: true, detail: "not asked yet" };
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking = false;

  constructor(parts: ProbeParts) {
    this.#parts = parts;
  }

  /** The last answer; starts a new question when that is old. */
  state(): PartState {
    const { now, everyMs } = this.#parts;
    if (!this.#asking && now() - this.#askedAtMs >= everyMs) void this.ask();
    return this.#state;
  }

  /** Never rejects. */
  async ask(): Promise<PartState> {
    const { ask, now, answerMsMax, reason } = this.#parts;
    this.#asking = true;
    try {
      const signal = AbortSignal.timeout(answerMsMax);
      // Not everybody who is asked can be told to give up.
      await Promise.race([ask(signal), late(signal)]);
      this.#state = fine;
    } catch {
      // Why it does not answer is its owner's to find; the operator reads that it does not.
      this.#state = { ok: false, reason };
    }
    this.#askedAtMs = now();
    this.#asking = false;
    return this.#state;
  }
}

/** Rejects when the signal aborts. */
function late(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
