/** One digest of everything that a later answer can depend on; cheap enough to take every few thousand records. */
import { createHash } from "node:crypto";
import type { Entry } from "../../infra/log/entry.ts";
import { sequenceOf } from "./repeats.ts";
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

/** Numbers between two hashes: few enough to keep, enough to be cheap. */
const numbersEvery = 512;
/** Among the numbers: here a text was noted. */
const textMark = -1;

/** A digest of everything that was folded and of what came of it, at the cost of hashing each note once. */
export class Trace {
  #hash = "";
  readonly #numbers = new Float64Array(numbersEvery);
  #used = 0;
  #texts: string[] = [];
  /** Whose records are noted by their number alone. */
  #source = "";

  entry(entry: Entry): void {
    const sequence = sequenceOf(entry);
    if (sequence === null || entry.source !== this.#source) this.note(sequence === null ? entry.id : entry.source);
    if (sequence === null) return;
    this.#source = entry.source;
    this.number(sequence);
  }

  note(text: string): void {
    this.#texts.push(text);
    this.number(textMark);
  }

  number(number: number): void {
    this.#numbers[this.#used] = number;
    this.#used += 1;
    if (this.#used === numbersEvery) this.#roll();
  }

  #roll(): void {
    const numbers = this.#numbers.subarray(0, this.#used);
    const texts = JSON.stringify([this.#hash, this.#texts]);
    this.#hash = createHash("sha256").update(numbers).update(texts).digest("hex");
    this.#used = 0;
    this.#texts = [];
  }

  digest(): string {
    this.#roll();
    return this.#hash;
  }

  kept(): KeptTrace {
    const numbers = [...this.#numbers.subarray(0, this.#used)];
    return { hash: this.#hash, source: this.#source, numbers, texts: this.#texts };
  }

  restore({ hash, source, numbers, texts }: KeptTrace): void {
    [this.#hash, this.#source, this.#used, this.#texts] = [hash, source, numbers.length, [...texts]];
    this.#numbers.set(numbers);
  }
}

export interface KeptTrace {
  readonly hash: string;
  readonly source: string;
  readonly numbers: readonly number[];
  readonly texts: readonly string[];
}
