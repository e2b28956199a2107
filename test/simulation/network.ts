/** Lines between machines: how long something takes, and whether it arrives. A cut is of one machine from the brokers. */
import type { Dice } from "../correlator/dice.ts";
import { diceOf, type Machine } from "./loop.ts";

interface Trouble {
  untilMs: number;
  byMs: number;
}

export class Network {
  readonly #seed: number;
  readonly #dice = new Map<string, Dice>();
  readonly #cut = new Map<string, number>();
  readonly #mute = new Map<string, number>();
  readonly #lag = new Map<string, Trouble>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  cut(name: string, untilMs: number): void {
    this.#cut.set(name, Math.max(untilMs, this.#cut.get(name) ?? 0));
  }

  /** What it asks arrives; the answers do not. */
  mute(name: string, untilMs: number): void {
    this.#mute.set(name, untilMs);
  }

  lag(name: string, untilMs: number, byMs: number): void {
    this.#lag.set(name, { untilMs, byMs });
  }

  heal(): void {
    this.#cut.clear();
    this.#mute.clear();
    this.#lag.clear();
  }

  /** From a machine to the broker or back. @param broker which end is the broker */
  send(from: Machine, to: Machine, broker: Machine, run: () => void): void {
    const { nowMs } = from.loop;
    const line = from === broker ? to.name : from.name;
    if (nowMs < (this.#cut.get(line) ?? 0)) return;
    if (from === broker && nowMs < (this.#mute.get(line) ?? 0)) return;
    to.after(this.delay(`${from.name}>${to.name}`, line, nowMs), () => {
      if (from.loop.nowMs >= (this.#cut.get(line) ?? 0)) run();
    });
  }

  /** @param line whose lag counts */
  delay(name: string, line: string, nowMs: number): number {
    const dice = this.dice(name);
    const lag = this.#lag.get(line);
    const slow = lag !== undefined && nowMs < lag.untilMs ? dice(lag.byMs) : 0;
    return 1 + dice(8) + slow;
  }

  dice(name: string): Dice {
    let dice = this.#dice.get(name);
    if (dice === undefined) {
      dice = diceOf(this.#seed, name);
      this.#dice.set(name, dice);
    }
    return dice;
  }
}
