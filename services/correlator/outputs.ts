/**
 * What the correlator says, and that it says each thing once. Every output is made again at its place, live or replayed;
 * during replay it is compared with what the log holds, and what a crash left out leaves when replay ends.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { Draft } from "../../infra/log/log.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

const outputTypes = [
  "command.answered",
  "chain.completed",
  "resource.tagged",
  "block.placed",
  "alert.raised",
  "pipeline.proposed",
  "pipeline.ran",
  "correlator.digested",
  "state.evicted",
] as const;
type OutputType = (typeof outputTypes)[number];

/** The id is a hash of the evidence, the same on every replica. */
export type Output = { [T in OutputType]: Draft<T> & { readonly type: T; readonly id: string } }[OutputType];

/** @returns whether a record is one that only a correlator makes */
export function isOutput({ type, role }: Entry): boolean {
  return role === "correlator" && (outputTypes as readonly string[]).includes(type);
}

export class Outputs {
  readonly #send: (output: Output) => void;
  /** Of this replica; null where there are no others. */
  readonly #source: string | null;
  /** By id: what the log must hold, until its record is folded. */
  readonly #expected = new Map<string, Output>();
  readonly #queue: Output[] = [];
  #live = false;
  #flushing = false;

  constructor(send: (output: Output) => void, source: string | null) {
    this.#send = send;
    this.#source = source;
  }

  add(output: Output): void {
    this.#expected.set(output.id, output);
    this.#queue.push(output);
  }

  /**
   * A record of this correlator or of a replica: it must be what this fold made. Another replica's that is not leaves what
   * was made here to be said; otherwise whoever holds one correlator's key would stop all of them.
   * @param late whether it may have been made under the rules before
   * @returns whether it is. @throws `log.digest_differs` when this replica itself has said it, or there are no others
   */
  claim(entry: Entry, late: boolean): boolean {
    const expected = this.#expected.get(entry.id);
    const wrong = this.#objection(expected, entry);
    if (wrong !== null && (this.#source === null || (entry.source === this.#source && !late)))
      throw new ThroughlineError("log.digest_differs", wrong);
    if (wrong === null) this.#expected.delete(entry.id);
    return wrong === null;
  }

  #objection(expected: Output | undefined, entry: Entry): string | null {
    // A release that counts to another number makes its digests elsewhere: these say nothing about this fold.
    if (expected === undefined && entry.type === "correlator.digested") return null;
    if (expected === undefined || expected.type !== entry.type)
      return `the log holds ${entry.type} ${entry.id}, which this fold does not make`;
    if (expected.type === "correlator.digested" && entry.type === "correlator.digested") {
      const [made, recorded] = [expected.data.digest, entry.data.digest];
      return made === recorded ? null : `after ${entry.data.folded} records: made ${made}, recorded ${recorded}`;
    }
    if (this.#source === null || JSON.stringify(expected.data) === JSON.stringify(entry.data)) return null;
    return `the log holds ${entry.type} ${entry.id} with other words than this fold makes`;
  }

  /** Whether everything that was made up to here has been said: nothing is kept back, and nothing waits for room. */
  get hasSaidAll(): boolean {
    return this.#live && this.#queue.length === 0;
  }

  goLive(): void {
    this.#live = true;
    this.#queue.length = 0;
    this.#queue.push(...this.#expected.values());
    this.flush();
  }

  /** What was made and has not been heard: the log may hold it further on. */
  kept(): readonly Output[] {
    return [...this.#expected.values()];
  }

  restore(kept: readonly Output[]): void {
    for (const output of kept) this.#expected.set(output.id, output);
  }

  /** From now on outputs are made and not said; goLive says those that nobody has. */
  fallBehind(): void {
    this.#live = false;
  }

  /**
   * Outputs leave when the state is whole; folding one may bring more, which wait in line. A full log takes answers from
   * its reserve and refuses the rest: that stays in line, in order, until there is room.
   */
  flush(): void {
    if (!this.#live) this.#queue.length = 0;
    if (this.#flushing || this.#queue.length === 0) return;
    this.#flushing = true;
    try {
      for (let output = this.#queue[0]; output !== undefined; output = this.#queue[0]) {
        this.#send(output);
        this.#queue.shift();
      }
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
    } finally {
      this.#flushing = false;
    }
  }
}
