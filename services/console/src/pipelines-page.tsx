/** Legitimate pipelines: what is proposed and waits for a person, what is in force and whether it ran, what is over. */
import type { PipelineInfo, PipelinesInfo } from "../../../schemas/pipeline-info.ts";
import { useRead, useTitle } from "./data.ts";
import { Moment } from "./moment.tsx";
import { PipelineState, WindowMark } from "./pipeline-marks.tsx";
import { address, Link } from "./route.tsx";
import { Empty, PageHead, State } from "./states.tsx";

export function PipelinesPage() {
  useTitle("Pipelines");
  const reading = useRead<PipelinesInfo>("/api/pipelines");
  return (
    <>
      <PageHead
        title="Pipelines"
        of={reading}
        about="Jobs that run the same steps on purpose. A run without deviation is not held; anything else is, and the hold says what differed."
      />
      <State of={reading}>
        {({ pipelines }) => {
          const proposed = pipelines.filter(({ state }) => state === "proposed");
          const running = pipelines.filter(({ state }) => state === "declared" || state === "accepted");
          const over = pipelines.filter(({ state }) => state === "declined" || state === "withdrawn");
          return (
            <>
              {proposed.length > 0 && <Proposed pipelines={proposed} />}
              <section className="panel" aria-label="In force">
                {running.length === 0 ? (
                  <Empty title="No pipeline is in force">
                    Declare nightly jobs in <code>pipelines.yaml</code> beside the catalog. One is proposed here when
                    people have approved the same chain several times.
                  </Empty>
                ) : (
                  <Running pipelines={running} />
                )}
              </section>
              {over.length > 0 && <Over pipelines={over} />}
            </>
          );
        }}
      </State>
    </>
  );
}

const pageOf = ({ proposal }: PipelineInfo): string => address(["pipelines", proposal]);

function Proposed({ pipelines }: { readonly pipelines: readonly PipelineInfo[] }) {
  return (
    <section className="panel" aria-label="Proposed">
      <ul className="asks">
        {pipelines.map((one) => (
          <li key={one.proposal} className="ask">
            <div>
              <Link className="title" to={pageOf(one)}>
                {one.pipeline}
              </Link>
              <p>{one.sentence}</p>
              <p className="quiet">Approved by {one.approvers.map(({ name }) => name).join(", ")}</p>
            </div>
            <div className="ask-side">
              <span className="tag hold">waits for a person</span>
              {one.proposedAtMs !== null && <Moment ms={one.proposedAtMs} show="day" />}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Running({ pipelines }: { readonly pipelines: readonly PipelineInfo[] }) {
  return (
    <table className="list">
      <thead>
        <tr>
          <th>Pipeline</th>
          <th>Last window</th>
          <th>Next</th>
          <th>Deviations</th>
          <th>Exempt from</th>
        </tr>
      </thead>
      <tbody>
        {pipelines.map((one) => (
          <tr key={one.proposal}>
            <td>
              <Link className="title" to={pageOf(one)}>
                {one.pipeline}
              </Link>
              <div className="quiet">{whoWords(one)}</div>
            </td>
            <td>
              {one.last === null ? (
                <span className="quiet">no window is over yet</span>
              ) : (
                <>
                  <WindowMark outcome={one.last.outcome} />{" "}
                  <span className="quiet whole">
                    <Moment ms={one.last.startedMs} show="day" />
                  </span>
                </>
              )}
            </td>
            <td>
              <span className="small-only">Next </span>
              {one.nextMs === null ? (
                <span className="quiet">not within a week</span>
              ) : (
                <Moment ms={one.nextMs} show="day" />
              )}
            </td>
            <td>
              <span className="small-only">Deviations </span>
              {one.deviations === 0 ? <span className="quiet">none</span> : one.deviations.toLocaleString("en-US")}
            </td>
            <td className="code">{one.rule || <span className="quiet">no rule names it</span>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function whoWords({ state, accepted, sentence }: PipelineInfo): string {
  return state === "accepted" && accepted !== null ? `Accepted by ${accepted.by.name}: ${accepted.reason}` : sentence;
}

function Over({ pipelines }: { readonly pipelines: readonly PipelineInfo[] }) {
  return (
    <section className="panel" aria-label="Over">
      <table className="list">
        <thead>
          <tr>
            <th>Pipeline</th>
            <th>State</th>
            <th>By whom</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          {pipelines.map((one) => {
            const act = one.withdrawn ?? one.declined;
            return (
              <tr key={one.proposal}>
                <td>
                  <Link className="title" to={pageOf(one)}>
                    {one.pipeline}
                  </Link>
                </td>
                <td>
                  <PipelineState state={one.state} />
                </td>
                <td>
                  {act?.by.name} {act && <Moment ms={act.atMs} show="day" />}
                </td>
                <td className="quiet">{act?.reason}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
