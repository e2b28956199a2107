import type { Breach } from "./truth.ts";

/** What came of a play. */
export interface Outcome {
  readonly breaches: readonly Breach[];
  readonly facts: number;
  readonly steps: number;
  readonly held: number;
  readonly used: number;
  /** Of everything that happened: two runs of one plan have the same. */
  readonly digest: string;
}
