/** The log of a stream under other limits: what was asked and done, and what a correlator says of it there. */
import type { Entry } from "../../infra/log/entry.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { isOutput, type Output } from "../../services/correlator/outputs.ts";
import type { Dice } from "./dice.ts";
import { tight } from "./scenery.ts";

/** Of two in three so tight that steps are evicted, also while they run. */
export function crowded(dice: Dice): Limits {
  return dice(3) === 0 ? tight : { ...tight, stepsKeptMax: 2 + dice(6) };
}

/** @param load may know the rules already */
export function relived(entries: readonly Entry[], limits: Limits, load = loadRules): readonly Entry[] {
  const said: Output[] = [];
  const correlator = createCorrelator({ limits, load, emit: (output) => said.push(output) });
  correlator.goLive();
  const log: Entry[] = [];
  for (const entry of entries) {
    if (isOutput(entry)) continue;
    const waiting = [entry];
    for (const next of waiting) {
      log.push(next);
      correlator.fold(next);
      for (const output of said.splice(0))
        waiting.push({ ...output, atMs: entry.atMs, source: "correlator/c", role: "correlator" } as Entry);
    }
  }
  return log;
}
