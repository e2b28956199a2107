/**
 * A correlation as it is written → the chains that are searched for: one place per event (a step that must happen N times
 * has N places), and of a condition over rules only the steps that one way to fulfil it asks for.
 */
import type { Alternative } from "./alternatives.ts";
import type { Absence, ChainRule, Detection, GroupKey, LinkPair } from "./rule-set.ts";

/** Everything by place in `rules`. */
export interface Written extends Omit<ChainRule, "written" | "lasts" | "variants"> {
  /** How often each step must happen. */
  readonly runs: readonly number[];
  readonly ordered: boolean;
}

/** @returns one chain of these steps; those that must not have matched are looked for in the time frame */
export function formOf(rule: Written, { happens, never }: Alternative): ChainRule {
  const { runs, ordered, steps: detections, ...same } = rule;
  const written = happens.flatMap((place) => Array.from({ length: runs[place] ?? 1 }, () => place));
  /** The last event of a step's run stands for the step. */
  const last = new Map(written.map((place, at) => [place, at]));
  const all = (place: number) => [...written.keys()].filter((at) => written[at] === place);
  const steps = written.flatMap((place) => detections[place] ?? []);
  return {
    ...same,
    steps,
    written,
    lasts: new Set(ordered ? [written.length - 1] : last.values()),
    variants: [],
    links: rule.links.flatMap(({ from, to, by }) => pairs(all(from), all(to), by)),
    groupBy: rule.groupBy.map((key) => keyOf(key, written)),
    absences: [
      ...rule.absences.flatMap((absence) => between(absence, last)),
      ...never.flatMap((place) => neverOf(rule, detections[place], place)),
    ],
    gate: rule.gate && {
      ...rule.gate,
      steps: rule.gate.steps && placesOf(rule.gate.steps, written),
      mayApprove: placesOf(rule.gate.mayApprove, written),
    },
    count: rule.count && {
      ...rule.count,
      fields: rule.count.fields.map((names) => written.map((place) => names[place] ?? "")),
    },
  };
}

function pairs(from: readonly number[], to: readonly number[], by: LinkPair["by"]): LinkPair[] {
  return from.flatMap((one) => to.map((other) => ({ from: one, to: other, by })));
}

function keyOf(key: GroupKey, written: readonly number[]): GroupKey {
  return key.kind === "field" ? { ...key, fields: written.map((place) => key.fields[place] ?? key.name) } : key;
}

/** Where one of the two steps need not happen, there is nothing in between. */
function between(absence: Absence, last: ReadonlyMap<number, number>): Absence[] {
  if (absence.between === null) return [absence];
  const [from, to] = absence.between.map((place) => last.get(place));
  return from === undefined || to === undefined ? [] : [{ ...absence, between: [from, to] }];
}

function neverOf({ groupBy }: Written, detection: Detection | undefined, place: number): Absence[] {
  if (detection === undefined) return [];
  const fields = groupBy.map((key) => (key.kind === "field" ? (key.fields[place] ?? key.name) : ""));
  return [{ scope: "window", detection, between: null, fields }];
}

function placesOf(steps: ReadonlySet<number>, written: readonly number[]): ReadonlySet<number> {
  return new Set([...written.keys()].filter((at) => steps.has(written[at] ?? -1)));
}
