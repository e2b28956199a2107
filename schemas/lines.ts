/**
 * From events to what a person reads as one line: a command is one line through its whole life (asked, held, decided,
 * finished, masked), everything else is a line of its own. Pure; newest first, as the api gives the rows.
 *
 * It cannot see events outside the page that was read: a command at the edge of a page may show without its start.
 */
import type { ChainInfo } from "./api.ts";
import type { EventData } from "./event-data.ts";
import { quietTypes, storyOf } from "./story.ts";
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
  /** A held command that nobody has answered yet, as far as these rows tell. */
  readonly waits: boolean;
  /** Who answered a held command, and why; empty for every other. */
  readonly answer: string;
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

/** What is known of commands beside their rows: an answer may stand on another page, or be filtered away. */
export interface Known {
  /** Ids of chains that a command is a step of. */
  readonly chainsOf: ReadonlyMap<string, readonly string[]>;
  /** What came of a command that was held by a chain. */
  readonly stateOf: ReadonlyMap<string, ChainInfo["state"]>;
}

export const nothingKnown: Known = { chainsOf: new Map(), stateOf: new Map() };

export function linesOf(rows: readonly TimelineRow[], every: boolean, known: Known = nothingKnown): Line[] {
  if (every) return rows.map((row) => lineOf([row], known));
  const groups = new Map<string, TimelineRow[]>();
  for (const row of rows) {
    const key = row.command || row.id;
    if (!row.command && quietTypes.includes(row.type)) continue;
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()]
    .map((group) => lineOf(group.toReversed(), known))
    .toSorted((a, b) => b.atMs - a.atMs || (a.lead.position < b.lead.position ? 1 : -1));
}

function lineOf(rows: readonly TimelineRow[], known: Known): Line {
  const first = rows[0];
  if (!first) throw new RangeError("a line needs an event");
  const lead = leads.map((type) => rows.find((row) => row.type === type)).find((row) => row) ?? first;
  const single = rows.length === 1;
  const held = rows.some((row) => row.type === "command.held") || (lead.ruling === "hold" && lead === decidedOf(lead));
  const state = held ? (answerOf(rows) ?? answeredStates[known.stateOf.get(lead.command) ?? "held"]) : "";
  return {
    key: single ? first.id : lead.command,
    lead,
    rows,
    atMs: lead.atMs,
    text: rows.find((row) => row.text !== null)?.text ?? null,
    ruling: held ? (state === "refused" || state === "expired" ? "block" : "hold") : lead.ruling,
    rulingWords: held ? ["held", state].filter(Boolean).join(", ") : (rulingWords[lead.ruling] ?? ""),
    waits: held && state === "",
    answer: answerWords(rows),
    chains: [...new Set([...rows.flatMap((row) => row.chains), ...(known.chainsOf.get(lead.command) ?? [])])],
  };
}

const decidedOf = (row: TimelineRow): TimelineRow | null => (row.type === "command.decided" ? row : null);

const rulingWords: Readonly<Record<string, string>> = {
  allow: "allowed",
  mask: "masked",
  hold: "held",
  block: "refused",
};

const answeredStates: Readonly<Record<ChainInfo["state"], string>> = {
  held: "",
  approved: "approved",
  refused: "refused",
  expired: "expired",
  blocked: "refused",
  observed: "",
};

/** The newest word about a hold; null when these rows have none. A hold that was asked again waits again. */
function answerOf(rows: readonly TimelineRow[]): string | null {
  for (const row of rows.toReversed()) {
    if (row.type === "approval.used") return "approved";
    if (row.type === "approval.answered") return isRefusal(row) ? "refused" : "approved";
    if (row.type === "approval.expired") return "expired";
    if (row.type === "command.decided" && row.ruling !== "hold") return row.ruling === "block" ? "refused" : "approved";
    if (row.type === "command.held") return null;
  }
  return null;
}

const isRefusal = (row: TimelineRow): boolean => (row.data as EventData["approval.answered"]).answer === "refuse";

function answerWords(rows: readonly TimelineRow[]): string {
  const said = rows.findLast((row) => row.type === "approval.answered" || row.type === "approval.expired");
  return said ? storyOf(said.type, said.data) : "";
}
