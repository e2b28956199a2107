/**
 * How a command ends badly: always a code, a sentence and what to do, and an exit code that a script can use:
 * 0 done, 1 refused or failed, 2 used wrongly.
 */
import { type ErrorCode, errorCatalogue, ThroughlineError } from "../../schemas/errors.ts";
import { paint, shown } from "./paint.ts";
import type { Terminal } from "./parts.ts";

export type ExitCode = 0 | 1 | 2;

/** A refusal that the API explained (problem+json), or one of our own. `code` may be newer than this program. */
export class CliFailure extends Error {
  readonly code: string;
  readonly hint: string;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, hint: string, exitCode: ExitCode = 1) {
    super(message);
    this.name = "CliFailure";
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** A failure with a catalogued code and, where it helps more, another hint. */
export function failed(code: ErrorCode, message: string, hint: string = errorCatalogue[code].hint): CliFailure {
  return new CliFailure(code, message, hint);
}

export function misused(message: string, hint: string): CliFailure {
  return new CliFailure("request.invalid", message, hint, 2);
}

/** Prints what went wrong. @returns the exit code; rethrows nothing, so a bug is shown with its stack. */
export function printFailure(terminal: Terminal, error: unknown): ExitCode {
  if (error instanceof CliFailure || error instanceof ThroughlineError) {
    terminal.err(`${paint(terminal, "red", `error ${error.code}`)}: ${shown(error.message)}`);
    if (error.hint) terminal.err(`  ${paint(terminal, "dim", "hint")}  ${shown(error.hint)}`);
    return error instanceof CliFailure ? error.exitCode : 1;
  }
  terminal.err(
    `${paint(terminal, "red", "error internal.bug")}: ${error instanceof Error ? error.stack : String(error)}`,
  );
  terminal.err(`  ${paint(terminal, "dim", "hint")}  ${errorCatalogue["internal.bug"].hint}`);
  return 1;
}
