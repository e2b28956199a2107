/** The steps of a declared pipeline: who as what account, what it may do to which resources, by which statements, how much. */
import type { PipelineDetail } from "../../../schemas/pipeline-info.ts";
import { Facts, Narrow } from "./marks.tsx";

type Declared = NonNullable<PipelineDetail["declaration"]>["steps"][number];

const list = <T,>(one: T | readonly T[] | undefined): readonly T[] => (one === undefined ? [] : ([one].flat() as T[]));

export function PipelineSteps({ pipeline }: { readonly pipeline: PipelineDetail }) {
  const { declaration, people } = pipeline;
  if (declaration === null)
    return <p className="panel-body quiet">Its text cannot be read by this version; it is shown beside, as written.</p>;
  const names = new Map(people.map(({ identity, name }) => [identity, name]));
  return (
    <ol className="panel-body pipeline-steps">
      {declaration.steps.map((step, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a step is known by its place
        <li key={i} className="step-card">
          <Step step={step} number={i + 1} names={names} />
        </li>
      ))}
    </ol>
  );
}

interface StepProps {
  readonly step: Declared;
  readonly number: number;
  readonly names: ReadonlyMap<string, string>;
}

function Step({ step, number, names }: StepProps) {
  const times = step.times?.max ?? 1;
  const destroys = step.destroys ?? list(step.operation).includes("delete");
  return (
    <>
      <div className="step-head">
        <span>
          <span className="step-number">{number}</span>{" "}
          <strong>
            {list(step.identity)
              .map((key) => names.get(key) ?? key)
              .join(" or ")}
          </strong>{" "}
          as <span className="account">{step.account}</span>
          {step.role !== undefined && <span className="quiet"> in role {step.role}</span>}
        </span>
        <span>
          <span className="tag">{list(step.operation).join(" or ")}</span>{" "}
          {destroys && <span className="tag block">may destroy</span>}
        </span>
      </div>
      <Facts
        of={[
          ["Reads", places(list(step.reads))],
          ["Writes", places(list(step.writes))],
          ["Statement", fingerprints(list(step.fingerprint))],
          ["Rows", `at most ${step.rows.max.toLocaleString("en-US")}${times > 1 ? " each time" : ""}`],
          ["Times", times > 1 ? `at most ${times.toLocaleString("en-US")} in one run` : ""],
        ]}
      />
    </>
  );
}

function places(uris: readonly string[]) {
  if (uris.length === 0) return "";
  return uris.map((uri) => (
    <div key={uri}>
      <Narrow by="resource" value={uri} words={<span className="code">{uri}</span>} />
    </div>
  ));
}

function fingerprints(all: readonly string[]) {
  return all.map((one) => (
    <div key={one} className="code" title={one}>
      {one.length > 20 ? `${one.slice(0, 20)}…` : one}
    </div>
  ));
}
