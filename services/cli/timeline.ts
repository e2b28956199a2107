/**
 * `throughline timeline`: what happened, newest last, across accounts. One line per command through its whole life;
 * `--every` shows every event, `--follow` stays and prints what comes, event by event.
 */

import { chainsPageSchema, type TimelineRow, timelinePageSchema } from "../../schemas/api.ts";
import { type Line, linesOf, nothingKnown } from "../../schemas/lines.ts";
import { quietTypes, storyOf } from "../../schemas/story.ts";
import type { Api, Query } from "./api.ts";
import { type Context, tell } from "./context.ts";
import { momentOf, wholeNumber } from "./moment.ts";
import { type Column, localDate, localTime, paint, paintRuling, shown, table } from "./paint.ts";
import type { Terminal } from "./parts.ts";

/** Options that narrow it, with what they are. */
export const filterNames = [
  ["identity", "identity key, issuer|subject"],
  ["account", "account on the target"],
  ["target", "target"],
  ["session", "session id"],
  ["task", "task id"],
  ["command", "command id"],
  ["grant", "grant id"],
  ["resource", "resource, orders/public.customers#email"],
  ["chain", "chain id"],
  ["type", "event type, command.held"],
  ["ruling", "allow, mask, hold or block"],
  ["text", "words of the command's text"],
] as const;

export interface TimelineOptions {
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly every?: boolean;
  readonly follow?: boolean;
  /** The rest are filters of the API, as typed. */
  readonly filters: Readonly<Record<string, string | undefined>>;
}

const pollMs = 1_000;

export async function timeline(context: Context, options: TimelineOptions): Promise<void> {
  const api = await context.api();
  const query = queryOf(context, options);
  const limit = wholeNumber(options.limit, 1, 100_000);
  const rows = await readRows(api, query, limit);
  const every = options.every === true;
  if (context.json) for (const row of rows.toReversed()) context.parts.terminal.out(JSON.stringify(row));
  else printLines(context, (await toldLines(api, rows, every || options.follow === true)).toReversed());
  if (options.follow) await follow(context, api, query, rows, every);
}

/** Filters may leave an answer out; what came of what seems to wait is asked for, so that nobody is woken for nothing. */
async function toldLines(api: Api, rows: readonly TimelineRow[], every: boolean): Promise<Line[]> {
  const lines = linesOf(rows, every);
  if (!lines.some((line) => line.waits)) return lines;
  const { chains } = await api.read(chainsPageSchema, "/api/chains", { limit: 500 });
  const stateOf = new Map(
    chains.filter(({ chain }) => chain.mode === "enforce").map((one) => [one.command, one.state]),
  );
  return linesOf(rows, every, { ...nothingKnown, stateOf });
}

function queryOf(context: Context, options: TimelineOptions): Query {
  const now = context.parts.now();
  return {
    ...options.filters,
    ...(options.every ? {} : { story: true }),
    ...(options.since ? { sinceMs: momentOf(options.since, now) } : {}),
    ...(options.until ? { untilMs: momentOf(options.until, now) } : {}),
  };
}

/** Newest first. */
async function readRows(api: Api, query: Query, limit: number): Promise<TimelineRow[]> {
  const rows: TimelineRow[] = [];
  let before: string | null = null;
  do {
    const size = Math.min(1_000, limit - rows.length);
    const page: { rows: TimelineRow[]; next: string | null } = await api.read(timelinePageSchema, "/api/timeline", {
      ...query,
      limit: size,
      ...(before === null ? {} : { before }),
    });
    rows.push(...page.rows);
    before = page.next;
  } while (before !== null && rows.length < limit);
  return rows;
}

function printLines(context: Context, lines: readonly Line[]): void {
  const { terminal } = context.parts;
  if (lines.length === 0) {
    terminal.err("Nothing matches. Take a filter away, or widen --since.");
    return;
  }
  const texts = terminal.tty
    ? table(terminal, nightColumns(terminal), lines, whyOf)
    : table(terminal, columnsFor(context), lines);
  if (terminal.tty) terminal.out(paint(terminal, "bold", daysOf(lines)));
  for (const text of texts) terminal.out(text);
}

/** `2026-01-31`, or the first and the last day. */
function daysOf(lines: readonly Line[]): string {
  const days = [...new Set(lines.map((line) => localDate(line.atMs)))];
  return days.length > 1 ? `${days[0]} to ${days.at(-1)}` : (days[0] ?? "");
}

