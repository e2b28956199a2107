/** What a counting correlation works out over steps that come and go: count, values, sum, average, percentile, share. */
import type { Count } from "../../infra/rules/rule-set.ts";
import type { Step } from "./step.ts";

/** One counted step: its combinations of values, and those that are numbers. */
export interface Counted {
  readonly step: Step;
  readonly values: readonly string[];
  readonly numbers: readonly number[];
}

export class Tally {
  readonly #count: Count;
  /** In log order from `#head`; what left the window is before it. */
  #counted: Counted[] = [];
  #head = 0;
  readonly #often = new Map<string, number>();
  /** Counted steps that have the field. */
  #having = 0;
  #numbers = 0;
  /** Of whole numbers; others cannot be added and taken away again without a rest. */
  #sum = 0;
  #fractions = 0;
  #tooLarge = false;
  readonly #sorted: number[] = [];
  /** The latest opaque steps that were counted: the last one, and the one before it in case that is taken back. */
  readonly #opaque: Step[] = [];

  constructor(count: Count) {
    this.#count = count;
  }

  /** The latest so many, in log order; and before them the latest opaque one, which makes all of them weak. */
  latest(most: number): readonly Step[] {
    const from = Math.max(this.#head, this.#counted.length - most);
    const named = this.#counted.slice(from).map(({ step }) => step);
    const opaque = this.#opaque.at(-1);
    const [first, eldest] = [this.#counted[from], this.#counted[this.#head]];
    if (opaque === undefined || first === undefined || eldest === undefined) return named;
    return eldest.step.at <= opaque.at && opaque.at < first.step.at ? [opaque, ...named] : named;
  }

  /** After all that were added before. */
  add(counted: Counted): void {
    this.#counted.push(counted);
    this.#change(counted, 1);
    if (counted.step.opaque && this.#opaque.push(counted.step) > 2) this.#opaque.shift();
  }

  /** Takes back the last one, once. */
  pop(): void {
    const counted = this.#counted.pop();
    if (counted !== undefined) this.#change(counted, -1);
    if (counted?.step.opaque) this.#opaque.pop();
  }

  forgetBefore(atMs: number): void {
    for (let first = this.#counted[this.#head]; first !== undefined && first.step.atMs < atMs; ) {
      this.#change(first, -1);
      this.#head += 1;
      first = this.#counted[this.#head];
    }
    if (this.#head > 64 && this.#head > this.#counted.length / 2) {
      this.#counted = this.#counted.slice(this.#head);
      this.#head = 0;
    }
  }

  #change({ values, numbers }: Counted, by: 1 | -1): void {
    const { what } = this.#count;
    if (what === "events") return;
    if (values.length > 0) this.#having += by;
    if (what === "values" || what === "share") for (const value of values) this.#recount(value, by);
    else
      for (const number of numbers) {
        this.#numbers += by;
        if (Number.isSafeInteger(number)) this.#sum += by * number;
        else this.#fractions += by;
        if (!Number.isSafeInteger(this.#sum)) this.#tooLarge = true;
        if (what === "percentile") this.#place(number, by);
      }
  }

  #recount(value: string, by: 1 | -1): void {
    const often = (this.#often.get(value) ?? 0) + by;
    if (often === 0) this.#often.delete(value);
    else this.#often.set(value, often);
  }

  #place(number: number, by: 1 | -1): void {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    if (by === 1) this.#sorted.splice(low, 0, number);
    else this.#sorted.splice(low, 1);
  }

  /** @param last the completing step. @returns whether the rule's condition holds */
  holds(last: Counted): boolean {
    const { what, holds } = this.#count;
    if (what === "events") return holds(this.#counted.length - this.#head);
    if (what === "values") return holds(this.#often.size);
    if (what === "sum") return holds(this.#total());
    if (what === "share") return this.#having > 0 && last.values.some((value) => holds(this.#share(value)));
    if (this.#numbers === 0) return false;
    return holds(what === "avg" ? this.#total() / this.#numbers : this.#percentile());
  }

  /** In percent of the steps that have the field. */
  #share(value: string): number {
    return (100 * (this.#often.get(value) ?? 0)) / this.#having;
  }

  /** Added up in log order, so that the same steps always give the same sum. */
  #total(): number {
    if (this.#fractions === 0 && !this.#tooLarge) return this.#sum;
    let sum = 0;
    for (let index = this.#head; index < this.#counted.length; index += 1)
      for (const number of this.#counted[index]?.numbers ?? []) sum += number;
    return sum;
  }

  /** Between the two nearest in proportion: 50 is the median, 0 the least, 100 the greatest. */
  #percentile(): number {
    const place = ((this.#sorted.length - 1) * (this.#count.percentile ?? 50)) / 100;
    const [under, over] = [this.#sorted[Math.floor(place)] ?? 0, this.#sorted[Math.ceil(place)] ?? 0];
    return under + (over - under) * (place - Math.floor(place));
  }
}
