/**
 * `throughline replay SESSION`: a session statement by statement, with what was decided, masked and returned.
 * At once by default; `--speed 1` waits as the client did, `--speed 10` ten times faster.
 */
import { type Replay, replaySchema, type SessionSummary, type Statement } from "../../schemas/api.ts";
import { certificateWords, durationWords } from "../../schemas/story.ts";
import type { Api } from "./api.ts";
import type { Context } from "./context.ts";
import { misused } from "./failure.ts";
import { facts, localClock, localTime, paint, paintRuling, shown, wrapped } from "./paint.ts";
import type { Terminal } from "./parts.ts";

/** On a terminal, what came of a statement stands further left than its text: there is more room. */
const notesIndent = 12;
/** Nobody watches a pause of an hour, whatever the speed. */
const pauseMsMax = 10_000;

export async function replay(context: Context, session: string, speed: string | undefined): Promise<void> {
  const factor = speed === undefined ? null : Number(speed);
  if (factor !== null && !(factor > 0)) throw misused(`"${speed}" is no speed.`, "Write --speed 1, or 10, or 0.5.");
  const api = await context.api();
  const { terminal } = context.parts;
  let previous: number | null = null;
  let number = 0;
  for await (const page of pages(api, session)) {
    if (context.json) {
      terminal.out(JSON.stringify(page));
      continue;
    }
    if (number === 0) for (const line of header(terminal, page.session)) terminal.out(line);
    for (const statement of page.statements) {
      if (context.parts.signal.aborted) return;
      if (factor !== null && previous !== null)
        await context.parts.wait(Math.min(pauseMsMax, (statement.atMs - previous) / factor));
      previous = statement.atMs;
      number += 1;
      for (const line of statementLines(terminal, statement, number, page.session.openedAtMs)) terminal.out(line);
    }
    if (page.next === null) for (const line of footer(terminal, page.session)) terminal.out(line);
  }
}

async function* pages(api: Api, session: string): AsyncIterable<Replay> {
  let after: string | null = null;
  do {
    const page: Replay = await api.read(replaySchema, `/api/sessions/${encodeURIComponent(session)}`, {
      limit: 500,
      ...(after === null ? {} : { after }),
    });
    yield page;
    after = page.next;
  } while (after !== null);
}

function header(terminal: Terminal, session: SessionSummary): string[] {
  return [
    paint(terminal, "bold", shown(`${session.identityName} as ${session.account} on ${session.target}`)),
    ...facts(terminal, [
      ["task", `${session.justification} (${session.task})`],
      ["opened", `${localTime(session.openedAtMs)} from ${session.clientAddress}`],
      ["certificate", certificateWords(session)],
      ["client", session.application],
      ["session", session.session],
    ]),
    "",
  ];
}

function footer(terminal: Terminal, session: SessionSummary): string[] {
  if (session.closedAtMs === null) return ["", paint(terminal, "yellow", "The session is still open.")];
  return [
    "",
    `Closed ${localTime(session.closedAtMs)}${session.closedBecause ? `: ${shown(session.closedBecause)}` : ""}`,
  ];
}

/** Number, moment, ruling and text; what came of it stands under the text. */
export function statementLines(terminal: Terminal, statement: Statement, number: number, openedAtMs: number): string[] {
  const since = `+${((statement.atMs - openedAtMs) / 1_000).toFixed(1)} s`;
  const head = `${String(number).padStart(4)}  ${localClock(statement.atMs)}  ${since.padStart(9)}  `;
  const ruling = paintRuling(terminal, statement.ruling, statement.ruling.padEnd(6));
  const margin = terminal.tty ? notesIndent : head.length + 8;
  const indent = " ".repeat(head.length + 8);
  const [first = "", ...more] = (statement.text ?? "(text erased)").trim().split("\n").map(shown);
  return [
    `${paint(terminal, "dim", head)}${ruling}  ${first}`,
    ...more.map((line) => indent + line),
    ...outcomeWords(statement).flatMap((words) =>
      wrapped(terminal, words, margin).map((line, i) =>
        paint(terminal, "dim", i === 0 ? " ".repeat(margin) + line : line),
      ),
    ),
  ];
}

function outcomeWords(statement: Statement): string[] {
  const words: string[] = [];
  if (statement.parameters?.length)
    words.push(
      `with ${statement.parameters.map((value, i) => `$${i + 1} = ${value === null ? "NULL" : `'${value}'`}`).join(", ")}`,
    );
  if (statement.masks.length > 0)
    words.push(
      `masked ${statement.masks.map((mask) => `${mask.resource} (${mask.count.toLocaleString("en-US")})`).join(", ")}`,
    );
  if (statement.sentence) words.push(statement.sentence);
  if (statement.approval)
    words.push(`approval ${statement.approval}${statement.answer ? `: ${statement.answer}` : ""}`);
  return [...words, resultWords(statement)];
}

function resultWords(statement: Statement): string {
  const took = statement.durationUs === null ? "" : ` in ${durationWords(statement.durationUs)}`;
  switch (statement.outcome) {
    case "ok":
      return `${statement.tag || `${statement.rows ?? 0} rows`}${took}`;
    case "error":
      return `failed${statement.code ? ` with ${statement.code}` : ""}${took}`;
    case "unknown":
      return "outcome unknown: no finish was recorded";
    case "not-run":
      return statement.ruling === "hold" && !statement.answer
        ? "waits, has not reached the target"
        : "never reached the target";
    case "running":
      return "running";
  }
}
