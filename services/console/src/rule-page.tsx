/** One rule in words, and what it would have held in the log that there is. */
import type { RuleDetail } from "../../../schemas/rule-info.ts";
import { useMay, useRead, useTitle } from "./data.ts";
import { Facts } from "./marks.tsx";
import { address, Link } from "./route.tsx";
import { RuleReplay } from "./rule-replay.tsx";
import { DoesMark, Level } from "./rules-page.tsx";
import { PageHead, State } from "./states.tsx";

export function RulePage({ name }: { readonly name: string }) {
  const reading = useRead<RuleDetail>(`/api/rules/${encodeURIComponent(name)}`);
  const mayInvestigate = useMay("investigate");
  useTitle(reading.data?.title ?? "Rule");
  return (
    <State of={reading}>
      {(rule) => (
        <>
          <PageHead title={rule.title} about={<span className="code">{rule.name}</span>} of={reading} />
          <div className="columns">
            <section className="panel" aria-label="In words">
              <header>
                <h2>In words</h2>
              </header>
              <div className="panel-body">
                <pre className="rule-words">{rule.words.slice(1).map(unindented).join("\n")}</pre>
                {rule.check !== null && (
                  <p className="story-check">
                    <strong>What to check:</strong> {rule.check}
                  </p>
                )}
              </div>
            </section>
            <aside>
              <section className="panel">
                <header>
                  <h2>What it does</h2>
                  <DoesMark rule={rule} />
                </header>
                <div className="panel-body">
                  <Facts
                    of={[
                      ["Mode", rule.mode === "enforce" ? "enforced" : "observed only"],
                      ["Level", <Level key="l" level={rule.level} />],
                      ["Kind", rule.type.replaceAll("_", " ")],
                      ["Approvers", rule.approvers.join(", ")],
                      [
                        "File",
                        <span key="f" className="code">
                          {rule.file}
                        </span>,
                      ],
                      ["Exempt", rule.pipelines.length === 0 ? "" : <Exempt key="e" names={rule.pipelines} />],
                    ]}
                  />
                </div>
              </section>
            </aside>
          </div>
          {mayInvestigate && <RuleReplay rule={rule.name} />}
        </>
      )}
    </State>
  );
}

const unindented = (line: string): string => line.replace(/^ {2}/, "");

function Exempt({ names }: { readonly names: readonly string[] }) {
  return names.map((name) => (
    <div key={name}>
      <Link to={address(["pipelines", name])}>{name}</Link>
    </div>
  ));
}
