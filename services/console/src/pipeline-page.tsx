/** One pipeline as somebody must see it who answers for it: each step, when and from where, what came of it, what differed. */
import type { PipelineDetail } from "../../../schemas/pipeline-info.ts";
import { useRead, useTitle } from "./data.ts";
import { Facts } from "./marks.tsx";
import { Moment } from "./moment.tsx";
import { PipelineAnswer } from "./pipeline-answer.tsx";
import { PipelineState, WindowMark } from "./pipeline-marks.tsx";
import { PipelineSteps } from "./pipeline-steps.tsx";
import { address, Link } from "./route.tsx";
import { PageHead, State } from "./states.tsx";

export function PipelinePage({ id }: { readonly id: string }) {
  const reading = useRead<PipelineDetail>(`/api/pipelines/${encodeURIComponent(id)}`);
  useTitle(reading.data?.pipeline ?? "Pipeline");
  return (
    <State of={reading}>
      {(pipeline) => (
        <>
          <PageHead title={pipeline.pipeline} about={pipeline.sentence} of={reading}>
            <PipelineState state={pipeline.state} />
          </PageHead>
          <div className="columns">
            <div>
              <section className="panel" aria-label="Steps">
                <header>
                  <h2>What a run is, in this order</h2>
                </header>
                <PipelineSteps pipeline={pipeline} />
              </section>
              <Holds pipeline={pipeline} />
              <Windows pipeline={pipeline} />
            </div>
            <Beside pipeline={pipeline} />
          </div>
        </>
      )}
    </State>
  );
}

function Holds({ pipeline: { holds } }: { readonly pipeline: PipelineDetail }) {
  if (holds.length === 0) return null;
  return (
    <section className="panel" aria-label="Deviations">
      <header>
        <h2>What differed</h2>
      </header>
      <table className="list">
        <thead>
          <tr>
            <th>Time</th>
            <th>Chain that was not exempt</th>
            <th>Because</th>
          </tr>
        </thead>
        <tbody>
          {holds.map((hold) => (
            <tr key={hold.chain}>
              <td>
                <Moment ms={hold.atMs} show="day" />
              </td>
              <td>
                <Link className="title" to={address(["chains", hold.chain])}>
                  {hold.title}
                </Link>
                <div className="code quiet">{hold.rule}</div>
              </td>
              <td>{hold.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Windows({ pipeline: { windows } }: { readonly pipeline: PipelineDetail }) {
  return (
    <section className="panel" aria-label="Windows">
      <header>
        <h2>Its windows</h2>
      </header>
      {windows.length === 0 ? (
        <p className="panel-body quiet">None has passed while it was in force.</p>
      ) : (
        <table className="list">
          <thead>
            <tr>
              <th>From</th>
              <th>What came of it</th>
              <th>Runs</th>
              <th>Commands</th>
              <th>Because</th>
            </tr>
          </thead>
          <tbody>
            {windows.map((window) => (
              <tr key={window.startedMs}>
                <td>
                  <Moment ms={window.startedMs} show="day" />
                </td>
                <td>
                  <WindowMark outcome={window.outcome} />
                </td>
                <td>
                  <span className="small-only">Runs </span>
                  {window.runs}
                </td>
                <td>
                  <span className="small-only">Commands </span>
                  {window.commands.toLocaleString("en-US")}
                </td>
                <td className="quiet">{window.why}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Beside({ pipeline }: { readonly pipeline: PipelineDetail }) {
  const { declaration, nextMs, rule } = pipeline;
  const rules = rule.split(", ").filter(Boolean);
  return (
    <aside>
      <PipelineAnswer pipeline={pipeline} />
      {declaration !== null && (
        <section className="panel">
          <header>
            <h2>When and from where</h2>
          </header>
          <div className="panel-body">
            <Facts
              of={[
                ["Window", <WindowOf key="w" declaration={declaration} />],
                ["Next", nextMs === null ? "" : <Moment key="n" ms={nextMs} show="day" />],
                ["Longest run", declaration.longest],
                ["Runs", `at most ${declaration.runs?.max ?? 1} in a window`],
                ["Addresses", <Lines key="a" of={declaration.addresses} />],
                ["Owner", declaration.owner],
              ]}
            />
          </div>
        </section>
      )}
      <section className="panel">
        <header>
          <h2>What it is exempt from</h2>
        </header>
        <div className="panel-body">
          {rules.length === 0 && <p className="quiet">No rule names it: nothing is exempt.</p>}
          {rules.map((name) => (
            <p key={name}>
              <Link className="code" to={address(["rules", name])}>
                {name}
              </Link>
            </p>
          ))}
        </div>
      </section>
      <Behind pipeline={pipeline} />
      <section className="panel">
        <div className="panel-body">
          <details className="said-by">
            <summary>As it is written</summary>
            <pre className="sql">{pipeline.text}</pre>
          </details>
        </div>
      </section>
    </aside>
  );
}

function WindowOf({ declaration: { window } }: { readonly declaration: NonNullable<PipelineDetail["declaration"]> }) {
  return (
    <>
      <span className="code">{window.cron}</span> UTC, for {window.for}
    </>
  );
}

function Lines({ of }: { readonly of: readonly string[] }) {
  return of.map((one) => (
    <div key={one} className="code">
      {one}
    </div>
  ));
}

/** Who stands behind what is exempt. */
function Behind({ pipeline }: { readonly pipeline: PipelineDetail }) {
  const { proposedAtMs, times, approvers, approvals, accepted, declined, withdrawn } = pipeline;
  if (proposedAtMs === null) return null;
  const acts = [
    ["accepted it", accepted],
    ["declined it", declined],
    ["withdrew it", withdrawn],
  ] as const;
  return (
    <section className="panel">
      <header>
        <h2>Who stands behind it</h2>
      </header>
      <ol className="panel-body course">
        <li>
          <Moment ms={proposedAtMs} show="day" />
          <span>
            Proposed after the same chain was approved {times} times, by {approvers.map(({ name }) => name).join(", ")}.{" "}
            {approvals.map((approval, i) => (
              <span key={approval}>
                {i > 0 && ", "}
                <Link to={address(["approvals", approval])}>approval {i + 1}</Link>
              </span>
            ))}
          </span>
        </li>
        {acts.map(
          ([words, act]) =>
            act && (
              <li key={words}>
                <Moment ms={act.atMs} show="day" />
                <span>
                  <strong>{act.by.name}</strong> {words}. <span className="quiet">{act.reason}</span>
                </span>
              </li>
            ),
        )}
      </ol>
    </section>
  );
}
