/** `throughline chains [ID]`: chains across accounts, newest first; with an id its steps, links, evidence and answer. */

import {
  type ChainDetail,
  type ChainInfo,
  chainDetailSchema,
  chainsPageSchema,
  type Person,
} from "../../schemas/api.ts";
import type { ChainEvidence, ChainLink, ChainStep } from "../../schemas/chain.ts";
import { chainStateWords, deedWords } from "../../schemas/held-words.ts";
import { isSaid, strengthWords, tieWords } from "../../schemas/links.ts";
import { afterTitle, placeWords } from "../../schemas/places.ts";
import { spanWords } from "../../schemas/story.ts";
import { answerFacts } from "./answers.ts";
import { type Context, tell } from "./context.ts";
import { wholeNumber } from "./moment.ts";
import { type Colour, facts, localTime, paint, shown, table, wrapped } from "./paint.ts";
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
            ...(terminal.tty ? [] : [{ head: "WHAT", cell: storyOfChain }]),
          ],
          page.chains,
          storyOfChain,
        ),
  );
}

const storyOfChain = ({ chain }: ChainInfo): string => `${chain.title}: ${afterTitle(chain.title, chain.sentence)}`;

export async function showChain(context: Context, id: string): Promise<void> {
  const api = await context.api();
  const detail = await api.read(chainDetailSchema, `/api/chains/${encodeURIComponent(id)}`);
  tell(context, detail, () => [
    ...chainLines(context.parts.terminal, detail.chain, namesOf(detail.people), ranStates.has(detail.state)),
    "",
    ...answerLines(context.parts.terminal, detail),
  ]);
}

/** Names by identity key. */
export const namesOf = (people: readonly Person[]): ReadonlyMap<string, string> =>
  new Map(people.map((person) => [person.identity, person.name]));

const ranStates: ReadonlySet<ChainInfo["state"]> = new Set(["approved", "observed"]);

/** The story of a chain: sentence, steps in order, what ties each pair, what to check. @param ran its last step did too */
export function chainLines(
  terminal: Terminal,
  chain: ChainEvidence,
  names: ReadonlyMap<string, string>,
  ran: boolean,
): string[] {
  return [
    paint(terminal, "bold", shown(chain.title)),
    ...wrapped(terminal, afterTitle(chain.title, chain.sentence)),
    ...chainSteps(terminal, chain, names, ran),
  ];
}

/** The same where the sentence stands already. */
export function chainSteps(
  terminal: Terminal,
  chain: ChainEvidence,
  names: ReadonlyMap<string, string>,
  ran: boolean,
): string[] {
  const last = chain.steps.length - 1;
  const actors = chain.steps.map((step) => {
    const name = names.get(step.identity);
    return name ? `${name} as ${step.account}` : step.account;
  });
  const width = Math.max(...actors.map((actor) => actor.length));
  return [
    ...wrapped(
      terminal,
      `rule ${chain.rule}${chain.mode === "observe" ? " (observes only)" : ""}, level ${chain.level}, ${strengthWords[chain.strength]}, chain ${chain.id}`,
    ).map((line) => paint(terminal, "dim", line)),
    "",
    ...chain.steps.flatMap((step, i) => [
      ...stepLines(terminal, step, i, (actors[i] ?? "").padEnd(width), ran || i < last),
      ...chain.links
        .filter((link) => link.to === i)
        .flatMap((link, n) => linkLines(terminal, chain, link, n === 0 && link.from === i - 1)),
    ]),
    ...(chain.check === undefined ? [] : ["", ...wrapped(terminal, `What to check: ${chain.check}`)]),
  ];
}

function stepLines(terminal: Terminal, step: ChainStep, i: number, actor: string, ran: boolean): string[] {
  const head = `${String(i + 1).padStart(3)}  ${localTime(step.atMs)}  `;
  const what = `${deedWords(step, ran)} ${placeWords(step.resources, step.target)}`;
  const [first = "", ...more] = wrapped(terminal, what, head.length + actor.length + 2);
  return [`${paint(terminal, "dim", head)}${paint(terminal, "cyan", shown(actor))}  ${first}`, ...more];
}

const linkIndent = 7;

function linkLines(terminal: Terminal, { steps }: ChainEvidence, link: ChainLink, timed: boolean): string[] {
  const [from, to] = [steps[link.from], steps[link.to]];
  const later = timed && from && to ? `${spanWords(Math.max(0, to.atMs - from.atMs))} later, ` : "";
  const text = `${later}tied to step ${link.from + 1} by ${link.by} (${link.strength}): ${evidenceWords(link, to?.target ?? "")}`;
  return wrapped(terminal, text, linkIndent).map((line, i) =>
    paint(terminal, "dim", i === 0 ? " ".repeat(linkIndent) + line : line),
  );
}

/** What says that two identities are one actor has a command of its own. */
function evidenceWords(link: ChainLink, target: string): string {
  const { by, evidence } = link;
  if (by === "actor" && evidence.every(isSaid))
    return `${tieWords(link)}; who says so: ${evidence.map((event) => `throughline links show ${event}`).join(", ")}`;
  return `${tieWords(link)} ${placeWords(evidence, target)}`;
}

function answerLines(terminal: Terminal, detail: ChainDetail): string[] {
  const approval = detail.approvalDetail;
  return facts(terminal, [
    ["state", `${detail.state}: ${chainStateWords[detail.state]}`],
    ["command", `${detail.command} in session ${detail.session}`],
    ["approval", detail.approval ?? ""],
    ...(approval === null ? [] : answerFacts(approval)),
  ]);
}
