/** What people, clients and bad luck do in one play: plain lists, so that what does not matter can be left out. */
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import type { Dice } from "../correlator/dice.ts";
import { randomEffects } from "../correlator/random-effects.ts";
import { diceOf } from "./loop.ts";

export interface Statement {
  readonly text: string;
  readonly effects: readonly Effect[];
  readonly opaque: boolean;
  readonly kind: "none" | "begin" | "commit" | "rollback";
  readonly fails: boolean;
  readonly thinkMs: number;
}

/** One client's piece of work: on its own session, or the same at once on two gateways. */
export interface Job {
  readonly kind: "job";
  readonly atMs: number;
  readonly identity: string;
  readonly account: string;
  readonly task: string;
  readonly gateways: readonly number[];
  /** Between one gateway and the next. */
  readonly apartMs: number;
  readonly statements: readonly Statement[];
}

export type Act =
  | Job
  | { readonly kind: "link"; readonly atMs: number; readonly identities: readonly string[] }
  | { readonly kind: "block"; readonly atMs: number; readonly account: string; readonly forMs: number | null }
  | { readonly kind: "lift"; readonly atMs: number };

export interface Fault {
  readonly kind: "crash" | "pause" | "cut" | "mute" | "slow disk" | "lag" | "clock" | "new rules" | "new engine";
  readonly atMs: number;
  readonly who: string;
  readonly forMs: number;
  /** How much later, slower, or wrong; 0 where nothing is. */
  readonly byMs: number;
}

export interface Plan {
  readonly seed: number;
  readonly gateways: number;
  readonly correlators: number;
  readonly seconds: number;
  readonly acts: readonly Act[];
  readonly faults: readonly Fault[];
}

const places = ["t/s.a", "t/s.b", "t/s.c", "t/s.d"] as ResourceUri[];
const nothing = { reads: [], writes: [], ends: [], destroys: false };
const read = (from: ResourceUri): Effect => ({ ...nothing, operation: "read", reads: [from] });
const move = (from: ResourceUri, to: ResourceUri): Effect => {
  return { ...nothing, operation: "transform", reads: [from], writes: [to] };
};
const destroy = (place: ResourceUri, ends: boolean): Effect => {
  return { ...nothing, operation: "delete", writes: [place], ends: ends ? [place] : [], destroys: true };
};

export function randomPlan(seed: number, seconds: number): Plan {
  const dice = diceOf(seed, "plan");
  const gateways = 2 + dice(2);
  const correlators = 1 + dice(3);
  const maker = new Maker(dice, gateways, seconds * 1_000);
  const acts = Array.from({ length: 5 + dice(5) }, () => maker.acts()).flat();
  const names = [
    ...Array.from({ length: gateways }, (_, n) => `g${n}`),
    ...Array.from({ length: correlators }, (_, n) => `c${n}`),
  ];
  const faults = dice(6) === 0 ? [] : Array.from({ length: 1 + dice(9) }, () => maker.faults(names)).flat();
  const byTime = (one: { atMs: number }, other: { atMs: number }) => one.atMs - other.atMs;
  return { seed, gateways, correlators, seconds, acts: acts.sort(byTime), faults: faults.sort(byTime) };
}

class Maker {
  readonly #dice: Dice;
  readonly #gateways: number;
  readonly #spanMs: number;
  #count = 0;

  constructor(dice: Dice, gateways: number, spanMs: number) {
    this.#dice = dice;
    this.#gateways = gateways;
    this.#spanMs = spanMs;
  }

