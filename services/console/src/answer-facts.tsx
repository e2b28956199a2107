/** Who was asked, who answered and when, and who was turned away: the human side of a held command. */
import type { ApprovalInfo } from "../../../schemas/api.ts";
import { ifNobodyWords, whoMayWords } from "../../../schemas/held-words.ts";
import { clockWords, Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";

export function AnswerFacts({ approval, link = true }: { readonly approval: ApprovalInfo; readonly link?: boolean }) {
  return (
    <>
      {approval.state === "open" && (
        <>
          <p className="came">{whoMayWords(approval)}</p>
          <p className="came">{ifNobodyWords(approval, clockWords(approval.expiresAtMs))}</p>
        </>
      )}
      <Course approval={approval} link={link} />
    </>
  );
}

function Course({ approval, link }: { readonly approval: ApprovalInfo; readonly link: boolean }) {
  return (
    <ol className="course">
      <li>
        <Moment ms={approval.askedAtMs} />
        <span>
          Asked: {needsOf(approval)}.{" "}
          {link && (
            <Link to={address(["approvals", approval.approval])}>
              {approval.state === "open" && approval.mayAnswer ? "Answer it" : "Show it"}
            </Link>
          )}
        </span>
      </li>
      {approval.refusedAttempts.map((attempt) => (
        <li key={`${attempt.by.identity} ${attempt.atMs}`}>
          <Moment ms={attempt.atMs} />
          <span>
            <strong>{attempt.by.name}</strong> was turned away. <span className="quiet">{attempt.reason}</span>
          </span>
        </li>
      ))}
      {approval.answers.map((answer) => (
        <li key={`${answer.by.identity} ${answer.atMs}`}>
          <Moment ms={answer.atMs} />
          <span>
            <strong>{answer.by.name}</strong> {answer.answer === "approve" ? "approved" : "refused"}.{" "}
            <span className="quiet">{answer.reason}</span>
          </span>
        </li>
      ))}
      {approval.usedAtMs !== null && (
        <li>
          <Moment ms={approval.usedAtMs} />
          <span>The command ran, once.</span>
        </li>
      )}
      {approval.state === "void" && (
        <li>
          <span />
          <span>Void: what the command means had changed before it ran, so it was asked again.</span>
        </li>
      )}
      {approval.state === "expired" && (
        <li>
          <Moment ms={approval.expiresAtMs} />
          <span>Nobody answered in time.</span>
        </li>
      )}
    </ol>
  );
}

/** All of these must approve; one human fills one place. */
function needsOf(approval: ApprovalInfo): string {
  const needs = approval.needs ?? [approval];
  return needs
    .map((need) => `${need.humans === 1 ? "one" : need.humans} of ${need.approvers.join(", ")}`)
    .join(", and ");
}
