/**
 * `absent` and `until` (DETECTION §6): nobody outside the chain did this in between. Nobody announces his own change, and
 * what only may have been an announcement (an opaque command, one whose late fields are not known yet) is none.
 */
import type { Absence, ChainRule } from "../../infra/rules/rule-set.ts";
import type { Clusters } from "./cluster.ts";
import { type Agreement, bringBy, choices, meet } from "./group.ts";
import { lastUnder } from "./order.ts";
import type { Step } from "./step.ts";
import type { Steps } from "./steps.ts";

/** @param agreed what the chain's steps agree in; one choice of it must be free of such events */
export function isAbsent(
  rule: ChainRule,
  absence: Absence,
  chain: readonly Step[],
  agreed: Agreement,
  steps: Steps,
  clusters: Clusters,
): boolean {
  const between = eventsBetween(absence, chain, steps);
  if (between.length === 0) return true;
  const brought = between.map((step) => bringBy(rule, step, clusters, (_, index) => absence.fields[index] ?? ""));
  return choices(agreed).some((choice) =>
    brought.every((theirs) => theirs === null || meet(rule, choice, theirs) === null),
  );
}

function eventsBetween({ detection, between }: Absence, chain: readonly Step[], steps: Steps): readonly Step[] {
  const places = chain.map(({ at }) => at);
  const ends = between === null ? places : between.map((place) => places[place] ?? 0);
  const [after, before] = [Math.min(...ends), Math.max(...ends)];
  const insiders = new Set(chain.map(({ subject }) => subject.identity));
  const list = steps.of(detection);
  const found: Step[] = [];
  for (let index = lastUnder(list, before); index >= 0; index -= 1) {
    const step = list[index];
    if (step === undefined || step.at <= after) break;
    if (!step.opaque && step.sure.includes(detection.index) && !insiders.has(step.subject.identity)) found.push(step);
  }
  return found;
}
