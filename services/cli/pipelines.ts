/** `throughline pipelines`: what the system proposes to leave alone, what people have accepted, and how to end that. */
import { readTextFile } from "../../infra/text-file.ts";
import { type PipelineInfo, pipelineInfoSchema, pipelinesInfoSchema } from "../../schemas/pipeline-info.ts";
import { type Context, done, tell } from "./context.ts";
import { CliFailure } from "./failure.ts";
import { localTime, paint, shown, table } from "./paint.ts";

const pathOf = (id: string): string => `/api/pipelines/${encodeURIComponent(id)}`;

export async function listPipelines(context: Context): Promise<void> {
  const { pipelines } = await (await context.api()).read(pipelinesInfoSchema, "/api/pipelines");
  const { terminal } = context.parts;
  tell(context, { pipelines }, () =>
    pipelines.length === 0
      ? ["No pipeline is declared, and none has been proposed."]
      : table<PipelineInfo>(
          terminal,
          [
            {
              head: "PROPOSED",
              cell: (p) => (p.proposedAtMs === null ? "in a file" : localTime(p.proposedAtMs)),
              paint: (cell) => paint(terminal, "dim", cell),
            },
            { head: "STATE", cell: (p) => p.state },
            { head: "PROPOSAL", cell: (p) => p.proposal },
            { head: "RULE", cell: (p) => p.rule },
            { head: "APPROVED", cell: approvedWords },
            { head: "ACCEPTED BY", cell: (p) => p.accepted?.by.name ?? "" },
            {
              head: "LAST WINDOW",
              cell: (p) => (p.last === null ? "" : `${p.last.outcome} ${localTime(p.last.startedMs)}`),
            },
          ],
          pipelines,
        ),
  );
}

/** @param id null prints the newest that nobody has accepted; the text goes to standard output, to be edited and accepted */
export async function showProposal(context: Context, id: string | null): Promise<void> {
  const { pipelines } = await (await context.api()).read(pipelinesInfoSchema, "/api/pipelines");
  const found = pipelines.find(({ proposal, state }) => (id === null ? state === "proposed" : proposal === id));
  if (found === undefined)
    throw new CliFailure(
      "not.found",
      id === null ? "Nothing is proposed." : `No pipeline was proposed as ${id}.`,
      "throughline pipelines list",
    );
  tell(context, found, () => [
    `# ${shown(found.sentence)}`,
    `# Nothing is exempt until somebody else accepts it: throughline pipelines accept ${found.proposal} --reason WHY [--file EDITED]`,
    ...found.text.trimEnd().split("\n").map(shown),
  ]);
}

export async function acceptPipeline(
  context: Context,
  id: string,
  { reason, file }: { readonly reason: string; readonly file?: string },
): Promise<void> {
  const text = file === undefined ? {} : { text: await readTextFile(file, "pipeline.invalid") };
  const info = await (await context.api()).send("POST", pathOf(id), { reason, ...text }, pipelineInfoSchema);
  done(context, info, `Runs of ${info.pipeline} are no chain of ${info.rule} from its next window on.`);
}

export async function declinePipeline(context: Context, id: string, reason: string): Promise<void> {
  const info = await (await context.api()).send("POST", `${pathOf(id)}/decline`, { reason }, pipelineInfoSchema);
  done(context, info, `${info.pipeline} is declined; nothing of it was ever exempt.`);
}

export async function withdrawPipeline(context: Context, id: string, reason: string): Promise<void> {
  await (await context.api()).tell("DELETE", pathOf(id), { reason });
  done(context, { proposal: id, withdrawn: true, reason }, `Pipeline ${id} exempts nothing any more.`);
}

function approvedWords({ times, approvers }: PipelineInfo): string {
  return times === 0 ? "" : `${times} times by ${approvers.map(({ name }) => name).join(", ")}`;
}
