/** A process that sends what the log of a folder has to a receiver, as the api does; killed by its test at the worst moment. */
import { setTimeout as sleep } from "node:timers/promises";
import { openCursor } from "../../infra/alerts/cursor.ts";
import { sendWebhook } from "../../infra/alerts/webhook.ts";
import { openJournal } from "../../infra/log/journal.ts";
import { Alarm, alertsAfter } from "../../services/api/alerts.ts";
import { Courier } from "../../services/api/courier.ts";
import { State } from "../../services/api/state.ts";
import { secret } from "./receiver.ts";

const [folder = "", url = "", raise = ""] = process.argv.slice(2);
const fatal = (error: unknown): never => {
  console.error(error);
  process.exit(1);
};
const log = await openJournal({ folder, tenant: "test", name: "one", now: Date.now, fatal });
const appender = await log.appender("api", "one");
const courier = new Courier({
  name: "soc",
  send: ({ alert, atMs }) =>
    sendWebhook({ name: "soc", url, secret }, { id: alert.alert, type: alert.kind, atMs, data: alert }, Date.now()),
  cursor: openCursor(folder, "soc"),
  readAfter: (position, max, signal) => alertsAfter(log, position, max, signal),
  appender,
  now: Date.now,
  wait: (ms, signal) => sleep(Math.min(ms, 20), undefined, { signal }).catch(() => undefined),
  fault: fatal,
});
const state: State = new State(log, appender, (entry, position) => alarm.hear(entry, position));
const encode = log.encodePosition.bind(log);
const alarm = new Alarm({ raised: state.raised, appender, couriers: [courier], encode });
state.onBatch(() => alarm.ring(state.position));
await state.caughtUp;
for (const alert of raise.split(",").filter((one) => one !== "")) {
  const data = { alert, kind: "log.gap", level: "high", title: "t", sentence: "s", about: "x" } as const;
  appender.append({ type: "alert.raised", subject: {}, data });
}
