/** What every command is given: the terminal, the clock, whether to speak JSON, and the API as the one who is logged in. */
import type { Api } from "./api.ts";
import { paint, shown } from "./paint.ts";
import type { CliParts } from "./parts.ts";

export interface Context {
  readonly parts: CliParts;
  readonly json: boolean;
  readonly profile: string;
  /** `--url`, or null for the address of the login. */
  readonly url: string | null;
  /** @throws CliFailure `login.failed`, `login.expired` */
  api(): Promise<Api>;
}

/** Machines get the whole answer as JSON, people the lines. */
export function tell(context: Context, value: unknown, lines: () => readonly string[]): void {
  if (context.json) context.parts.terminal.out(JSON.stringify(value));
  else for (const line of lines()) context.parts.terminal.out(line);
}

export function done(context: Context, value: unknown, sentence: string): void {
  tell(context, value, () => [`${paint(context.parts.terminal, "green", "done")}  ${shown(sentence)}`]);
}
