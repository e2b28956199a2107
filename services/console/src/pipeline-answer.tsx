/** What a person says about a pipeline: accept or decline a proposal, withdraw what was accepted. Each with a reason. */
import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import type { PipelineDetail } from "../../../schemas/pipeline-info.ts";
import { useMay, useSay } from "./data.ts";
import { Failed } from "./states.tsx";

interface Said {
  readonly reason: string;
}

export function PipelineAnswer({ pipeline }: { readonly pipeline: PipelineDetail }) {
  const [mayAdminister, mayRespond] = [useMay("administer"), useMay("respond")];
  const { state } = pipeline;
  if (state === "declared" || state === "declined") return null;
  const isOpen = state === "proposed";
  return (
    <section className="panel">
      <header>
        <h2>{isOpen ? "Your answer" : "In force or not"}</h2>
      </header>
      <div className="panel-body">
        {mayAdminister || mayRespond ? (
          <Form pipeline={pipeline} />
        ) : (
          <p className="quiet">
            {isOpen
              ? "An administrator accepts or declines it: somebody who has no part in it."
              : "Administrators and responders may change that."}
          </p>
        )}
      </div>
    </section>
  );
}

function Form({ pipeline }: { readonly pipeline: PipelineDetail }) {
  const [reason, setReason] = useState("");
  const path = `/api/pipelines/${encodeURIComponent(pipeline.proposal)}`;
  const over = () => setReason("");
  const accept = useSay<Said>("POST", () => path, over);
  const decline = useSay<Said>("POST", () => `${path}/decline`, over);
  const withdraw = useSay<Said>("DELETE", () => path, over);
  const pending = accept.pending || decline.pending || withdraw.pending;
  const ready = reason.trim() !== "" && !pending;
  const problem = accept.problem ?? decline.problem ?? withdraw.problem;
  const say = (how: typeof accept) => () => how.say({ reason: reason.trim() });
  const { state, mayAccept, whyNot } = pipeline;
  return (
    <form className="answer" onSubmit={(event) => event.preventDefault()}>
      {state !== "accepted" && !mayAccept && (
        <div className="notice hold">
          <div>
            <p>
              <strong>You may not accept this one.</strong>
            </p>
            <p className="more">{whyNot}</p>
          </div>
        </div>
      )}
      <Textarea
        label="Reason"
        description={
          state === "accepted"
            ? "Recorded; from then on it exempts nothing"
            : "Recorded: why this is, or is not, legitimate"
        }
        rows={3}
        maxLength={1_000}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <div className="actions">
        {state === "accepted" && (
          <Button color="red" variant="outline" disabled={!ready} onClick={say(withdraw)}>
            Withdraw
          </Button>
        )}
        {state === "proposed" && (
          <Button color="red" variant="outline" disabled={!ready} onClick={say(decline)}>
            Decline
          </Button>
        )}
        {state !== "accepted" && mayAccept && (
          <Button disabled={!ready} onClick={say(accept)}>
            {state === "withdrawn" ? "Accept again" : "Accept"}
          </Button>
        )}
      </div>
      {reason.trim() === "" && <p className="faint">Write a reason to answer.</p>}
      {problem && <Failed problem={problem} />}
    </form>
  );
}
