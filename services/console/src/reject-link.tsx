/** A link between identities at the step that rests on it: who says it, what else rests on it, and a way to reject it. */
import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import type { LinkEffect } from "../../../schemas/link-shapes.ts";
import { sayerWords } from "../../../schemas/links.ts";
import { useMay, useRead, useSay } from "./data.ts";
import { Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { Failed, State } from "./states.tsx";

/** @param event that says the link */
export function LinkOf({ event }: { readonly event: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details className="said-by" onToggle={(toggled) => setOpen(toggled.currentTarget.open)}>
      <summary>Who says so?</summary>
      {open && <Said event={event} />}
    </details>
  );
}

function Said({ event }: { readonly event: string }) {
  const reading = useRead<LinkEffect>(`/api/links/${encodeURIComponent(event)}/effect`);
  const mayRespond = useMay("respond");
  return (
    <State of={reading}>
      {({ link, rests }) => (
        <div className="link-said">
          <p>
            <strong>{link.identities.map(({ name }) => name).join(" and ")}</strong>{" "}
            {link.strength === "strong" ? "count as one actor" : "are tied (weak)"}: {link.reason || "no reason given"},
            said by {link.by?.name ?? sayerWords(link)} <Moment ms={link.atMs} show="day" />
          </p>
          {rests.length > 0 && (
            <>
              <p className="quiet">These holds rest on it:</p>
              <ul>
                {rests.map((rest) => (
                  <li key={rest.approval}>
                    <Link to={address(["chains", rest.chain])}>{rest.title}</Link>{" "}
                    <span className="quiet">{rest.state}</span>
                  </li>
                ))}
              </ul>
            </>
          )}
          {link.rejected !== null && (
            <p className="quiet">
              Rejected by {link.rejected.by.name}: {link.rejected.reason}
            </p>
          )}
          {link.rejected === null && mayRespond && <Reject event={event} rests={rests.length} />}
        </div>
      )}
    </State>
  );
}

function Reject({ event, rests }: { readonly event: string; readonly rests: number }) {
  const [reason, setReason] = useState("");
  const reject = useSay<{ reason: string }>("DELETE", () => `/api/links/${encodeURIComponent(event)}`);
  const what = rests === 1 ? "1 hold above would" : `${rests} holds above would`;
  return (
    <form
      className="answer"
      onSubmit={(submitted) => {
        submitted.preventDefault();
        if (reason.trim() !== "" && !reject.pending) reject.say({ reason: reason.trim() });
      }}
    >
      <Textarea
        size="xs"
        label="Why they are not the same"
        description={`From here on ${rests === 0 ? "nothing is held" : `${what} not have been made`} by this link; what was decided stays`}
        rows={2}
        maxLength={1_000}
        value={reason}
        onChange={(changed) => setReason(changed.currentTarget.value)}
      />
      <div className="actions">
        <Button size="xs" color="red" variant="light" type="submit" disabled={reason.trim() === "" || reject.pending}>
          Reject the link
        </Button>
      </div>
      {reject.problem && <Failed problem={reject.problem} />}
    </form>
  );
}
