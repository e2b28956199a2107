/** A correlator whose rules change, with the log read to new ones from its first step, as services/main-refold.ts does. */
import type { Entry } from "../../infra/log/entry.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { LastSwitch } from "../../services/correlator/regime.ts";
import { readScene } from "../../services/correlator/scene.ts";
import { Stage } from "../../services/correlator/stage.ts";

export type Files = Readonly<Record<string, string>>;
export type Said = Extract<Output, { type: "command.answered" }>["data"];

export class Changing {
  readonly entries: Entry[] = [];
  readonly outputs: Output[] = [];
  readonly correlator: Correlator;
  readonly #stage: Stage;
  #count = 0;

  constructor(files: Files, bounds: Partial<Limits> = {}) {
    this.correlator = createCorrelator({
      limits: { ...limits, ...bounds },
      emit: (output) => {
        this.outputs.push(output);
        this.#fold({ ...output, source: "correlator/c", role: "correlator" } as Entry);
      },
    });
    this.correlator.goLive();
    this.#stage = new Stage((entry) => this.#fold(entry));
    this.propose(files);
  }

  #fold(entry: Omit<Entry, "atMs"> & { atMs?: number }): void {
    const atMs = Math.max(this.entries.at(-1)?.atMs ?? 0, entry.atMs ?? 0);
    const whole = { ...entry, atMs } as Entry;
    this.entries.push(whole);
    this.correlator.fold(whole);
  }

  /** Somebody says it now. @returns its id */
  say(entry: Pick<Entry, "type" | "data"> & { role?: string; source?: string }): string {
    this.#count += 1;
    const { role = "gateway" } = entry;
    const id = `said ${this.#count}`;
    this.#fold({ id, subject: {}, role, source: `${role}/x`, ...entry } as Entry);
    return id;
  }

  /** @returns the id of the policy's record */
  propose(files: Files, digest = "d"): string {
    return this.say({ type: "policy.changed", data: { digest, engine: engineVersion, files: { ...files } } });
  }

  /** Reads the log to what waits, and says that it takes over. @returns whether anything did */
  takeOver(): boolean {
    this.read();
    const data = this.correlator.announcement;
    if (data === null) return false;
    this.say({ type: "rules.switched", role: "correlator", source: "correlator/c", data });
    return true;
  }

  /** @param piece how many records at once */
  read(piece = 100): void {
    for (let at = 0; at < this.entries.length; at += piece)
      this.correlator.refold?.take(this.entries.slice(at, at + piece));
  }

  run(scene: string): void {
    for (const line of readScene(scene)) this.#stage.run(line);
  }

  ask(line: string): Said {
    for (const one of readScene(line)) this.#stage.ask(one);
    const answer = this.outputs.findLast((output) => output.type === "command.answered");
    if (answer?.type !== "command.answered") throw new Error("no answer");
    return answer.data;
  }
}

/** Folds a log as a process that starts on it does. @returns it, live, with what it had to say then */
export function startOn(
  entries: readonly Entry[],
  bounds: Partial<Limits> = {},
  source?: string,
): { readonly correlator: Correlator; readonly said: Output[] } {
  const last = new LastSwitch();
  for (const entry of entries) last.take(entry);
  const said: Output[] = [];
  const about = source === undefined ? {} : { source };
  const correlator = createCorrelator(
    { limits: { ...limits, ...bounds }, emit: (output) => said.push(output), ...about },
    last.last,
  );
  for (const entry of entries) correlator.fold(entry);
  correlator.goLive();
  return { correlator, said };
}
