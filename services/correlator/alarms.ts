/** What a correlator notices about the log itself: a clock that jumps, a replica that says what the log does not give. */
import type { Entry } from "../../infra/log/entry.ts";
import { hash } from "./evidence.ts";
import type { Output } from "./outputs.ts";

export class Alarms {
  /** Of the latest tick in this run of the process. */
  #tickedMs: number | null = null;
  /** Source of another replica → hour in which an alert said that it differs. */
  readonly #contested = new Map<string, number>();

  restarted(): void {
    this.#tickedMs = null;
  }

  /** Between two ticks of one run the clock must not jump: windows, holds and blocks are measured by it. */
  tick({ id, atMs }: Pick<Entry, "id" | "atMs">, jumpMsMax: number): Output | null {
    const jumpMs = this.#tickedMs === null ? 0 : atMs - this.#tickedMs;
    this.#tickedMs = atMs;
    if (jumpMs <= jumpMsMax) return null;
    const alert = hash(["clock.jumped", id]);
    const sentence = `The log's time went forward by ${Math.round(jumpMs / 1000)} s at once; what had to happen in between is late.`;
    const data = { alert, kind: "clock.jumped" as const, level: "medium", title: "Clock jumped", sentence, about: id };
    return { type: "alert.raised", subject: {}, data, id: alert };
  }

  /** Another replica said what this fold does not make: one of the two is broken, or not ours. Said once an hour for each. */
  contest({ id, type, source, atMs }: Entry): Output | null {
    const hour = Math.floor(atMs / 3_600_000);
    if (this.#contested.get(source) === hour) return null;
    this.#contested.set(source, hour);
    const alert = hash(["correlator.differs", source, hour]);
    const sentence = `${source} said ${type} ${id}, which the log does not give: it is broken, or somebody else has its key.`;
    const about = { alert, kind: "correlator.differs" as const, level: "critical", about: id };
    const data = { ...about, title: "A correlator says what others do not", sentence };
    return { type: "alert.raised", subject: {}, data, id: alert };
  }

  kept(): KeptAlarms {
    return { tickedMs: this.#tickedMs, contested: [...this.#contested] };
  }

  restore({ tickedMs, contested }: KeptAlarms): void {
    this.#tickedMs = tickedMs;
    for (const [source, hour] of contested) this.#contested.set(source, hour);
  }
}

export interface KeptAlarms {
  readonly tickedMs: number | null;
  readonly contested: readonly (readonly [string, number])[];
}
