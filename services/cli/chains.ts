/** `throughline chains [ID]`: chains across accounts, newest first; with an id its steps, links, evidence and answer. */

import { type ChainDetail, type ChainInfo, chainDetailSchema, chainsPageSchema } from "../../schemas/api.ts";
import type { ChainEvidence, ChainLink, ChainStep } from "../../schemas/chain.ts";
import { type Context, tell } from "./context.ts";
import { wholeNumber } from "./moment.ts";
import { type Colour, facts, localTime, paint, shown, table } from "./paint.ts";
import type { Terminal } from "./parts.ts";

const stateColours: Readonly<Record<ChainInfo["state"], Colour>> = {
  held: "yellow",
  approved: "green",
  refused: "red",
  blocked: "red",
  expired: "red",
  observed: "cyan",
};

export async function listChains(context: Context, limit: string): Promise<void> {
  const api = await context.api();
  const page = await api.read(chainsPageSchema, "/api/chains", { limit: wholeNumber(limit, 1, 500) });
  const { terminal } = context.parts;
  tell(context, page, () =>
    page.chains.length === 0
      ? ["No chain was found. Rules: `throughline rules test`."]
      : table<ChainInfo>(
          terminal,
          [
            { head: "TIME", cell: (c) => localTime(c.atMs), paint: (cell) => paint(terminal, "dim", cell) },
            { head: "STATE", cell: (c) => c.state, paint: (cell, c) => paint(terminal, stateColours[c.state], cell) },
            { head: "CHAIN", cell: (c) => c.chain.id },
            { head: "ACCOUNTS", cell: (c) => c.accounts.join(" > ") },
            { head: "WHAT", cell: (c) => `${c.chain.title}: ${c.chain.sentence}` },
          ],
          page.chains,
        ),
  );
}

export async function showChain(context: Context, id: string): Promise<void> {
  const api = await context.api();
  const detail = await api.read(chainDetailSchema, `/api/chains/${encodeURIComponent(id)}`);
  tell(context, detail, () => [
    ...chainLines(context.parts.terminal, detail.chain),
    "",
    ...answerLines(context.parts.terminal, detail),
  ]);
}

/** The story of a chain: sentence, steps in order, what ties each pair. */
export function chainLines(terminal: Terminal, chain: ChainEvidence): string[] {
  return [
    paint(terminal, "bold", shown(chain.title)),
    shown(chain.sentence),
    paint(
      terminal,
      "dim",
      `rule ${chain.rule} (${chain.mode}), level ${chain.level}, ${chain.strength} evidence, chain ${chain.id}`,
    ),
    "",
    ...chain.steps.flatMap((step, i) => [
      stepLine(terminal, step, i),
      ...chain.links.filter((link) => link.to === i).map((link) => linkLine(terminal, link)),
    ]),
  ];
}

function stepLine(terminal: Terminal, step: ChainStep, i: number): string {
  const what = shown(`${step.operations.join(", ")} ${step.resources.join(", ")}`);
  return `${String(i + 1).padStart(3)}  ${paint(terminal, "dim", localTime(step.atMs))}  ${paint(terminal, "cyan", shown(step.account))}  ${what}`;
}

function linkLine(terminal: Terminal, link: ChainLink): string {
  return paint(
    terminal,
    "dim",
    shown(`       tied to step ${link.from + 1} by ${link.by} (${link.strength}): ${link.evidence.join(", ")}`),
  );
}

function answerLines(terminal: Terminal, detail: ChainDetail): string[] {
  const approval = detail.approvalDetail;
  return facts(terminal, [
    ["state", detail.state],
    ["command", `${detail.command} in session ${detail.session}`],
    ["approval", detail.approval ?? ""],
    ...(approval?.answers ?? []).map(
      (answer) =>
        [`${answer.answer}d`, `${localTime(answer.atMs)} by ${answer.by.name}: ${answer.reason}`] satisfies [
          string,
          string,
        ],
    ),
    ...(approval?.refusedAttempts ?? []).map(
      (attempt) =>
        ["turned away", `${localTime(attempt.atMs)} ${attempt.by.name}: ${attempt.reason}`] satisfies [string, string],
    ),
  ]);
}
