/** What main gives to every role: the clock, ids, and where faults go. */
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
  close(reason: string): Promise<void>;
}
