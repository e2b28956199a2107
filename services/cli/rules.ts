/** `throughline rules test`, `rules run` and `rules replay`: rules tried without a running Throughline. The engine is given by main. */
import { sceneKeys, sceneOperations } from "../../schemas/scene.ts";
import type { Context } from "./context.ts";
import { CliFailure, misused } from "./failure.ts";
import { momentOf } from "./moment.ts";
import { localTime, paint, shown } from "./paint.ts";
import type { RuleCompletion } from "./parts.ts";

/** Shown below --help. */
export const testsHelp = `
A test stands in the rule that is to fire:

  tests:
    - name: two accounts
      given: |
        0s   extract    read       orders/public.customers  rows=500
        60s  transform  transform  orders/public.customers -> orders/public.staging  task=t1
      when: 9m  load  delete  orders/public.staging
      expect: hold                  # or block, alert, allow

Each line is one command: time since the start, account, operation, resources, key=value.
Operations: ${Object.keys(sceneOperations).join(" ")}
Keys: ${Object.keys(sceneKeys).join(" ")}
Without \`catalog:\` in the test, */public.customers is tagged pii. schemas/RULES.md explains all of it.
`;

export async function testRules(context: Context, files: readonly string[]): Promise<void> {
  const { terminal, offline } = context.parts;
  const results = await offline.testRules(files, terminal.err);
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
      "Write `tests:` into the rule that is to fire; `throughline rules test --help` shows one.",
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
  readonly pipelines?: string;
}

/** One JSON line per firing, always: made for other programs. @param files rules, and the events' file as the last */
export async function runRules(context: Context, files: readonly string[], options: RunOptions): Promise<void> {
  const { terminal, offline } = context.parts;
  const rules = files.slice(0, -1);
  const events = files.at(-1);
  if (events === undefined || rules.length === 0)
    throw misused("rules run needs rules and a file of events.", "throughline rules run RULES… --catalog FILE EVENTS");
  const { catalog, pipelines = null } = options;
  const job = { rules, catalog, pipelines, events, warn: terminal.err };
  for await (const firing of offline.runRules(job)) terminal.out(JSON.stringify(firing));
}

export interface ExplainOptions {
  readonly rule?: string;
  readonly events?: string;
  readonly event?: string;
  readonly catalog?: string;
  readonly pipelines?: string;
}

/** What rules mean, and what they make of one event of a file. @param files rules or folders; none = the shipped ones */
export async function explainRules(
  context: Context,
  files: readonly string[],
  { rule, events, event, catalog, pipelines }: ExplainOptions,
): Promise<void> {
  const { terminal, offline } = context.parts;
  if ((events === undefined) !== (event === undefined))
    throw misused(
      "Which event of which file?",
      "throughline rules explain RULES… --events FILE --event ID --catalog FILE",
    );
  const at =
    events === undefined || event === undefined
      ? null
      : { events, event, catalog: catalog ?? null, pipelines: pipelines ?? null };
  const lines = await offline.explainRules({ rules: files, rule: rule ?? null, at, warn: terminal.err });
  if (context.json) terminal.out(JSON.stringify({ lines }));
  else for (const line of lines) terminal.out(shown(line));
}

export interface ReplayRulesOptions {
  readonly since: string;
  readonly config: string;
  readonly sql?: boolean;
}

/** What rules would have held in the log that there is. @param rules files or folders; none = those of the configuration */
export async function replayRules(
  context: Context,
  rules: readonly string[],
  options: ReplayRulesOptions,
): Promise<void> {
  const { terminal, offline, now } = context.parts;
  const sinceMs = momentOf(options.since, now());
  const counts = { hold: 0, block: 0, alert: 0 };
  const tell = (completed: RuleCompletion) => {
    counts[completed.chain.action] += 1;
    if (context.json) terminal.out(JSON.stringify(jsonOf(completed)));
    else for (const line of completionLines(completed)) terminal.out(line);
  };
  const sql = options.sql === true;
  const job = { file: options.config, rules, sinceMs, sql, tell, complain: terminal.err };
  const records = await offline.replayRules(job);
  const where = sql ? "by the store, where no run of a pipeline is exempt" : `in ${records} records of the log`;
  terminal.err(`${counts.hold} would have been held, ${counts.block} blocked, ${counts.alert} told, ${where}.`);
}

function jsonOf({ atMs, event, command, identity, account, chain }: RuleCompletion) {
  const { rule, action, strength, steps, sentence } = chain;
  const accounts = [...new Set(steps.map((step) => step.account))];
  const ids = steps.map((step) => step.event);
  const at = new Date(atMs).toISOString();
  return { rule, event, action, chain: ids, at, command, identity, account, accounts, strength, sentence };
}

function completionLines({ atMs, event, account, identity, chain }: RuleCompletion): string[] {
  const { rule, action, steps, sentence } = chain;
  const who = [...new Set(steps.map((step) => step.account))].map(shown).join(", ");
  return [
    `${localTime(atMs)}  ${action.padEnd(5)}  ${shown(rule)}  by ${shown(account)} (${shown(identity)})  ${shown(event)}`,
    `    ${shown(sentence)}`,
    `    accounts ${who}; chain ${steps.map((step) => step.event).join(" ")}`,
  ];
}
