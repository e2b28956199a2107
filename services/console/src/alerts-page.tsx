/** What the outside was told: alerts on chains and questions, newest first, and who looks at them. */
import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import type { AlertInfo, AlertReceiver, Alerts, Me } from "../../../schemas/api.ts";
import { afterTitle } from "../../../schemas/places.ts";
import { useRead, useSay, useTitle } from "./data.ts";
import { Moment } from "./moment.tsx";
import { address, Link } from "./route.tsx";
import { Empty, Failed, PageHead, State } from "./states.tsx";

export function AlertsPageView({ me }: { readonly me: Me }) {
  const mayRespond = me.roles.includes("respond");
  useTitle("Alerts");
  const reading = useRead<Alerts>("/api/alerts");
  return (
    <>
      <PageHead
        title="Alerts"
        of={reading}
        about="Raised while it happens, and sent to the receivers in the configuration until they take it."
      />
      <State of={reading}>
        {({ alerts, receivers }) => (
          <>
            <Receivers receivers={receivers} />
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
                      <th>State</th>
                    </tr>
                  </thead>
                  <tbody>
                    {alerts.map((alert) => (
                      <Row key={alert.alert} alert={alert} mayRespond={mayRespond} />
                    ))}
                  </tbody>
                </table>
              )}
            </div>
          </>
        )}
      </State>
    </>
  );
}

function Row({ alert, mayRespond }: { readonly alert: AlertInfo; readonly mayRespond: boolean }) {
  return (
    <tr>
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
        <div className="code quiet">{alert.kind}</div>
      </td>
      <td>
        <Said alert={alert} />
        {mayRespond && alert.state !== "resolved" && <Answer alert={alert} />}
      </td>
    </tr>
  );
}

function Receivers({ receivers }: { readonly receivers: readonly AlertReceiver[] }) {
  const silent = receivers.filter(({ failing }) => failing !== null);
  if (silent.length === 0) return null;
  return (
    <section className="panel" aria-label="Receivers that take no alerts">
      <div className="panel-body">
        {silent.map(({ name, waiting, failing }) => (
          <p key={name}>
            <strong>{name}</strong> has taken no alert since {failing?.since}: {failing?.reason}. Waiting: {waiting}.
          </p>
        ))}
      </div>
    </section>
  );
}

function Said({ alert }: { readonly alert: AlertInfo }) {
  const said = alert.resolved ?? alert.acknowledged;
  if (said === null) return <span>open</span>;
  return (
    <div>
      {alert.state} by {said.by.name}, <Moment ms={said.atMs} show="day" />
      {said.reason !== "" && <div className="quiet">{said.reason}</div>}
    </div>
  );
}

function Answer({ alert }: { readonly alert: AlertInfo }) {
  const [reason, setReason] = useState<string | null>(null);
  const path = `/api/alerts/${encodeURIComponent(alert.alert)}`;
  const acknowledge = useSay<Record<string, never>>("POST", () => `${path}/acknowledgement`);
  const resolve = useSay<{ reason: string }>("POST", () => `${path}/resolution`);
  if (reason === null)
    return (
      <div className="actions">
        {alert.state === "open" && (
          <Button variant="default" size="xs" disabled={acknowledge.pending} onClick={() => acknowledge.say({})}>
            Acknowledge
          </Button>
        )}
        <Button variant="default" size="xs" onClick={() => setReason("")}>
          Resolve
        </Button>
        {acknowledge.problem && <Failed problem={acknowledge.problem} />}
      </div>
    );
  return (
    <form
      className="lift"
      onSubmit={(event) => {
        event.preventDefault();
        resolve.say({ reason: reason.trim() });
      }}
    >
      <TextInput
        size="xs"
        aria-label="What came of it"
        placeholder="What came of it"
        autoFocus
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <Button size="xs" type="submit" disabled={reason.trim() === "" || resolve.pending}>
        Resolve
      </Button>
      <Button size="xs" variant="subtle" onClick={() => setReason(null)}>
        Not yet
      </Button>
      {resolve.problem && <Failed problem={resolve.problem} />}
    </form>
  );
}

/** Pages that alerts lead to, by the first word of their kind. */
const nouns: Readonly<Record<string, string>> = { chain: "chains", approval: "approvals", pipeline: "pipelines" };

function About({ alert }: { readonly alert: AlertInfo }) {
  const noun = nouns[alert.kind.split(".")[0] ?? ""];
  if (noun === undefined || !alert.about) return <strong>{alert.title}</strong>;
  return (
    <Link className="title" to={address([noun, alert.about])}>
      {alert.title}
    </Link>
  );
}
