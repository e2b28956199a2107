import { ThroughlineError } from "../../schemas/errors.ts";

/**
 * Records what follows a command that already runs, or waits. Where even the log's reserve is used up it is missing, which the
 * record says (no finish: outcome unknown; `sink.recovered` counts what was refused), and everything else goes on.
 */
export function following(append: () => void): void {
  try {
    append();
  } catch (error) {
    if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
  }
}
