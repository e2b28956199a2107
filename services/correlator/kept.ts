/** The whole state of a correlator, for a snapshot: plain data, shared objects stay shared. */
import type { KeptAlarms } from "./alarms.ts";
import type { KeptClusters } from "./cluster.ts";
import type { KeptTimeline } from "./commands.ts";
import type { KeptContentEvidence } from "./content.ts";
import type { KeptTrace } from "./digest.ts";
import type { KeptLineage } from "./edges.ts";
import type { Horizon } from "./horizon.ts";
import type { LateFirings } from "./late-firings.ts";
import type { Output } from "./outputs.ts";
import type { KeptPipelines } from "./pipelines.ts";
import type { KeptRegime } from "./regime.ts";
import type { Repeats } from "./repeats.ts";
import type { Step } from "./step.ts";
import type { KeptSteps } from "./steps.ts";

export interface Kept {
  readonly engine: string;
  readonly at: number;
  readonly folded: number;
  /** Log time at which new rules took over last. */
  readonly switchedMs: number;
  readonly told: ReadonlyMap<string, Set<string>>;
  readonly asked: ReadonlyMap<string, Step>;
  readonly untold: ReadonlySet<string>;
  readonly repeats: ReturnType<Repeats["kept"]>;
  readonly regime: KeptRegime;
  readonly steps: KeptSteps;
  readonly lineage: KeptLineage;
  readonly timeline: KeptTimeline;
  readonly content: KeptContentEvidence;
  readonly pipelines: KeptPipelines;
  readonly clusters: KeptClusters;
  readonly tasks: readonly (readonly [string, string])[];
  readonly late: ReturnType<LateFirings["kept"]>;
  readonly horizon: ReturnType<Horizon["kept"]>;
  readonly alarms: KeptAlarms;
  readonly trace: KeptTrace;
  readonly outputs: readonly Output[];
}

/** Members of a step that its lists give it again. */
export const workedOutAgain: ReadonlySet<string> = new Set(["alike"]);
