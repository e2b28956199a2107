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
  "correlator.digested",
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
  /** By id: what the log must hold, until its record is folded. */
  readonly #expected = new Map<string, Output>();
  readonly #queue: Output[] = [];
  #live = false;
  #flushing = false;

  constructor(send: (output: Output) => void) {
    this.#send = send;
  }

  /** What is made is said at once, and nothing waits in line. */
  get isLive(): boolean {
    return this.#live && this.#queue.length === 0;
  }

  add(output: Output): void {
    this.#expected.set(output.id, output);
    this.#queue.push(output);
  }

  /** A record of this correlator or of a replica: it must be what this fold made. @throws `log.digest_differs` */
  claim(entry: Entry): void {
    const expected = this.#expected.get(entry.id);
    this.#expected.delete(entry.id);
    const differs = (what: string) => new ThroughlineError("log.digest_differs", what);
    // A release that counts to another number makes its digests elsewhere: these say nothing about this fold.
    if (expected === undefined && entry.type === "correlator.digested") return;
    if (expected === undefined || expected.type !== entry.type)
      throw differs(`the log holds ${entry.type} ${entry.id}, which this fold does not make`);
    if (expected.type !== "correlator.digested" || entry.type !== "correlator.digested") return;
    const [made, recorded] = [expected.data.digest, entry.data.digest];
    if (made !== recorded) throw differs(`after ${entry.data.folded} records: made ${made}, recorded ${recorded}`);
  }

  goLive(): void {
    this.#live = true;
    this.#queue.length = 0;
    this.#queue.push(...this.#expected.values());
    this.flush();
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
    if (this.#flushing) return;
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
