/** Summaries of functions that do not hold: each is an alert when it is first seen so, and again when it comes back. */
import { createHash } from "node:crypto";
import type { Appender } from "../infra/log/log.ts";

/** A function whose summary does not hold, and why. */
export interface VoidSummary {
  readonly function: string;
  readonly why: string;
  /** Of the definition that the target has now. */
  readonly digest: string;
}

/** Several gateways of one target see the same: within an hour it is one alert. */
const alertHourMs = 3_600_000;
const alertsMax = 100;

export class VoidSummaries {
  readonly #now: () => number;
  readonly #found = new Map<string, readonly VoidSummary[]>();
  #said = new Set<string>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** What does not hold at this target any more; none = everything does. */
  take(target: string, found: readonly VoidSummary[]): void {
    this.#found.set(target, found);
  }

  /** Says what has not been said since it was last well. The rest of very many comes with the next call. */
  tell(appender: Pick<Appender, "append">): void {
    const keys = new Map([...this.#found.values()].flat().map((one) => [JSON.stringify(one), one]));
    this.#said = new Set([...this.#said].filter((key) => keys.has(key)));
    const fresh = [...keys].filter(([key]) => !this.#said.has(key)).slice(0, alertsMax);
    for (const [key, one] of fresh) {
      appender.append({ type: "alert.raised", subject: {}, data: this.#alertOf(key, one) });
      this.#said.add(key);
    }
  }

  #alertOf(key: string, { function: about, why, digest }: VoidSummary) {
    const hour = Math.floor(this.#now() / alertHourMs);
    const alert = createHash("sha256")
      .update(JSON.stringify(["function.undescribed", key, hour]))
      .digest("hex");
    const sentence = `${about} is opaque again: ${why}. The target has ${digest} now; describe that, or put back what was described.`;
    const title = "The summary of a function does not hold";
    return { alert: alert.slice(0, 32), kind: "function.undescribed" as const, level: "high", title, sentence, about };
  }
}
