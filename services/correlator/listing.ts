/**
 * Steps in log order that come at the end and leave at the front, and, once somebody asks, the classes of alike ones among
 * them: steps that no rule can tell apart but by their place. Of these the latest is always as good as any before it
 * (it is inside every window that an earlier one is in), so a search that looks at one of each class misses nothing.
 */

import type { Alikes } from "./alike.ts";
import { insert, lastUnder } from "./order.ts";
import type { Alike, Step } from "./step.ts";

/** Shorter lists are looked through one by one. */
const classedFrom = 16;
/** What has left is cut off when it is this much, and half of what is there. */
const goneMin = 32;
const straysMin = 32;
/** From the middle of a longer list nothing is taken out by itself. */
const longFrom = 1_024;

interface Classes {
  readonly of: Alikes;
  readonly lists: Map<Alike, Listing>;
}

function isKept({ alike }: Step): boolean {
  return alike !== null;
}

export class Listing {
  readonly #steps: Step[] = [];
  /** How many at the front have left. */
  #gone = 0;
  #classes: Classes | null = null;
  /** Steps that stand in a class which is no longer theirs as well. */
  #strays = 0;
  /** Steps among these that are not kept any more, and have not been taken out yet. */
  #dead = 0;

  static of(...steps: readonly Step[]): Listing {
    const listing = new Listing();
    for (const step of steps) listing.add(step);
    return listing;
  }

  /** In log order; those at the front may have left every window. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  get size(): number {
    return this.#steps.length - this.#gone - this.#dead;
  }

  get isEmpty(): boolean {
    return this.#steps.length === this.#gone;
  }

  get first(): Step | undefined {
    return this.#steps[this.#gone];
  }

  /** Without those that have left. */
  live(): readonly Step[] {
    const steps = this.#steps.slice(this.#gone);
    return this.#dead === 0 ? steps : steps.filter(isKept);
  }

  /** Adds it; or, where it is here, puts it into the class that is now its own. @returns whether it was not here */
  add(step: Step): boolean {
    const { first } = this;
    // One that had left may come back: where it stood among those it would not be seen.
    if (this.#gone > 0 && (first === undefined || step.at < first.at)) this.#cutOff();
    const isNew = insert(this.#steps, step);
    if (!isNew && !isKept(step)) this.#dead = Math.max(0, this.#dead - 1);
    if (this.#classes === null) return isNew;
    if (this.#class(this.#classes, step) && !isNew) this.#strays += 1;
    if (this.#strays >= straysMin && 4 * this.#strays >= this.size) this.#classes = null;
    return isNew;
  }

  /** @param alike the class in which it was */
  forget(step: Step, alike = step.alike): void {
    if (this.#steps[this.#gone] === step) {
      this.#gone += 1;
      this.#passDead();
    } else {
      const at = lastUnder(this.#steps, step.at + 1);
      if (this.#steps[at] !== step || at < this.#gone) return;
      if (isKept(step) || this.#steps.length < longFrom) this.#steps.splice(at, 1);
      else this.#dead += 1;
    }
    if (this.#classes !== null && alike !== null) {
      const { lists } = this.#classes;
      const list = lists.get(alike);
      list?.forget(step, alike);
      if (list?.isEmpty) lists.delete(alike);
    }
    const out = this.#gone + this.#dead;
    if (out >= goneMin && 2 * out >= this.#steps.length) this.#cutOff();
  }

  #passDead(): void {
    for (let next = this.first; this.#dead > 0 && next !== undefined && !isKept(next); next = this.first) {
      this.#gone += 1;
      this.#dead -= 1;
    }
  }

  /** In place: whoever looks at these steps now looks at them to the end. */
  #cutOff(): void {
    const steps = this.#steps;
    let kept = 0;
    for (let at = this.#gone; at < steps.length; at += 1) {
      const step = steps[at];
      if (step === undefined || (this.#dead > 0 && !isKept(step))) continue;
      steps[kept] = step;
      kept += 1;
    }
    steps.length = kept;
    this.#gone = 0;
    this.#dead = 0;
  }

  /** Forgets what is older. @returns that */
  cut(beforeMs: number): readonly Step[] {
    const old: Step[] = [];
    for (;;) {
      const step = this.#steps[this.#gone];
      if (step === undefined || step.atMs >= beforeMs) return old;
      this.forget(step);
      old.push(step);
    }
  }

  /**
   * @param detection by index: only steps that match it
   * @returns the latest of each class before a position, in no order; null when that is hardly shorter than the list
   */
  latestOfEach(bound: number, detection: number, alikes: Alikes): readonly Step[] | null {
    if (this.size < classedFrom) return null;
    const classes = (this.#classes ?? this.#classify(alikes)).lists;
    if (2 * classes.size > this.size) return null;
    const found: Step[] = [];
    for (const [alike, list] of classes) {
      for (let at = lastUnder(list.#steps, bound); at >= list.#gone; at -= 1) {
        const step = list.#steps[at];
        if (step === undefined || step.alike !== alike || !step.hits.includes(detection)) continue;
        found.push(step);
        break;
      }
    }
    return found;
  }

  #classify(alikes: Alikes): Classes {
    const classes: Classes = { of: alikes, lists: new Map() };
    this.#classes = classes;
    this.#strays = 0;
    for (let at = this.#gone; at < this.#steps.length; at += 1) {
      const step = this.#steps[at];
      // One that is not kept any more stands here by what it was before it changed.
      if (step !== undefined && step.alike !== null) this.#class(classes, step);
    }
    return classes;
  }

  /** @returns whether it was not in that class */
  #class({ of, lists }: Classes, step: Step): boolean {
    const alike = of.classOf(step);
    let list = lists.get(alike);
    if (list === undefined) {
      list = new Listing();
      lists.set(alike, list);
    }
    return list.add(step);
  }
}
