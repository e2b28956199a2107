/**
 * One log, several correlators without a leader: each folds in its own time, says what nobody else has said, and may be
 * killed at any moment, also between two things it says. What comes out must be the same bytes.
 */
import assert from "node:assert/strict";
import type { Entry } from "../../infra/log/entry.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Limits } from "../../schemas/limits.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { isOutput, type Output } from "../../services/correlator/outputs.ts";
import { LastSwitch } from "../../services/correlator/regime.ts";
import type { Dice } from "./dice.ts";
import { tight } from "./scenery.ts";

/** What all replicas of a tenant have in common; `load` may know their rules already. */
interface Common {
  readonly limits: Limits;
  readonly load: typeof loadRules;
}

class Replica {
  readonly #log: Entry[];
  readonly #name: string;
  readonly #common: Common;
  #correlator: Correlator;
  #at = 0;
  /** How much of the log rules that wait have read. */
  #read = 0;
  #isLive = false;
  /** Outputs that it still gets into the log before it is killed. */
  #left = Number.POSITIVE_INFINITY;

  constructor(log: Entry[], name: string, common: Common) {
    this.#log = log;
    this.#name = name;
    this.#common = common;
    this.#correlator = this.#start();
  }

  #start(): Correlator {
    this.#at = 0;
    this.#isLive = false;
    this.#left = Number.POSITIVE_INFINITY;
    this.#read = 0;
    const last = new LastSwitch();
    for (const entry of this.#log) last.take(entry);
    const parts = {
      ...this.#common,
      source: `correlator/${this.#name}`,
      emit: (output: Output) => {
        if (this.#left === 0) return;
        this.#left -= 1;
        const atMs = this.#log.at(-1)?.atMs ?? 0;
        this.#log.push({ ...output, atMs, source: `correlator/${this.#name}`, role: "correlator" } as Entry);
      },
    };
    return createCorrelator(parts, last.last);
  }

  /** Rules that wait read some of the log. */
  #readOn(count: number): void {
    const next = this.#log.slice(this.#read, this.#read + count);
    this.#read = this.#correlator.refold === null ? 0 : this.#read + next.length;
    this.#correlator.refold?.take(next);
  }

  /** Killed after so many more outputs, at the latest now; and started again. */
  kill(left: number): void {
    this.#left = left;
    this.advance();
    this.#correlator = this.#start();
  }

  /** Folds one record. @returns false when it has folded all there are */
  advance(): boolean {
    const entry = this.#log[this.#at];
    if (entry === undefined) {
      if (!this.#isLive) this.#correlator.goLive();
      this.#isLive = true;
      return this.#at < this.#log.length;
    }
    this.#readOn(this.#at % 5);
    while (!this.#correlator.isReadyFor(entry)) this.#readOn(7);
    this.#at += 1;
    this.#correlator.fold(entry);
    return true;
  }

  get digest(): string {
    return this.#correlator.digest();
  }
}

/** In which every replica has folded everything many times over. */
const turnsMax = 100_000;

/** What matters of an output: all of it but who said it and when. */
const bytesOf = ({ id, type, subject, data }: Entry) => JSON.stringify([id, type, subject, data]);

/**
 * Plays the records of one log to `count` replicas. @param entries as one correlator alone made them
 * @returns how many outputs were compared
 */
export function playReplicas(
  dice: Dice,
  entries: readonly Entry[],
  count: number,
  { limits = tight, load = loadRules }: Partial<Common> = {},
): number {
  const log: Entry[] = [];
  const replicas = Array.from({ length: count }, (_, index) => new Replica(log, `r${index}`, { limits, load }));
  const one = () => replicas[dice(count)] ?? replicas[0];
  const isSaid = (id: string) => log.some((entry) => entry.id === id && isOutput(entry));
  let awaited: string[] = [];
  for (const entry of entries) {
    if (isOutput(entry)) {
      awaited.push(entry.id);
      continue;
    }
    // Nobody goes on before he has the answer; who gives it, and how late the others are, is chance.
    for (let turns = 0; awaited.length > 0; turns += 1) {
      if (turns > turnsMax) throw new Error(`nobody ever said ${awaited.join(", ")}`);
      if (dice(40) === 0) one()?.kill(dice(3));
      else one()?.advance();
      awaited = awaited.filter((id) => !isSaid(id));
    }
    log.push(entry);
  }
  for (const replica of replicas) while (replica.advance());
  for (const replica of replicas) while (replica.advance());
  const expected = entries.filter(isOutput).map(bytesOf);
  const first = new Map(log.flatMap((entry) => (isOutput(entry) ? [[entry.id, entry] as const] : [])).reverse());
  const found = log.filter((entry) => first.get(entry.id) === entry).map(bytesOf);
  assert.deepEqual(found, expected);
  assert.equal(new Set(replicas.map(({ digest }) => digest)).size, 1, "replicas that have folded the same log differ");
  return expected.length * count;
}
