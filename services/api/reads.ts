/**
 * Every read of the audit is itself an event, durable before the answer leaves: who asked what, and how many rows came.
 *
 * A console that asks the same every two seconds and is given the very same again reads nothing new: that is recorded
 * once, and again when anything in it changed or some minutes have passed.
 */
import { createHash } from "node:crypto";
import type { Caller } from "./route.ts";
import type { State } from "./state.ts";

const sameForMsMax = 5 * 60_000;
const keptMax = 5_000;

export class Reads {
  readonly #state: State;
  readonly #now: () => number;
  readonly #last = new Map<string, { readonly given: string; readonly atMs: number }>();

  constructor(state: State, now: () => number) {
    this.#state = state;
    this.#now = now;
  }

  /**
   * @param what the noun: `timeline`, `chain`, `approval`…
   * @param given ids (with states) of what leaves, in order
   * @throws ThroughlineError `log.lost_connection`, `log.full`: then nothing is shown
   */
  async record(
    caller: Caller,
    what: string,
    filter: Readonly<Record<string, unknown>>,
    given: readonly string[],
  ): Promise<void> {
    const words = filterWords(filter);
    const question = JSON.stringify([caller.identity.key, what, words]);
    const answer = createHash("sha256").update(JSON.stringify(given)).digest("base64");
    const last = this.#last.get(question);
    if (last && last.given === answer && this.#now() - last.atMs < sameForMsMax) return;
    const subject = { identity: caller.identity.key, clientaddress: caller.address };
    await this.#state.said({ type: "audit.read", subject, data: { what, filter: words, rows: given.length } });
    const oldest = this.#last.keys().next().value;
    if (this.#last.size >= keptMax && oldest !== undefined) this.#last.delete(oldest);
    this.#last.set(question, { given: answer, atMs: this.#now() });
  }
}

export function filterWords(filter: Readonly<Record<string, unknown>>): Record<string, string> {
  const words = Object.entries(filter).filter(([, value]) => value !== undefined && value !== "");
  return Object.fromEntries(words.map(([key, value]) => [key, String(value).slice(0, 500)]));
}
