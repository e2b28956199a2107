/** The answer to a held command. A reason is asked of both answers; who may not answer reads why. */
import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import type { Answer, ApprovalDetail } from "../../../schemas/api.ts";
import { useSay } from "./data.ts";
import { Failed } from "./states.tsx";

export function AnswerForm({ approval }: { readonly approval: ApprovalDetail }) {
  const [reason, setReason] = useState("");
  const answer = useSay<Answer>("POST", () => `/api/approvals/${encodeURIComponent(approval.approval)}/answer`);
  if (!approval.mayAnswer)
    return (
      <div className="notice hold">
        <div>
          <p>
            <strong>You may not answer this one.</strong>
          </p>
          <p className="more">{approval.whyNot ?? `It is for ${approval.approvers.join(" or ")}.`}</p>
        </div>
      </div>
    );
  const ready = reason.trim() !== "" && !answer.pending;
  const say = (kind: Answer["answer"]): void => answer.say({ answer: kind, reason: reason.trim() });
  return (
    <form className="answer" onSubmit={(event) => event.preventDefault()}>
      <Textarea
        label="Reason"
        description="Recorded, and read by the one who asked"
        minRows={2}
        rows={3}
        maxLength={1_000}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <div className="actions">
        <Button color="red" variant="outline" disabled={!ready} onClick={() => say("refuse")}>
          Refuse
        </Button>
        <Button disabled={!ready} onClick={() => say("approve")}>
          Approve once
        </Button>
      </div>
      {reason.trim() === "" && <p className="faint">Write a reason to answer.</p>}
      {answer.problem && <Failed problem={answer.problem} />}
    </form>
  );
}
