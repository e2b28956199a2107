import type { Breach } from "./truth.ts";

/** What came of a play. */
export interface Outcome {
  readonly breaches: readonly Breach[];
  readonly facts: number;
  readonly steps: number;
  readonly held: number;
  readonly used: number;
  /** Times that data moved in another order than the log's, past every tag (DETECTION §6 goes by the log's order). */
  readonly overtaken: number;
  /** Of everything that happened: two runs of one plan have the same. */
  readonly digest: string;
}
