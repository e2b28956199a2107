/** `throughline rules test` and `rules run`: rules tried without a running Throughline. The engine is given by main. */
import type { Context } from "./context.ts";
import { CliFailure, misused } from "./failure.ts";
import { paint, shown } from "./paint.ts";

export async function testRules(context: Context, files: readonly string[]): Promise<void> {
  const { terminal, offline } = context.parts;
  const results = await offline.testRules(files);
  const broken = results.filter((result) => !result.ok);
  if (context.json) terminal.out(JSON.stringify({ results }));
  else
    for (const result of results) {
      terminal.out(
        `${result.ok ? paint(terminal, "green", "ok    ") : paint(terminal, "red", "failed")}  ${shown(result.name)}`,
      );
      if (!result.ok) terminal.out(`        ${shown(result.finding)}`);
    }
  if (results.length === 0)
    throw new CliFailure(
      "rule.invalid",
      "These files hold no test.",
      "Write `tests:` into the rule (DETECTION: inline tests).",
    );
  if (broken.length > 0)
    throw new CliFailure(
      "rule.invalid",
      `${broken.length} of ${results.length} tests failed.`,
      "A rule or its expectation is wrong; both stand in the file named.",
    );
}

export interface RunOptions {
  readonly catalog: string;
}

/** One JSON line per firing, always: made for other programs. @param files rules, and the events' file as the last */
export async function runRules(context: Context, files: readonly string[], options: RunOptions): Promise<void> {
  const { terminal, offline } = context.parts;
  const rules = files.slice(0, -1);
  const events = files.at(-1);
  if (events === undefined || rules.length === 0)
    throw misused("rules run needs rules and a file of events.", "throughline rules run RULES… --catalog FILE EVENTS");
  const job = { rules, catalog: options.catalog, events, warn: terminal.err };
  for await (const firing of offline.runRules(job)) terminal.out(JSON.stringify(firing));
}
