/**
 * What a gateway counts of its commands, for who watches it: verdicts by ruling, and how long deciding took. On the path of
 * every command that is one addition; every sixteenth is timed.
 */
import type { Ruling } from "../../schemas/verdict.ts";
import type { Judgement, RunningGate } from "./gate.ts";

export interface Counts {
  /** Verdicts; a command that was held and approved has two. */
  readonly rulings: Record<Ruling, number>;
  readonly timed: (seconds: number) => void;
}

export const noCounts = (): Record<Ruling, number> => ({ allow: 0, mask: 0, hold: 0, block: 0 });

const timedEvery = 16;

/** @param now milliseconds, with fractions */
export function counted(gate: RunningGate, { rulings, timed }: Counts, now: () => number): RunningGate {
  let count = 0;
  const settled = (judgement: Judgement): Judgement => {
    rulings[judgement.verdict.ruling] += 1;
    return judgement;
  };
  return {
    ...gate,
    judge(session, command, commits, inTransaction) {
      count += 1;
      const startedMs = count % timedEvery === 0 ? now() : 0;
      const given = gate.judge(session, command, commits, inTransaction);
      // What waits (for the correlator, for a large text to be put away) is counted when it is decided.
      if (given instanceof Promise) return given.then(settled);
      if (startedMs > 0) timed((now() - startedMs) / 1_000);
      return settled(given);
    },
    preview(session, command) {
      const given = gate.preview(session, command);
      if (given.verdict.ruling === "block") rulings.block += 1;
      return given;
    },
  };
}
