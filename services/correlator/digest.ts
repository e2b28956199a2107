/** One digest of everything that a later answer can depend on; cheap enough to take every few thousand records. */
import { createHash } from "node:crypto";
import type { Step } from "./step.ts";

export interface State {
  readonly position: number;
  readonly rules: string;
  readonly catalog: string;
  readonly steps: readonly Step[];
  readonly facts: readonly (readonly string[])[];
}

export function digestOf({ position, rules, catalog, steps, facts }: State): string {
  const digest = createHash("sha256").update(`${position}\n${rules}\n${catalog}\n`);
  const numbers: number[] = [];
  for (const step of steps) {
    const mask = step.effects.reduce((bits, { withdrawn }) => bits * 2 + (withdrawn ? 1 : 0), 1);
    numbers.push(
      step.at,
      step.decidedAt,
      step.finishedAt,
      mask,
      step.lineage.length,
      ...step.hits,
      -1,
      ...step.sure,
      -2,
    );
  }
  digest.update(new Float64Array(numbers));
  for (const list of facts) digest.update(`${list.length}\n${list.join("\n")}\n`);
  return digest.digest("hex");
}

/** Notes between two hashes: few enough to keep, enough to be cheap. */
const notesEvery = 256;

/** A digest of everything that was folded and of what came of it, at the cost of hashing each note once. */
export class Trace {
  #hash = "";
  #notes: string[] = [];

  note(note: string): void {
    this.#notes.push(note);
    if (this.#notes.length >= notesEvery) this.#roll();
  }

  #roll(): void {
    this.#hash = createHash("sha256")
      .update(`${this.#hash}\n${this.#notes.join("\n")}`)
      .digest("hex");
    this.#notes = [];
  }

  digest(): string {
    this.#roll();
    return this.#hash;
  }

  kept(): KeptTrace {
    return { hash: this.#hash, notes: this.#notes };
  }

  restore({ hash, notes }: KeptTrace): void {
    this.#hash = hash;
    this.#notes = [...notes];
  }
}

export interface KeptTrace {
  readonly hash: string;
  readonly notes: readonly string[];
}
