/** `throughline explain ID`: why a command was held, refused or let through, whichever id of it is at hand. */
import { approvalsSchema, chainsPageSchema, type TimelineRow, timelinePageSchema } from "../../schemas/api.ts";
import { storyOf } from "../../schemas/story.ts";
import type { Api } from "./api.ts";
import { showApproval } from "./approvals.ts";
import { showChain } from "./chains.ts";
import { type Context, tell } from "./context.ts";
import { CliFailure, failed } from "./failure.ts";
import { facts, localTime, paint, shown, wrapped } from "./paint.ts";

/** Enough for the whole life of a command. */
const rowsMax = 100;
const beginMin = 8;

/** @param id of an approval, a chain or a command */
export async function explain(context: Context, id: string): Promise<void> {
  if (await isThere(() => showApproval(context, id))) return;
  if (await isThere(() => showChain(context, id))) return;
  const api = await context.api();
  const approval = await approvalOf(api, id);
  if (approval !== null) return showApproval(context, approval);
  const chain = await chainBegun(api, id);
  if (chain !== null) return showChain(context, chain);
  const { rows } = await api.read(timelinePageSchema, "/api/timeline", {
    command: id,
    limit: rowsMax,
    order: "oldest",
  });
  const found = rows.find((row) => row.type === "chain.completed");
  if (found?.chains[0] !== undefined) return showChain(context, found.chains[0]);
  if (rows.length === 0)
    throw failed(
      "not.found",
      `No approval, chain or command has the id ${id}.`,
      "Refusals and `throughline timeline` name them.",
    );
  tell(context, rows, () => commandLines(context, id, rows));
}

/** Refusals show the beginning of a chain's id; among the newest it is enough. */
async function chainBegun(api: Api, begin: string): Promise<string | null> {
  if (begin.length < beginMin) return null;
  const { chains } = await api.read(chainsPageSchema, "/api/chains", { limit: 500 });
  return chains.find(({ chain }) => chain.id.startsWith(begin))?.chain.id ?? null;
}

/** What the reader may not see by one name may be theirs by another: a requester sees the approval, not the chain. */
async function isThere(show: () => Promise<void>): Promise<boolean> {
  try {
    await show();
    return true;
  } catch (error) {
    if (error instanceof CliFailure && (error.code === "not.found" || error.code === "access.denied")) return false;
    throw error;
  }
}

/** The newest that was asked for the command. */
async function approvalOf(api: Api, command: string): Promise<string | null> {
  const { approvals } = await api.read(approvalsSchema, "/api/approvals", { state: "all" });
  return approvals.find((one) => one.command === command)?.approval ?? null;
}

const cameWords: Readonly<Record<string, string>> = {
  allow: "allowed: it ran",
  mask: "allowed: it ran, with columns masked",
  hold: "held: it has not reached the target",
  block: "refused: it never reached the target",
};

function commandLines({ parts: { terminal } }: Context, id: string, rows: readonly TimelineRow[]): string[] {
  const decided = rows.findLast((row) => row.ruling !== "") ?? rows[0];
  if (decided === undefined) return [];
  const text = rows.find((row) => row.text !== null)?.text ?? null;
  return [
    paint(terminal, "bold", cameWords[decided.ruling] ?? "not decided"),
    ...rows.flatMap((row) => wrapped(terminal, `${localTime(row.atMs)}  ${storyOf(row.type, row.data)}`, 2)),
    "",
    ...(text ?? "(the text is not shown to you, or its key was erased)")
      .split("\n")
      .map((line) => `    ${shown(line)}`),
    "",
    ...facts(terminal, [
      ["asked by", `${decided.identityName} as ${decided.account} on ${decided.target}`],
      ["task", decided.task],
      ["session", decided.session],
      ["command", id],
    ]),
  ];
}
