/** Rules in force: what each looks for, what it does, and which pipelines are exempt from it. */
import type { RuleInfo, RulesInfo } from "../../../schemas/rule-info.ts";
import { useRead, useTitle } from "./data.ts";
import { Ruling } from "./marks.tsx";
import { address, Link } from "./route.tsx";
import { Empty, PageHead, State } from "./states.tsx";

export function RulesPage() {
  useTitle("Rules");
  const reading = useRead<RulesInfo>("/api/rules");
  return (
    <>
      <PageHead
        title="Rules"
        of={reading}
        about="What is in force, by the log. Open one to read it in words, and to see what it would have held."
      />
      <State of={reading}>
        {({ rules }) => (
          <div className="panel">
            {rules.length === 0 ? (
              <Empty title="No rule is in force">Nothing is held by a rule until rule files are loaded.</Empty>
            ) : (
              <table className="list">
                <thead>
                  <tr>
                    <th>Rule</th>
                    <th>Level</th>
                    <th>A chain is</th>
                    <th>Approvers</th>
                    <th>Exempt pipelines</th>
                  </tr>
                </thead>
                <tbody>
                  {rules.map((rule) => (
                    <tr key={rule.name}>
                      <td>
                        <Link className="title" to={address(["rules", rule.name])}>
                          {rule.title}
                        </Link>
                        <div className="code quiet">{rule.name}</div>
                      </td>
                      <td>
                        <Level level={rule.level} />
                      </td>
                      <td>
                        <DoesMark rule={rule} />
                      </td>
                      <td>{rule.approvers.join(", ")}</td>
                      <td>
                        {rule.pipelines.map((name) => (
                          <div key={name}>
                            <Link to={address(["pipelines", name])}>{name}</Link>
                          </div>
                        ))}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </div>
        )}
      </State>
    </>
  );
}

export function Level({ level }: { readonly level: string }) {
  return <span className={level === "high" || level === "critical" ? "tag block" : "tag"}>{level}</span>;
}

const does = { hold: "held", block: "blocked", alert: "told" } as const;

/** What becomes of a command that completes a chain. */
export function DoesMark({ rule }: { readonly rule: Pick<RuleInfo, "action"> }) {
  return <Ruling ruling={rule.action === "alert" ? "mask" : rule.action} words={does[rule.action]} />;
}
