/**
 * The picture beside a timeline: one lane per account, and each chain as a line through the lanes it crosses.
 * Pure geometry in lane numbers; rows come newest first, so a line is followed downwards into the past.
 */
import type { Line } from "../../../schemas/lines.ts";

/** Acts of people in the product itself (an answer, a block) have no account; they get the last lane. */
export const peopleLane = "people";

export interface Strand {
  readonly chain: string;
  /** Lane by which the line comes in from the row above; null when it starts here. */
  readonly above: number | null;
  /** Lane by which it leaves to the row below; null when it ends here. */
  readonly below: number | null;
  /** This row is one of the chain's steps. */
  readonly step: boolean;
}

export interface LaneRow {
  /** Where this row's dot stands, or null for a row that belongs to no lane. */
  readonly lane: number | null;
  readonly strands: readonly Strand[];
}

export interface Lanes {
  readonly names: readonly string[];
  readonly rows: readonly LaneRow[];
}

const laneName = (line: Line): string =>
  line.lead.account || (line.lead.identity && !line.lead.session ? peopleLane : "");

/** @param lines newest first. @param chainsMax lines for this many chains, the newest; more would be a thicket */
export function lanesOf(lines: readonly Line[], chainsMax: number): Lanes {
  const names = laneNames(lines);
  const lanes = lines.map((line) => names.indexOf(laneName(line)));
  const rows: { lane: number | null; strands: Strand[] }[] = lanes.map((lane) => ({
    lane: lane < 0 ? null : lane,
    strands: [],
  }));
  const chains = [...new Set(lines.flatMap((line) => line.chains))].slice(0, chainsMax);
  for (const chain of chains) {
    const steps = lines.flatMap((line, i) => (line.chains.includes(chain) && (lanes[i] ?? -1) >= 0 ? [i] : []));
    if (steps.length < 2) continue;
    const [first = 0] = steps;
    const last = steps.at(-1) ?? first;
    let current: number | null = null;
    for (let i = first; i <= last; i++) {
      const step = steps.includes(i);
      const below: number | null = i === last ? null : step ? (lanes[i] ?? null) : current;
      rows[i]?.strands.push({ chain, above: current, below, step });
      current = below;
    }
  }
  return { names, rows };
}

/** Oldest account leftmost, so that a chain that crosses accounts runs from left to right as time goes on. */
function laneNames(lines: readonly Line[]): string[] {
  const seen = new Set(lines.toReversed().map(laneName));
  seen.delete("");
  const people = seen.delete(peopleLane);
  return [...seen, ...(people ? [peopleLane] : [])];
}
