/**
 * From events to what a person reads as one line: a command is one line through its whole life (asked, held, decided,
 * finished, masked), everything else is a line of its own. Pure; newest first, as the api gives the rows.
 *
 * It cannot see events outside the page that was read: a command at the edge of a page may show without its start.
 */
import { quietTypes } from "./story.ts";
import type { TimelineRow } from "./timeline.ts";

export interface Line {
  /** Stable while the line grows: the command, or the event. */
  readonly key: string;
  /** The event that says most; its subject stands for the line. */
  readonly lead: TimelineRow;
  /** All events of the line, oldest first. */
  readonly rows: readonly TimelineRow[];
  readonly atMs: number;
  readonly text: string | null;
  readonly ruling: string;
  /** Words for the ruling: a held command that was answered says both. */
  readonly rulingWords: string;
  readonly chains: readonly string[];
}

/** What a command is shown by, best first. */
const leads: readonly string[] = [
  "command.decided",
  "command.held",
  "approval.asked",
  "command.intended",
  "command.answered",
];

/** @param chainsOf ids of chains that a command is a step of, beside those the rows name themselves */
export function linesOf(
  rows: readonly TimelineRow[],
  every: boolean,
  chainsOf: ReadonlyMap<string, readonly string[]>,
): Line[] {
  if (every) return rows.map((row) => lineOf([row], chainsOf));
  const groups = new Map<string, TimelineRow[]>();
  for (const row of rows) {
    const key = row.command || row.id;
    if (!row.command && quietTypes.includes(row.type)) continue;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()]
    .map((group) => lineOf(group.toReversed(), chainsOf))
    .toSorted((a, b) => b.atMs - a.atMs || (a.lead.position < b.lead.position ? 1 : -1));
}

function lineOf(rows: readonly TimelineRow[], chainsOf: ReadonlyMap<string, readonly string[]>): Line {
  const first = rows[0];
  if (!first) throw new RangeError("a line needs an event");
  const lead = leads.map((type) => rows.find((row) => row.type === type)).find((row) => row) ?? first;
  const single = rows.length === 1;
  const held = rows.some((row) => row.type === "command.held");
  return {
    key: single ? first.id : lead.command,
    lead,
    rows,
    atMs: lead.atMs,
    text: rows.find((row) => row.text !== null)?.text ?? null,
    ruling: held ? "hold" : lead.ruling,
    rulingWords: wordsFor(held, lead),
    chains: [...new Set([...rows.flatMap((row) => row.chains), ...(chainsOf.get(lead.command) ?? [])])],
  };
}

function wordsFor(held: boolean, lead: TimelineRow): string {
  if (lead.ruling === "block") return held ? "held, refused" : "refused";
  if (held) return lead.type === "command.decided" && lead.ruling !== "hold" ? "held, approved" : "held";
  if (lead.ruling === "mask") return "masked";
  if (lead.ruling === "allow") return "allowed";
  return lead.ruling === "hold" ? "held" : "";
}
