/** The rows: time, lanes, ruling, what and who. A row opens to the whole event; arrow keys go from row to row. */
import { Fragment, type KeyboardEvent, useState } from "react";
import type { Line } from "../../../schemas/lines.ts";
import { withNames } from "../../../schemas/places.ts";
import { storyOf } from "../../../schemas/story.ts";
import { EventDetail } from "./event-detail.tsx";
import { LaneCell, LaneGap, laneStyle } from "./lane-cell.tsx";
import { type LaneRow, lanesOf } from "./lanes.ts";
import { As, Ruling } from "./marks.tsx";
import { dayKey, dayWords, Moment } from "./moment.tsx";

const chainsDrawnMax = 3;
const noLane: LaneRow = { lane: null, strands: [] };

interface TimelineTableProps {
  readonly lines: readonly Line[];
  /** A chain to bring out; the others are dimmed. Empty = all alike. */
  readonly emphasis: string;
}

export function TimelineTable({ lines, emphasis }: TimelineTableProps) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const lanes = lanesOf(lines, chainsDrawnMax);
  const names = new Map(lines.flatMap((line) => line.rows.map((row) => [row.identity, row.identityName] as const)));
  const toggle = (key: string): void =>
    setOpen((before) =>
      before.has(key) ? new Set([...before].filter((one) => one !== key)) : new Set([...before, key]),
    );
  return (
    <div className="lines" style={laneStyle(lanes.names.length)}>
      <div className="lines-head" aria-hidden="true">
        <span>Time</span>
        <span className={lanes.names.length > 6 ? "lane-names narrow" : "lane-names"}>
          {lanes.names.map((name) => (
            <span key={name} title={name}>
              {name}
            </span>
          ))}
        </span>
        <span>Ruling</span>
        <span>What</span>
        <span className="who-cell">Who</span>
      </div>
      <ol onKeyDown={walk}>
        {lines.map((line, i) => (
          <Fragment key={line.key}>
            {dayBreak(lines, i) && <li className="day">{dayWords(line.atMs)}</li>}
            <LineItem
              line={line}
              row={lanes.rows[i] ?? noLane}
              lanes={lanes.names.length}
              emphasis={emphasis}
              names={names}
              open={open.has(line.key)}
              toggle={() => toggle(line.key)}
            />
          </Fragment>
        ))}
      </ol>
    </div>
  );
}

const dayBreak = (lines: readonly Line[], i: number): boolean => {
  const line = lines[i];
  const newer = lines[i - 1];
  return line !== undefined && newer !== undefined && dayKey(line.atMs) !== dayKey(newer.atMs);
};

function walk(event: KeyboardEvent<HTMLOListElement>): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0 || !(event.target instanceof HTMLButtonElement) || !event.target.classList.contains("line")) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLButtonElement>("button.line")];
  event.preventDefault();
  all[all.indexOf(event.target) + step]?.focus();
}

interface LineItemProps {
  readonly line: Line;
  readonly row: LaneRow;
  readonly lanes: number;
  readonly emphasis: string;
  readonly names: ReadonlyMap<string, string>;
  readonly open: boolean;
  readonly toggle: () => void;
}

function LineItem({ line, row, lanes, emphasis, names, open, toggle }: LineItemProps) {
  const { lead } = line;
  const classes = ["line", line.waits ? "waits" : line.ruling, isStopped(line) ? "stopped" : ""].join(" ");
  return (
    <li>
      <button type="button" className={classes} aria-expanded={open} onClick={toggle}>
        <span className="time-cell">
          <Moment ms={line.atMs} />
        </span>
        <LaneCell row={row} lanes={lanes} ruling={line.ruling} emphasis={emphasis} />
        <span className="ruling-cell">
          <Ruling ruling={line.ruling} words={line.rulingWords} />
        </span>
        <WhatCell line={line} names={names} />
        <span className="who-cell">
          <span className="name">{lead.identityName || lead.source}</span>
          {lead.account && (
            <span className="as">
              {" "}
              <As account={lead.account} target="" />
            </span>
          )}
        </span>
      </button>
      {open && (
        <div className="opened">
          <LaneGap row={row} lanes={lanes} />
          <EventDetail line={line} names={names} />
        </div>
      )}
    </li>
  );
}

const isStopped = (line: Line): boolean => line.waits || line.ruling === "block" || line.answer !== "";

/** A command that was stopped has a second line: who answered, and the story. */
function WhatCell({ line, names }: Pick<LineItemProps, "line" | "names">) {
  const finish = line.rows.find((row) => row.type === "command.finished");
  const story = withNames(storyOf(line.lead.type, line.lead.data), names);
  if (line.text === null)
    return (
      <span className="what-cell">
        <span className="words">{story}</span>
      </span>
    );
  const why = whyOf(line);
  const result = finish ? storyOf(finish.type, finish.data) : "";
  return (
    <span className="what-cell">
      <code>{line.text.replace(/\s+/g, " ")}</code>
      {!isStopped(line) && result && <span className="result">{result}</span>}
      {line.answer && <span className="answered">{[line.answer, result].filter(Boolean).join("; then ")}</span>}
      {isStopped(line) && why && <span className={line.answer ? "why short" : "why"}>{why}</span>}
    </span>
  );
}

/** The sentence the user at the client read; a chain's begins with its title, which says most. */
function whyOf(line: Line): string {
  const data: unknown = line.lead.data;
  const sentence: unknown = data && typeof data === "object" && "sentence" in data ? data.sentence : "";
  return typeof sentence === "string" ? sentence : "";
}
