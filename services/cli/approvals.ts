/** `throughline approvals`: what waits for a human, the exact command and its chain, and the answer. */
import { type ApprovalDetail, type ApprovalInfo, approvalDetailSchema, approvalsSchema } from "../../schemas/api.ts";
import { askWords } from "../../schemas/places.ts";
import { chainLines, namesOf } from "./chains.ts";
import { type Context, done, tell } from "./context.ts";
import { facts, fromNow, localTime, paint, shown, table, wrapped } from "./paint.ts";

const pathOf = (id: string): string => `/api/approvals/${encodeURIComponent(id)}`;

export async function listApprovals(context: Context, all: boolean): Promise<void> {
  const api = await context.api();
  const found = await api.read(approvalsSchema, "/api/approvals", { state: all ? "all" : "open" });
  const { terminal, now } = context.parts;
  tell(context, found, () =>
    found.approvals.length === 0
      ? [all ? "Nothing was ever held." : "Nothing waits for an answer."]
      : table<ApprovalInfo>(
          terminal,
          [
            { head: "ASKED", cell: (a) => localTime(a.askedAtMs), paint: (cell) => paint(terminal, "dim", cell) },
            {
              head: "STATE",
              cell: (a) => a.state,
              paint: (cell, a) => (a.state === "open" ? paint(terminal, "yellow", cell) : cell),
            },
            { head: "APPROVAL", cell: (a) => a.approval },
            { head: "WHO", cell: (a) => `${a.by.name} as ${a.account}@${a.target}` },
            { head: "ENDS", cell: (a) => (a.state === "open" ? fromNow(a.expiresAtMs, now()) : "") },
            ...(terminal.tty ? [] : [{ head: "WHAT", cell: whatOf }]),
          ],
          found.approvals,
          whatOf,
        ),
  );
}

const whatOf = (approval: ApprovalInfo): string =>
  `${askWords(approval.statements, approval.resources, approval.target)} → ${approval.sentence}`;

export async function showApproval(context: Context, id: string): Promise<void> {
  const api = await context.api();
  const detail = await api.read(approvalDetailSchema, pathOf(id));
  tell(context, detail, () => detailLines(context, detail));
}

function detailLines(context: Context, detail: ApprovalDetail): string[] {
  const { terminal, now } = context.parts;
  const open = detail.state === "open" ? `, ends ${fromNow(detail.expiresAtMs, now())}` : "";
  return [
    paint(terminal, "bold", `${detail.state}${open}`),
    ...wrapped(terminal, detail.sentence),
    "",
    ...(detail.text ?? "(the text is not shown to you, or its key was erased)")
      .split("\n")
      .map((line) => `    ${shown(line)}`),
    ...(detail.parameters ?? []).map((value, i) => `    $${i + 1} = ${value === null ? "NULL" : `'${shown(value)}'`}`),
    "",
    ...facts(terminal, [
      ["asked by", `${detail.by.name} as ${detail.account} on ${detail.target}, ${localTime(detail.askedAtMs)}`],
      ["task", `${detail.task.justification} (${detail.task.id})`],
      ["session", detail.session],
      ...needsOf(detail).map((need) => ["needs", need] satisfies [string, string]),
      ...detail.answers.map(
        (a) => [`${a.answer}d`, `${localTime(a.atMs)} by ${a.by.name}: ${a.reason}`] satisfies [string, string],
      ),
      ...detail.refusedAttempts.map(
        (a) => ["turned away", `${localTime(a.atMs)} ${a.by.name}: ${a.reason}`] satisfies [string, string],
      ),
      ...detail.excluded.map((e) => ["may not answer", `${e.name}: ${e.why}`] satisfies [string, string]),
      ["you", detail.mayAnswer ? "may answer" : (detail.whyNot ?? "may not answer")],
    ]),
    ...detail.chains.flatMap((chain) => ["", ...chainLines(terminal, chain, namesOf([...detail.excluded, detail.by]))]),
  ];
}

export async function answerApproval(
  context: Context,
  id: string,
  answer: "approve" | "refuse",
  reason: string,
): Promise<void> {
  const api = await context.api();
  await api.tell("POST", `${pathOf(id)}/answer`, { answer, reason });
  const sentence = answer === "approve" ? `Approved ${id}: exactly that command, once.` : `Refused ${id}.`;
  done(context, { approval: id, answer, reason }, sentence);
}

/** One line per reason; all must be met, and one human fills one place. */
function needsOf(approval: ApprovalInfo): string[] {
  const needs = approval.needs ?? [approval];
  return needs.map((need) => `${need.humans} of ${need.approvers.join(", ")}`);
}
