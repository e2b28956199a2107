/** Pipelines as the log tells them: proposed by a correlator, accepted and withdrawn by people. */
import type { Entry } from "../../infra/log/entry.ts";
import type { EventData } from "../../schemas/event-data.ts";

interface Act {
  readonly by: string;
  readonly reason: string;
  readonly atMs: number;
}

export interface Proposed {
  readonly said: EventData["pipeline.proposed"];
  readonly atMs: number;
  /** As it was accepted; null before. */
  text: string | null;
  accepted: Act | null;
  withdrawn: Act | null;
}

/** The oldest go first. */
const proposalsKept = 5_000;

export class Proposals {
  readonly #byId = new Map<string, Proposed>();

  fold(entry: Entry): void {
    const { atMs } = entry;
    if (entry.type === "pipeline.proposed") this.#keep({ said: entry.data, atMs, ...untouched });
    else if (entry.type === "pipeline.accepted") {
      const { proposal, text, by, reason } = entry.data;
      const known = this.#byId.get(proposal);
      if (known) Object.assign(known, { text, accepted: { by, reason, atMs }, withdrawn: null });
    } else if (entry.type === "pipeline.withdrawn") {
      const { pipeline, by, reason } = entry.data;
      for (const known of this.#byId.values())
        if (known.said.pipeline === pipeline && known.accepted !== null) known.withdrawn ??= { by, reason, atMs };
    }
  }

  get(proposal: string): Proposed | null {
    return this.#byId.get(proposal) ?? null;
  }

  /** Newest first. */
  all(): readonly Proposed[] {
    return [...this.#byId.values()].reverse();
  }

  #keep(proposed: Proposed): void {
    const [oldest] = this.#byId.keys();
    if (this.#byId.size >= proposalsKept && oldest !== undefined) this.#byId.delete(oldest);
    this.#byId.set(proposed.said.proposal, proposed);
  }
}

const untouched = { text: null, accepted: null, withdrawn: null };
