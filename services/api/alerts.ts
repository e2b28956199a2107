/**
 * Alerts: shown, and sent to the SOC's receiver. An alert is an event first (`alert.raised`), a message after; its id is a
 * hash of what it is about, so that neither a restart nor a second api raises it twice.
 *
 * A message that cannot be delivered after a few tries is given up and said so (`sink.failed`); the alert stays in the
 * log and in the list. It cannot see whether anybody read the message.
 */
import type { Appender } from "../../infra/log/log.ts";
import { alertsSchema } from "../../schemas/api.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { closed } from "../../schemas/shape.ts";
import type { Desk } from "./desk.ts";
import type { Alert, Raised } from "./raised.ts";
import { type Route, route } from "./route.ts";

const listedMax = 500;

export function alertRoutes(desk: Desk): Route[] {
  return [
    route(
      "GET /api/alerts",
      "Alerts, newest first",
      { query: closed({}), answer: alertsSchema },
      async ({ caller }) => {
        desk.permits.expect(caller, "investigate", "respond");
        const alerts = desk.state.raised.all().slice(0, listedMax);
        const given = alerts.map((one) => one.alert);
        await desk.reads.record(caller, "alerts", {}, given);
        return { alerts: [...alerts] };
      },
    ),
  ];
}

export interface AlarmParts {
  readonly raised: Raised;
  readonly appender: Appender;
  /** Sends one message; null when no receiver is configured. */
  readonly send: ((alert: Alert) => Promise<void>) | null;
  readonly now: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Waits between tries; after the last one the message is given up. */
const retryMs = [500, 2_000, 8_000];
const waitingMax = 1_000;
const sink = "alerts";

export class Alarm {
  readonly #parts: AlarmParts;
  readonly #stopping = new AbortController();
  readonly #waiting: Alert[] = [];
  #sending: Promise<void> | null = null;
  #failing: { readonly since: string; count: number } | null = null;

  constructor(parts: AlarmParts) {
    this.#parts = parts;
  }

  /** Raises what is due; returns at once, messages follow one after the other. */
  ring(): void {
    for (const { alert, subject } of this.#parts.raised.takeDue()) {
      this.#parts.appender.append({ type: "alert.raised", subject, data: alert });
      if (this.#parts.send === null) continue;
      if (this.#waiting.length >= waitingMax) this.#giveUp(`more than ${waitingMax} messages wait`);
      else this.#waiting.push(alert);
    }
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    for (let alert = this.#waiting.shift(); alert; alert = this.#waiting.shift()) {
      const reason = await this.#send(alert);
      if (this.#stopping.signal.aborted) return;
      if (reason === null) this.#worked();
      else this.#giveUp(reason);
    }
  }

  /** @returns null when it was delivered, else why not */
  async #send(alert: Alert): Promise<string | null> {
    let reason = "no receiver";
    for (const pause of [...retryMs, null]) {
      try {
        await this.#parts.send?.(alert);
        return null;
      } catch (error) {
        if (!(error instanceof ThroughlineError)) throw error;
        reason = error.message;
      }
      if (pause === null) break;
      await this.#parts.wait(pause, this.#stopping.signal);
      if (this.#stopping.signal.aborted) break;
    }
    return reason;
  }

  #giveUp(reason: string): void {
    this.#failing ??= { since: new Date(this.#parts.now()).toISOString(), count: 0 };
    this.#failing.count += 1;
    if (this.#failing.count === 1)
      this.#parts.appender.append({ type: "sink.failed", subject: {}, data: { sink, reason } });
  }

  #worked(): void {
    if (this.#failing === null) return;
    const { since: from, count } = this.#failing;
    const until = new Date(this.#parts.now()).toISOString();
    this.#failing = null;
    this.#parts.appender.append({ type: "sink.recovered", subject: {}, data: { sink, from, until, count } });
  }
}
