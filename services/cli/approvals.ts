/** `throughline approvals`: what waits for a human, the exact command and its chain, and the answer. */
import { type ApprovalDetail, type ApprovalInfo, approvalDetailSchema, approvalsSchema } from "../../schemas/api.ts";
import { askWords } from "../../schemas/places.ts";
import { answerFacts } from "./answers.ts";
import { chainLines, chainSteps, namesOf } from "./chains.ts";
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
  const { terminal } = context.parts;
  const names = namesOf([...detail.excluded, detail.by]);
  const ran = detail.state === "used";
  const [chain, ...more] = detail.chains;
  return [
    paint(terminal, "bold", stateLine(context, detail)),
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
      ...answerFacts(detail),
      ["you", detail.mayAnswer ? `may answer: ${answerLine(detail)}` : (detail.whyNot ?? "may not answer")],
    ]),
    // the sentence above is the first chain's own
    ...(chain ? ["", ...(more.length === 0 ? chainSteps : chainLines)(terminal, chain, names, ran)] : []),
    ...more.flatMap((one) => ["", ...chainLines(terminal, one, names, ran)]),
  ];
}

const stateWords: Readonly<Record<ApprovalDetail["state"], string>> = {
  open: "held: it has not reached the target, and waits",
  approved: "approved: it runs once when it is asked again",
  used: "approved: it ran, once",
  refused: "refused: it never reached the target",
  expired: "expired: nobody answered, and it never reached the target",
  void: "void: what it means had changed before it ran, so it was asked again",
};

function stateLine({ parts }: Context, { state, expiresAtMs }: ApprovalDetail): string {
  const left = state === "open" ? ` ${fromNow(expiresAtMs, parts.now()).replace("in ", "")} more` : "";
  return `${stateWords[state]}${left}`;
}

const answerLine = ({ approval }: ApprovalDetail): string =>
  `throughline approvals approve|refuse ${approval} --reason <why>`;

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
