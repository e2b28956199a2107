/**
 * Alerts: shown, answered by people, and sent to the SOC's receivers. An alert is an event first (`alert.raised`), a
 * message after; its id is a hash of what it is about, so that neither a restart nor a second api raises it twice.
 *
 * Who is in the chain that an alert tells of neither acknowledges nor resolves it, nor keeps its message from anybody.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { type Appender, type Log, type Position, takesNothingNow } from "../../infra/log/log.ts";
import {
  type AlertInfo,
  alertInfoSchema,
  alertReceiverSchema,
  alertsSchema,
  giveUpSchema,
  reasonSchema,
} from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { maySay } from "../../schemas/event.ts";
import { closed } from "../../schemas/shape.ts";
import type { Courier, Message } from "./courier.ts";
import { type Desk, subjectOfCaller } from "./desk.ts";
import type { Alert, Raised } from "./raised.ts";
import { type Caller, type Route, route } from "./route.ts";

const listedMax = 500;

export function alertRoutes(desk: Desk, couriers: readonly Courier[]): Route[] {
  return [
    route(
      "GET /api/alerts",
      "Alerts, newest first, and how their receivers fare",
      { query: closed({}), answer: alertsSchema },
      async ({ caller }) => {
        desk.permits.expect(caller, "investigate", "respond");
        const alerts = desk.state.raised.newest(listedMax, desk.state.people);
        const given = alerts.map((one) => `${one.alert} ${one.state}`);
        await desk.reads.record(caller, "alerts", {}, given);
        return { alerts, receivers: couriers.map(({ status }) => status) };
      },
    ),
    route(
      "POST /api/alerts/:id/acknowledgement",
      "Say that somebody looks at it",
      { body: closed({}), answer: alertInfoSchema },
      async ({ caller, id }) => {
        const info = answerable(desk, caller, id);
        if (info.state !== "open")
          throw new ThroughlineError("request.conflict", `This alert is ${info.state} already`);
        const data = { alert: id, by: caller.identity.key };
        await desk.state.said({ type: "alert.acknowledged", subject: subjectOfCaller(caller), data });
        return infoOf(desk, id);
      },
    ),
    route(
      "POST /api/alerts/:id/resolution",
      "Say that it is dealt with",
      { body: reasonSchema, answer: alertInfoSchema },
      async ({ caller, id, body }) => {
        const info = answerable(desk, caller, id);
        if (info.state === "resolved") throw new ThroughlineError("request.conflict", "This alert is resolved already");
        const data = { alert: id, by: caller.identity.key, reason: body.reason };
        await desk.state.said({ type: "alert.resolved", subject: subjectOfCaller(caller), data });
        return infoOf(desk, id);
      },
    ),
    givingUp(desk, couriers),
  ];
}

/** Only of a message that is being tried and fails: nobody silences an alert before it was sent. */
function givingUp(desk: Desk, couriers: readonly Courier[]): Route {
  return route(
    "POST /api/alerts/:id/given-up",
    "Send it to that receiver no more, so that what waits behind it goes on",
    { body: giveUpSchema, answer: alertReceiverSchema },
    async ({ caller, id, body }) => {
      desk.permits.expect(caller, "administer");
      expectNotConcerned(desk, caller, id);
      const courier = couriers.find(({ name }) => name === body.receiver);
      if (!courier) throw new ThroughlineError("not.found", `No receiver of alerts has the name ${body.receiver}`);
      const { next, failing } = courier.status;
      if (next !== id || failing === null)
        throw new ThroughlineError("request.conflict", "Only a message that is being tried and fails can be given up");
      const { receiver, reason } = body;
      const data = { alert: id, receiver, by: caller.identity.key, reason };
      await desk.state.said({ type: "alert.given_up", subject: subjectOfCaller(caller), data });
      return courier.status;
    },
  );
}

/** @throws ThroughlineError `access.denied`, `not.found` */
function answerable(desk: Desk, caller: Caller, id: string): AlertInfo {
  desk.permits.expect(caller, "respond");
  const info = infoOf(desk, id);
  expectNotConcerned(desk, caller, id);
  return info;
}

function expectNotConcerned({ state }: Desk, { identity }: Caller, id: string): void {
  const own = state.people.linkedTo([identity.key, ...identity.onBehalfOf]);
  const concerned = state.people.linkedTo([...state.raised.concerns(id)]);
  if (concerned.some((one) => own.includes(one)))
    throw new ThroughlineError("access.denied", "This alert is about what you did; somebody else must answer it");
}

function infoOf({ state }: Desk, id: string): AlertInfo {
  const info = state.raised.get(id, state.people);
  if (!info) throw new ThroughlineError("not.found", `No alert has the id ${id}`);
  return info;
}

export interface AlarmParts {
  readonly raised: Raised;
  readonly appender: Appender;
  readonly couriers: readonly Courier[];
  readonly encode: (position: Position) => string;
}

/** Raises what is due, and hands what stands in the log to the couriers. */
export class Alarm {
  readonly #parts: AlarmParts;
  /** Several apis may raise the same at once: the first in the log is the one that is sent. */
  readonly #heard = new Set<string>();
  #begun = false;

  constructor(parts: AlarmParts) {
    this.#parts = parts;
  }

  /** For every entry of the log, in order. */
  readonly hear = (entry: Entry, position: Position): void => {
    const { couriers, encode } = this.#parts;
    if (couriers.length === 0) return;
    if (entry.type === "alert.raised") {
      if (this.#heard.has(entry.data.alert)) return;
      this.#heard.add(entry.data.alert);
      const message: Message = { position: encode(position), atMs: entry.atMs, alert: entry.data };
      for (const courier of couriers) courier.take(message);
    } else if (entry.type === "alert.given_up") {
      const { receiver, alert } = entry.data;
      couriers.find(({ name }) => name === receiver)?.giveUp(alert);
    }
  };

  /** Raises what is due. @param position up to which the log was heard */
  ring(position: Position | null): void {
    const { raised, appender, couriers, encode } = this.#parts;
    if (!this.#begun) {
      this.#begun = true;
      for (const courier of couriers) courier.begin(position === null ? "0" : encode(position));
    }
    try {
      raised.raiseDue(({ alert, subject }) => void appender.append({ type: "alert.raised", subject, data: alert }));
    } catch (error) {
      // A log that takes nothing now, as after a full disk: what is due stays due, and the next batch rings again.
      if (!takesNothingNow(error)) throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.couriers.map((courier) => courier.close()));
  }
}

/** Alerts of the log behind a position (its text), in order, at most so many; when the signal says so, what is found by then. */
export async function alertsAfter(
  log: Log,
  position: string,
  max: number,
  signal: AbortSignal,
): Promise<readonly Message[]> {
  const found: Message[] = [];
  const full = Promise.withResolvers<void>();
  // While the log's owner is away nothing comes, and nothing ends.
  signal.addEventListener("abort", () => full.resolve(), { once: true });
  if (signal.aborted) full.resolve();
  const after = position === "" || position === "0" ? null : log.decodePosition(position);
  const following = log.follow({ after, streams: ["events"] }, (records) => {
    for (const record of records) {
      if (record.type !== "alert.raised" || !maySay(record.role, record.type) || found.length >= max) continue;
      const alert = record.envelope.data as Alert;
      found.push({ position: log.encodePosition(record.position), atMs: record.atMs, alert });
    }
    if (found.length >= max) full.resolve();
  });
  try {
    await Promise.race([following.caughtUp, full.promise]);
  } finally {
    await following.close();
  }
  return found;
}
