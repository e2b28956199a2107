/** `throughline alerts`: what the SOC is told; acknowledged, resolved, or no longer sent to a receiver that cannot take it. */
import { type AlertInfo, alertInfoSchema, alertReceiverSchema, alertsSchema } from "../../schemas/api.ts";
import { type Context, done, tell } from "./context.ts";
import { localTime, paint, table } from "./paint.ts";

export async function listAlerts(context: Context, all: boolean): Promise<void> {
  const api = await context.api();
  const found = await api.read(alertsSchema, "/api/alerts");
  const { terminal } = context.parts;
  const alerts = found.alerts.filter((alert) => all || alert.state !== "resolved");
  const { receivers } = found;
  tell(context, { alerts, receivers }, () => [
    ...receivers.flatMap(({ name, failing, waiting }) =>
      failing === null ? [] : [`${name} takes no alerts since ${failing.since} (${waiting} wait): ${failing.reason}`],
    ),
    ...(alerts.length === 0
      ? ["No alert is open."]
      : table<AlertInfo>(
          terminal,
          [
            { head: "RAISED", cell: (a) => localTime(a.atMs), paint: (cell) => paint(terminal, "dim", cell) },
            { head: "STATE", cell: stateWords },
            {
              head: "LEVEL",
              cell: (a) => a.level,
              paint: (cell, a) => (/^(high|critical)$/.test(a.level) ? paint(terminal, "red", cell) : cell),
            },
            { head: "ALERT", cell: (a) => a.alert },
            { head: "WHAT", cell: (a) => `${a.title}: ${a.sentence}` },
          ],
          alerts,
        )),
  ]);
}

function stateWords({ state, acknowledged, resolved }: AlertInfo): string {
  const by = (resolved ?? acknowledged)?.by.name;
  return by === undefined ? state : `${state} by ${by}`;
}

const pathOf = (id: string, act: string): string => `/api/alerts/${encodeURIComponent(id)}/${act}`;

export async function acknowledgeAlert(context: Context, id: string): Promise<void> {
  const api = await context.api();
  const alert = await api.send("POST", pathOf(id, "acknowledgement"), {}, alertInfoSchema);
  done(context, alert, `You look at: ${alert.title}`);
}

export async function resolveAlert(context: Context, id: string, reason: string): Promise<void> {
  const api = await context.api();
  const alert = await api.send("POST", pathOf(id, "resolution"), { reason }, alertInfoSchema);
  done(context, alert, `Resolved: ${alert.title}`);
}

export async function giveUpAlert(
  context: Context,
  id: string,
  body: { readonly receiver: string; readonly reason: string },
): Promise<void> {
  const api = await context.api();
  const receiver = await api.send("POST", pathOf(id, "given-up"), body, alertReceiverSchema);
  done(context, receiver, `${body.receiver} does not get alert ${id} any more.`);
}
