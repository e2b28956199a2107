/**
 * Virtual time: one queue of things that will happen, taken in order, each to its end before the next. A machine is what
 * can crash (everything it had planned is gone), sleep (everything waits until it wakes) and have a wrong clock.
 */
import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { type Dice, seeded } from "../correlator/dice.ts";

/** Every name has dice of its own, so that leaving out one fault does not throw all others anew. */
export function diceOf(seed: number, name: string): Dice {
  return seeded(createHash("sha256").update(`${seed}/${name}`).digest().readUInt32LE(0));
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | null;
}

const isBefore = (one: Due, other: Due) =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);

export class Loop {
  nowMs = 0;
  readonly #heap: Due[] = [];
  #order = 0;

  /** @returns takes it back */
  at(atMs: number, run: () => void): () => void {
    this.#order += 1;
    const due: Due = { atMs: Math.max(atMs, this.nowMs), order: this.#order, run };
    this.#heap.push(due);
    this.#up(this.#heap.length - 1);
    return () => {
      due.run = null;
    };
  }

  /** Until that time, or until `isOver`. */
  async run(untilMs: number, isOver: () => boolean): Promise<void> {
    for (let due = this.#heap[0]; due !== undefined && due.atMs <= untilMs && !isOver(); due = this.#heap[0]) {
      this.#pop();
      if (due.run === null) continue;
      this.nowMs = due.atMs;
      due.run();
      // Every promise that this settled goes on before anything else happens.
      await turn();
    }
  }

  #up(from: number): void {
    const heap = this.#heap;
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

const startMs = Date.UTC(2026, 0, 1);

export class Machine {
  readonly name: string;
  up = false;
  /** Counts starts: what an earlier run had planned does not happen. */
  run = 0;
  pausedUntilMs = 0;
  /** Its clock goes wrong by so much. */
  offsetMs = 0;
  readonly loop: Loop;
  readonly #fault: (machine: Machine, error: unknown) => void;

  /** @param fault a bug ended the process */
  constructor(name: string, loop: Loop, fault: (machine: Machine, error: unknown) => void) {
    this.name = name;
    this.loop = loop;
    this.#fault = fault;
  }

  /** What its clock shows. */
  readonly now = (): number => startMs + Math.floor(this.loop.nowMs) + this.offsetMs;
  /** What no change of the clock moves. */
  readonly steady = (): number => this.loop.nowMs;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const mine = this.run;
    let cancel = () => {};
    const call = () => {
      if (mine !== this.run || !this.up) return;
      if (this.loop.nowMs < this.pausedUntilMs) {
        cancel = this.loop.at(this.pausedUntilMs, call);
        return;
      }
      this.#guard(run, mine);
    };
    cancel = this.loop.at(this.loop.nowMs + ms, call);
    return () => cancel();
  };

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Runs it now; an error in it, also a later one, ends the process. */
  go(work: () => Promise<void>): void {
    const mine = this.run;
    this.#guard(() => {
      work().catch((error: unknown) => {
        if (mine === this.run) this.#fault(this, error);
      });
    }, mine);
  }

  every(ms: number, run: () => void): void {
    this.after(ms, () => {
      run();
      this.every(ms, run);
    });
  }

  start(): void {
    this.up = true;
    this.run += 1;
  }

  stop(): void {
    this.up = false;
    this.run += 1;
    this.pausedUntilMs = 0;
  }

  #guard(run: () => void, mine: number): void {
    try {
      run();
    } catch (error) {
      if (mine === this.run) this.#fault(this, error);
    }
  }
}
