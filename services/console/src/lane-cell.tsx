/**
 * One row's piece of the lanes. Drawn in a box that stretches with the row: lines keep their width, dots are boxes of
 * their own, so a tall row neither bends nor breaks the line.
 */
import type { LaneRow, Strand } from "./lanes.ts";

interface LaneCellProps {
  readonly row: LaneRow;
  /** How many lanes there are. */
  readonly lanes: number;
  /** Width of one lane in pixels. */
  readonly laneWidth: number;
  readonly ruling: string;
  readonly emphasis: string;
}

export function LaneCell({ row, lanes, laneWidth, ruling, emphasis }: LaneCellProps) {
  const width = lanes * laneWidth;
  const middle = (lane: number): number => (lane + 0.5) * laneWidth;
  const on = row.strands.some((strand) => strand.step);
  return (
    <span className="lane-cell" aria-hidden="true">
      <svg aria-hidden="true" viewBox={`0 0 ${width} 100`} preserveAspectRatio="none">
        {Array.from({ length: lanes }, (_, lane) => (
          <line key={`lane ${middle(lane)}`} className="lane" x1={middle(lane)} x2={middle(lane)} y1="0" y2="100" />
        ))}
        {row.strands.map((strand) => (
          <path
            key={strand.chain}
            className={emphasis && emphasis !== strand.chain ? "strand dimmed" : "strand"}
            d={strandPath(strand, row.lane, middle)}
          />
        ))}
      </svg>
      {row.lane !== null && (
        <i className={`dot ${ruling || "none"}${on ? " step" : ""}`} style={{ left: middle(row.lane) }} />
      )}
    </span>
  );
}

/** In from above with a bend into this row's lane, out below in a straight line. */
function strandPath(strand: Strand, lane: number | null, middle: (lane: number) => number): string {
  const parts: string[] = [];
  if (!strand.step || lane === null) {
    if (strand.above !== null) parts.push(`M ${middle(strand.above)} 0 V 100`);
    return parts.join(" ");
  }
  const x = middle(lane);
  if (strand.above !== null) parts.push(`M ${middle(strand.above)} 0 C ${middle(strand.above)} 40 ${x} 8 ${x} 50`);
  if (strand.below !== null) parts.push(`M ${x} 50 V 100`);
  return parts.join(" ");
}

/** The lanes under an opened row: straight down to the next. */
export function LaneGap({ row, lanes, laneWidth }: Pick<LaneCellProps, "row" | "lanes" | "laneWidth">) {
  const strands = row.strands.map((strand) => ({ ...strand, above: strand.below, step: false }));
  return <LaneCell row={{ lane: null, strands }} lanes={lanes} laneWidth={laneWidth} ruling="" emphasis="" />;
}
