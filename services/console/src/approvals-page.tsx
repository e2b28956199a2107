/** What waits for a human, the soonest to end first; below it what was answered. */

import type { ApprovalInfo, Approvals } from "../../../schemas/api.ts";
import { askWords } from "../../../schemas/places.ts";
import { spanWords } from "../../../schemas/story.ts";
import { useRead, useTitle } from "./data.ts";
import { As, StateMark } from "./marks.tsx";
import { Moment, useNow } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { Empty, PageHead, State } from "./states.tsx";

export function ApprovalsPage() {
  useTitle("Approvals");
  const reading = useRead<Approvals>("/api/approvals", { state: "all" });
  return (
    <>
      <PageHead title="Approvals" of={reading} about="Commands that were held before they reached the target." />
      <State of={reading}>
        {({ approvals }) => {
          const open = approvals
            .filter((one) => one.state === "open")
            .toSorted((a, b) => a.expiresAtMs - b.expiresAtMs);
          const rest = approvals.filter((one) => one.state !== "open").toSorted((a, b) => b.askedAtMs - a.askedAtMs);
          return (
            <>
              <section className="panel" aria-label="Open">
                {open.length === 0 ? (
                  <Empty title="Nothing waits for an answer">A held command appears here within two seconds.</Empty>
                ) : (
                  <ul className="asks">
                    {open.map((approval) => (
                      <Ask key={approval.approval} approval={approval} />
                    ))}
                  </ul>
                )}
              </section>
              {rest.length > 0 && <Answered approvals={rest} />}
            </>
          );
        }}
      </State>
    </>
  );
}

function Ask({ approval }: { readonly approval: ApprovalInfo }) {
  const now = useNow();
  const leftMs = Math.max(0, approval.expiresAtMs - now);
  return (
    <li className="ask">
      <div>
        <Link className="title" to={address(["approvals", approval.approval])}>
          {askWords(approval.statements, approval.resources, approval.target)}
        </Link>
        <p>{approval.sentence}</p>
        <p className="quiet">
          {approval.by.name} as <As account={approval.account} target={approval.target} /> for “
          {approval.task.justification}”
        </p>
      </div>
      <div className="ask-side">
        <span className={leftMs < 120_000 ? "tag block" : "tag hold"}>{spanWords(leftMs)} left</span>
        <span className="quiet">{approval.mayAnswer ? "You may answer" : approval.whyNot}</span>
      </div>
    </li>
  );
}

function Answered({ approvals }: { readonly approvals: readonly ApprovalInfo[] }) {
  return (
    <section className="panel" aria-label="Answered">
      <table className="list">
        <thead>
          <tr>
            <th>Asked</th>
            <th>State</th>
            <th>Command</th>
            <th>Who asked</th>
            <th>Answer</th>
          </tr>
        </thead>
        <tbody>
          {approvals.map((approval) => (
            <tr key={approval.approval}>
              <td>
                <Moment ms={approval.askedAtMs} show="day" />
              </td>
              <td>
                <StateMark state={approval.state} />
              </td>
              <td>
                <Link className="title" to={address(["approvals", approval.approval])}>
                  {askWords(approval.statements, approval.resources, approval.target)}
                </Link>
              </td>
              <td className="whole">
                {approval.by.name} as <As account={approval.account} target="" />
              </td>
              <td>
                {approval.answers.map((answer) => (
                  <div key={answer.by.identity}>
                    {answer.by.name}: <span className="quiet">{answer.reason}</span>
                  </div>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
