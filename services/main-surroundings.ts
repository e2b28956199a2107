/** What main gives to every role: the clock, ids, and where faults go. */
import type { Config } from "../schemas/config.ts";

export interface Surroundings {
  readonly version: string;
  readonly now: () => number;
  /** Unique for ever, short, no secret. */
  readonly newId: () => string;
  /** Ends the process with this error. */
  readonly fatal: (error: Error) => void;
  /** For the operator: something went wrong here and is nobody's refusal. */
  readonly fault: (error: unknown) => void;
}

/** A role, or several, that run in this process. */
export interface Process {
  /** @param hurry what runs may finish for a while, until this says that there is no time */
  close(reason: string, hurry?: AbortSignal): Promise<void>;
  /** Reads policy, catalog and rules again. Settles everything itself, never rejects. */
  reload?(load: () => Promise<Config>): Promise<void>;
}