  acts(): Act[] {
    const dice = this.#dice;
    const atMs = 2_000 + dice(this.#spanMs);
    const what = dice(13);
    if (what === 12) return [{ kind: "link", atMs, identities: [`i${dice(3)}`, `i${dice(3)}`] }];
    if (what < 2) {
      const placed = {
        kind: "block" as const,
        atMs,
        account: `acc${dice(3)}`,
        forMs: [null, 15_000, 25_000][dice(3)]!,
      };
      return dice(3) === 0 ? [placed, { kind: "lift", atMs: atMs + 1_000 + dice(9_000) }] : [placed];
    }
    if (what < 7) return this.#chain(atMs);
    if (what < 9) return [this.#job(atMs, this.#transaction())];
    if (what === 9) {
      const job = this.#job(atMs, [this.#one([destroy(this.#place(), false)])]);
      return [{ ...job, gateways: [0, 1] }];
    }
    return [
      this.#job(
        atMs,
        Array.from({ length: 1 + dice(3) }, () => this.#one(randomEffects(dice))),
      ),
    ];
  }

  /** Read, copied, copied on, destroyed or read elsewhere: by different accounts, on any gateway, soon after each other. */
  #chain(atMs: number): Act[] {
    const dice = this.#dice;
    const [from, over, to] = [places[0]!, places[1 + dice(3)]!, places[1 + dice(3)]!];
    const last = dice(3) === 0 ? read(to) : destroy(to, dice(3) === 0);
    const steps = [[read(from)], [move(from, over)], [move(over, to)], [last]];
    let whenMs = atMs;
    const jobs = steps.map((effects) => {
      whenMs += dice(3) === 0 ? dice(60) : dice(2_500);
      const statements = dice(4) === 0 ? this.#wrapped([this.#one(effects)]) : [this.#one(effects)];
      return this.#job(whenMs, statements);
    });
    const twin = dice(2) === 0 ? [{ ...jobs[3]!, gateways: [0, 1] }] : [jobs[3]!];
    const again = dice(3) === 0 ? [this.#job(whenMs + dice(4_000), [this.#one([last])])] : [];
    return [...jobs.slice(0, 3), ...twin, ...again];
  }

  #transaction(): Statement[] {
    const dice = this.#dice;
    const [over, to] = [places[1 + dice(3)]!, places[1 + dice(3)]!];
    const all = [[move(places[0]!, over)], [move(over, to)], [destroy(over, false)], [read(over)], randomEffects(dice)];
    return this.#wrapped(all.filter(() => dice(2) === 0).map((effects) => this.#one(effects)));
  }

  #wrapped(inner: Statement[]): Statement[] {
    const end = this.#dice(6) === 0 ? "rollback" : "commit";
    return [this.#control("begin"), ...inner, this.#control(end)];
  }

  #control(kind: "begin" | "commit" | "rollback"): Statement {
    return { text: kind, effects: [], opaque: false, kind, fails: false, thinkMs: this.#dice(30) };
  }

  #one(effects: readonly Effect[]): Statement {
    const dice = this.#dice;
    this.#count += 1;
    const opaque = dice(25) === 0;
    const everything = ["t"] as ResourceUri[];
    const widened: Effect[] = [
      { ...nothing, operation: "read", reads: everything, destroys: true },
      { ...nothing, operation: "write", writes: everything, destroys: true },
    ];
    const thinkMs = dice(3) === 0 ? dice(5) : dice(700);
    const all = opaque ? [...effects, ...widened] : effects;
    return { text: `statement ${this.#count}`, effects: all, opaque, kind: "none", fails: dice(12) === 0, thinkMs };
  }

  #job(atMs: number, statements: readonly Statement[]): Job {
    const dice = this.#dice;
    const who = { identity: `i${dice(3)}`, account: `acc${dice(3)}`, task: `task${dice(2)}` };
    return { kind: "job", atMs, ...who, gateways: [dice(this.#gateways)], apartMs: dice(900), statements };
  }

  #place(): ResourceUri {
    return places[this.#dice(places.length)]!;
  }

  faults(names: readonly string[]): Fault[] {
    const dice = this.#dice;
    const atMs = 1_500 + dice(this.#spanMs + 4_000);
    const who = [...names, ...names, "api", "broker"][dice(names.length * 2 + 2)]!;
    const forMs = dice(3) === 0 ? 8_000 + dice(14_000) : 200 + dice(4_000);
    // Nobody can cut the brokers from themselves: then it is one gateway's line.
    const line = who === "broker" ? "g0" : who;
    const fault = { atMs, who, forMs, byMs: 0 };
    switch (dice(14)) {
      case 0:
      case 1:
        return [{ ...fault, kind: "crash", forMs: 50 + dice(6_000) }];
      case 2:
        return [
          { ...fault, kind: "slow disk", forMs: 3_000, byMs: 2_500 },
          { ...fault, kind: "crash", atMs: atMs + 500 + dice(2_400), forMs: 50 + dice(3_000) },
        ];
      case 3:
        return this.#allCorrelators(names, atMs);
      case 4:
        return [{ ...fault, kind: "pause", forMs: dice(2) === 0 ? 20_000 : forMs }];
      case 5:
        return [{ ...fault, kind: "cut", who: line }];
      case 6:
        return [{ ...fault, kind: "mute", who: line }];
      case 7:
        return [{ ...fault, kind: "slow disk", byMs: 200 + dice(2_500) }];
      case 8:
        return [{ ...fault, kind: "lag", who: line, byMs: 100 + dice(3_000) }];
      case 9:
      case 13:
        return [{ ...fault, kind: "clock", byMs: [-3_600_000, -30_000, 5_000, 3_600_000, 3_600_000][dice(5)]! }];
      case 10:
        return [{ ...fault, kind: "new rules", who: "all" }];
      case 11:
        return [{ ...fault, kind: "new engine", who: "all" }];
      default:
        return this.#apart(line, atMs, forMs);
    }
  }

  /** Cut off, while others go on; then back, in the middle of what it was doing. */
  #apart(who: string, atMs: number, forMs: number): Fault[] {
    const kind = (["cut", "mute", "pause"] as const)[this.#dice(3)]!;
    return [
      { kind, atMs, who, forMs: forMs + 5_000, byMs: 0 },
      { kind: "lag", atMs: atMs + forMs, who, forMs: 8_000, byMs: 1_500 },
    ];
  }

  #allCorrelators(names: readonly string[], atMs: number): Fault[] {
    const dice = this.#dice;
    const correlators = names.filter((name) => name.startsWith("c"));
    return correlators.map((who) => {
      return { kind: "crash", atMs: atMs + dice(2_000), who, forMs: 1_000 + dice(8_000), byMs: 0 };
    });
  }
}
