/** What was sent to the outside: alerts on chains and questions, newest first, each with the way to what it is about. */
import type { AlertInfo, Alerts } from "../../../schemas/api.ts";
import { afterTitle } from "../../../schemas/places.ts";
import { useRead, useTitle } from "./data.ts";
import { Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { Empty, PageHead, State } from "./states.tsx";

export function AlertsPageView() {
  useTitle("Alerts");
  const reading = useRead<Alerts>("/api/alerts");
  return (
    <>
      <PageHead
        title="Alerts"
        of={reading}
        about="Raised while it happens, and sent to the receiver in the configuration."
      />
      <State of={reading}>
        {({ alerts }) => (
          <div className="panel">
            {alerts.length === 0 ? (
              <Empty title="No alert was raised">
                A chain that is held or completed raises one, and so does a question to approvers.
              </Empty>
            ) : (
              <table className="list">
                <thead>
                  <tr>
                    <th>Time</th>
                    <th>Level</th>
                    <th>Alert</th>
                    <th>Kind</th>
                  </tr>
                </thead>
                <tbody>
                  {alerts.map((alert) => (
                    <tr key={alert.alert}>
                      <td>
                        <Moment ms={alert.atMs} show="day" />
                      </td>
                      <td>
                        <span className={alert.level === "high" || alert.level === "critical" ? "tag block" : "tag"}>
                          {alert.level}
                        </span>
                      </td>
                      <td>
                        <About alert={alert} />
                        <div className="quiet">{afterTitle(alert.title, alert.sentence)}</div>
                      </td>
                      <td className="code quiet">{alert.kind}</td>
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

function About({ alert }: { readonly alert: AlertInfo }) {
  const noun = alert.kind.startsWith("chain.") ? "chains" : alert.kind.startsWith("approval.") ? "approvals" : null;
  if (noun === null || !alert.about) return <strong>{alert.title}</strong>;
  return (
    <Link className="title" to={address([noun, alert.about])}>
      {alert.title}
    </Link>
  );
}