/** For eyes: the clock (the day where it is another), one column for who as what, and all the room for the text. */
function nightColumns(terminal: Terminal): readonly Column<Line>[] {
  let day = "";
  return [
    {
      head: "TIME",
      cell: ({ atMs }) => {
        const isNew = day !== "" && day !== localDate(atMs);
        day = localDate(atMs);
        return isNew ? localTime(atMs).slice(5) : localTime(atMs).slice(11);
      },
      paint: (cell) => paint(terminal, "dim", cell),
    },
    {
      head: "RULING",
      cell: (line) => line.rulingWords,
      paint: (cell, line) => paintRuling(terminal, line.ruling, cell),
    },
    {
      head: "WHO",
      cell: ({ lead }) =>
        [lead.identityName || lead.source, lead.account && `as ${lead.account}`].filter(Boolean).join(" "),
    },
    { head: "WHAT", cell: (line) => (isStopped(line) && line.text !== null ? line.text : whatOf(line)) },
  ];
}

const isStopped = (line: Line): boolean => line.ruling === "hold" || line.ruling === "block";

/** Under a command that was stopped: who answered, and why it was. */
function whyOf(line: Line): string {
  if (!isStopped(line) || line.text === null) return "";
  const finish = line.rows.find((row) => row.type === "command.finished");
  const story = storyOf(line.lead.type, line.lead.data);
  return [line.answer, finish ? storyOf(finish.type, finish.data) : "", story].filter(Boolean).join(". ");
}

const columnsFor = ({ parts: { terminal } }: Context): readonly Column<Line>[] => [
  { head: "TIME", cell: (line) => localTime(line.atMs), paint: (cell) => paint(terminal, "dim", cell) },
  { head: "RULING", cell: (line) => line.rulingWords, paint: (cell, line) => paintRuling(terminal, line.ruling, cell) },
  { head: "WHO", cell: (line) => line.lead.identityName || line.lead.source },
  { head: "AS", cell: (line) => (line.lead.account ? `${line.lead.account}@${line.lead.target}` : "") },
  { head: "WHAT", cell: whatOf },
];

/** The text where there is one, then what came of it. */
export function whatOf(line: Line): string {
  const finish = line.rows.find((row) => row.type === "command.finished");
  const outcome = finish ? storyOf(finish.type, finish.data) : "";
  const refusal = line.ruling === "block" || line.ruling === "hold" ? storyOf(line.lead.type, line.lead.data) : "";
  if (line.text === null) return [storyOf(line.lead.type, line.lead.data), outcome].filter(Boolean).join("; ");
  return [line.text, refusal || outcome].filter(Boolean).join(" → ");
}

/** New rows by log time, oldest first; those of the last moment come twice and are dropped by id. */
async function follow(
  context: Context,
  api: Api,
  query: Query,
  first: readonly TimelineRow[],
  every: boolean,
): Promise<void> {
  const { parts } = context;
  let seen = new Set(first.map((row) => row.id));
  let sinceMs = first[0]?.atMs ?? parts.now();
  while (!parts.signal.aborted) {
    await parts.wait(pollMs);
    const asked = { ...query, sinceMs, order: "oldest", limit: 1_000 };
    const page = await api.read(timelinePageSchema, "/api/timeline", asked).catch((error: unknown) => {
      // Ctrl-C in the middle of a question is how following ends.
      if (parts.signal.aborted) return { rows: [] };
      throw error;
    });
    const fresh = page.rows.filter((row) => !seen.has(row.id));
    const last = page.rows.at(-1)?.atMs ?? sinceMs;
    seen = new Set(page.rows.filter((row) => row.atMs === last).map((row) => row.id));
    sinceMs = last;
    for (const row of fresh) printRow(context, row, every);
  }
}

function printRow(context: Context, row: TimelineRow, every: boolean): void {
  const { terminal } = context.parts;
  if (!every && quietTypes.includes(row.type)) return;
  tell(context, row, () => {
    const who = row.account ? `${row.identityName} as ${row.account}@${row.target}` : row.identityName || row.source;
    const what = [row.text, storyOf(row.type, row.data)].filter(Boolean).join(" → ").replace(/\s+/g, " ");
    const ruling = paintRuling(terminal, row.ruling, (row.ruling || row.type.split(".")[0] || "").padEnd(10));
    return [`${paint(terminal, "dim", localTime(row.atMs))}  ${ruling}  ${shown(who)}  ${shown(what)}`];
  });
}
