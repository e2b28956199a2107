/** Pipelines as the log tells them: proposed and followed by a correlator, accepted, declined and withdrawn by people. */
import type { Entry } from "../../infra/log/entry.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { PipelineDetail, PipelineWindow } from "../../schemas/pipeline-info.ts";

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
  declined: Act | null;
  withdrawn: Act | null;
}

type Hold = PipelineDetail["holds"][number];

/** What became of one pipeline, newest first. */
interface Followed {
  readonly windows: PipelineWindow[];
  readonly holds: Hold[];
}

/** The oldest go first. */
const [proposalsKept, pipelinesKept, followedKept] = [5_000, 2_000, 100];

export class Proposals {
  readonly #byId = new Map<string, Proposed>();
  /** By name. */
  readonly #followed = new Map<string, Followed>();
  /** By approval that led to a proposal: its id. */
  readonly #ofApproval = new Map<string, string>();

  fold(entry: Entry): void {
    const { atMs } = entry;
    if (entry.type === "pipeline.proposed") this.#keep({ said: entry.data, atMs, ...untouched });
    else if (entry.type === "pipeline.accepted") {
      const { proposal, text, by, reason } = entry.data;
      const known = this.#byId.get(proposal);
      if (known) Object.assign(known, { text, accepted: { by, reason, atMs }, withdrawn: null });
    } else if (entry.type === "pipeline.declined") {
      const { proposal, by, reason } = entry.data;
      const known = this.#byId.get(proposal);
      if (known?.accepted === null) known.declined ??= { by, reason, atMs };
    } else if (entry.type === "pipeline.withdrawn") {
      const { pipeline, by, reason } = entry.data;
      for (const known of this.#byId.values())
        if (known.said.pipeline === pipeline && known.accepted !== null) known.withdrawn ??= { by, reason, atMs };
    } else if (entry.type === "pipeline.ran") {
      const { pipeline, ...window } = entry.data;
      first(this.#of(pipeline).windows, window);
    } else if (entry.type === "chain.completed") this.#deviated(entry);
  }

  #deviated({ atMs, data }: Extract<Entry, { type: "chain.completed" }>): void {
    const { id: chain, rule, title } = data.chain;
    for (const { pipeline, why } of data.chain.deviations ?? []) {
      const { holds } = this.#of(pipeline);
      // Found again when the approved command runs.
      if (!holds.some((hold) => hold.chain === chain))
        first(holds, { chain, rule, title, why, atMs, ruling: data.ruling });
    }
  }

  get(proposal: string): Proposed | null {
    return this.#byId.get(proposal) ?? null;
  }

  /** Newest first. */
  all(): readonly Proposed[] {
    return [...this.#byId.values()].reverse();
  }

  ofApproval(approval: string): Proposed | null {
    return this.get(this.#ofApproval.get(approval) ?? "");
  }

  /** @param name of a pipeline, declared or accepted */
  followed(name: string): Followed {
    return this.#followed.get(name) ?? nobody;
  }

  #of(name: string): Followed {
    const known = this.#followed.get(name) ?? { windows: [], holds: [] };
    this.#followed.delete(name);
    this.#followed.set(name, known);
    const [oldest] = this.#followed.keys();
    if (this.#followed.size > pipelinesKept && oldest !== undefined) this.#followed.delete(oldest);
    return known;
  }

  #keep(proposed: Proposed): void {
    const [oldest] = this.#byId.values();
    if (this.#byId.size >= proposalsKept && oldest !== undefined) {
      this.#byId.delete(oldest.said.proposal);
      for (const approval of oldest.said.approvals) this.#ofApproval.delete(approval);
    }
    this.#byId.set(proposed.said.proposal, proposed);
    for (const approval of proposed.said.approvals) this.#ofApproval.set(approval, proposed.said.proposal);
  }
}

const untouched = { text: null, accepted: null, declined: null, withdrawn: null };
const nobody: Followed = { windows: [], holds: [] };

function first<T>(list: T[], one: T): void {
  list.unshift(one);
  if (list.length > followedKept) list.pop();
}
