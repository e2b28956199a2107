/**
 * One row's piece of the lanes. Drawn in a box that stretches with the row: lines keep their width, dots are boxes of
 * their own, so a tall row neither bends nor breaks the line. Widths come from the style sheet (--count, --lane).
 */
import type { CSSProperties } from "react";
import type { LaneRow, Strand } from "./lanes.ts";

interface LaneCellProps {
  readonly row: LaneRow;
  /** How many lanes there are. */
  readonly lanes: number;
  readonly ruling: string;
  /** A chain to bring out; empty = all alike. */
  readonly emphasis: string;
}

/** One lane in the drawing's own units; the box is stretched to its real width. */
const unit = 100;
const middle = (lane: number): number => (lane + 0.5) * unit;

/** For the element around the rows: how many lanes its style sheet must make room for. */
export const laneStyle = (lanes: number): CSSProperties => ({ "--count": Math.max(1, lanes) }) as CSSProperties;

export function LaneCell({ row, lanes, ruling, emphasis }: LaneCellProps) {
  const on = row.strands.some((strand) => strand.step);
  return (
    <span className="lane-cell" aria-hidden="true">
      <svg aria-hidden="true" viewBox={`0 0 ${Math.max(1, lanes) * unit} 100`} preserveAspectRatio="none">
        {Array.from({ length: lanes }, (_, lane) => middle(lane)).map((x) => (
          <line key={x} className="lane" x1={x} x2={x} y1="0" y2="100" />
        ))}
        {row.strands.map((strand) => (
          <path
            key={strand.chain}
            className={emphasis && emphasis !== strand.chain ? "strand dimmed" : "strand"}
            d={strandPath(strand, row.lane)}
          />
        ))}
      </svg>
      {row.lane !== null && (
        <i
          className={`dot ${ruling || "none"}${on ? " step" : ""}`}
          style={{ left: `${(middle(row.lane) / lanes / unit) * 100}%` }}
        />
      )}
    </span>
  );
}

/** In from above with a bend into this row's lane, out below in a straight line. */
function strandPath(strand: Strand, lane: number | null): string {
  if (!strand.step || lane === null) return strand.above === null ? "" : `M ${middle(strand.above)} 0 V 100`;
  const x = middle(lane);
  const enter = strand.above === null ? "" : `M ${middle(strand.above)} 0 C ${middle(strand.above)} 40 ${x} 8 ${x} 50 `;
  return enter + (strand.below === null ? "" : `M ${x} 50 V 100`);
}

/** The lanes under an opened row: straight down to the next. */
export function LaneGap({ row, lanes }: Pick<LaneCellProps, "row" | "lanes">) {
  const strands = row.strands.map((strand) => ({ ...strand, above: strand.below, step: false }));
  return <LaneCell row={{ lane: null, strands }} lanes={lanes} ruling="" emphasis="" />;
}
