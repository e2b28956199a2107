/**
 * The command line: every command, its arguments and options, on one screen each. What they do stands in the file of
 * the command's name. The one file that knows commander.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 used wrongly. Data goes to standard output, everything else to the error
 * output, so that `--json | jq` never meets a sentence.
 */
import { Command, CommanderError } from "commander";
import { acknowledgeAlert, giveUpAlert, listAlerts, resolveAlert } from "./alerts.ts";
import { answerApproval, listApprovals, showApproval } from "./approvals.ts";
import { liftBlock, listBlocks, type PlaceOptions, placeBlock } from "./blocks.ts";
import { type FunctionsOptions, listFunctions } from "./catalog.ts";
import { listChains, showChain } from "./chains.ts";
import { type ConnectOptions, connect } from "./connect.ts";
import type { Context } from "./context.ts";
import { type DisconnectOptions, disconnect } from "./disconnect.ts";
import { explain } from "./explain.ts";
import { type ExportOptions, exportLog } from "./export.ts";
import { type ExitCode, printFailure } from "./failure.ts";
import { addLink, listLinks, rejectLink, showLink } from "./links.ts";
import { apiOf, type LoginOptions, login } from "./login.ts";
import { checkConfig, up } from "./machine.ts";
import type { CliParts } from "./parts.ts";
import { acceptPipeline, declinePipeline, listPipelines, showProposal, withdrawPipeline } from "./pipelines.ts";
import { replay } from "./replay.ts";
import {
  type ExplainOptions,
  explainRules,
  type ReplayRulesOptions,
  type RunOptions,
  replayRules,
  runRules,
  testRules,
  testsHelp,
} from "./rules.ts";
import { addSources, initSources, type MemberOptions, retireSources, rotateKeys, showStanding } from "./sources.ts";
import { rebuildStore } from "./store.ts";
import { filterNames, timeline } from "./timeline.ts";
import { type VerifyOptions, verify } from "./verify.ts";

type Start = () => Context;

/** @returns the program; parse with `runCli`, which turns failures into words and an exit code. */
export function createCli(parts: CliParts): Command {
  const program = new Command("throughline")
    .description("Events across accounts: what happened, what is held, and the proof.")
    .version(parts.version)
    .option("--json", "print JSON instead of lines for people")
    .option("--url <url>", "address of Throughline (default: where you are logged in, or $THROUGHLINE_URL)")
    .option("--profile <name>", "which login to use", "default")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => parts.terminal.out(text.trimEnd()),
      writeErr: (text) => parts.terminal.err(text.trimEnd()),
    })
    .showHelpAfterError("hint: throughline help");
  const start: Start = () => {
    const { json, url, profile } = program.opts<{ json?: boolean; url?: string; profile: string }>();
    const context = { parts, json: json === true, url: url ?? null, profile };
    return { ...context, api: () => apiOf(context) };
  };
  accessCommands(program, start);
  timelineCommand(program, start);
  readingCommands(program, start);
  explainCommand(program, start);
  approvalCommands(program, start);
  alertCommands(program, start);
  blockCommands(program, start);
  linkCommands(program, start);
  pipelineCommands(program, start);
  evidenceCommands(program, start);
  sourceCommands(program, start);
  offlineCommands(program, start);
  return program;
}

/** Runs one command line. @param argv without the program's own two @returns the exit code */
export async function runCli(parts: CliParts, argv: readonly string[]): Promise<ExitCode> {
  try {
    await createCli(parts).parseAsync(argv, { from: "user" });
    return 0;
  } catch (error) {
    // commander has printed what was wrong, or the help that was asked for
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return printFailure(parts.terminal, error);
  }
}

function accessCommands(program: Command, start: Start): void {
  program
    .command("login")
    .description("log in at the identity provider")
    .option("--device", "on another device: shows a code instead of opening a browser")
    .option("--client-id <id>", "a workload's own client (with --client-secret-file)")
    .option("--client-secret-file <file>", "the workload's secret")
    .action((options: LoginOptions) => login(start(), options));
  program
    .command("connect <target>")
    .description("get a short-lived Grant and write it where psql looks")
    .requiredOption("--as <account>", "account on the target")
    .requiredOption("--task <why>", "what for; recorded with every command")
    .option("--task-id <id>", "an id of your own, to tie several grants to one task")
    .option("--parent <task>", "the task this one belongs to")
    .option("--hours <n>", "how long, at most what is configured")
    .option("--service-file <file>", "pg_service.conf to write (default: the one psql reads)")
    .action((target: string, options: ConnectOptions) => connect(start(), target, options));
  program
    .command("disconnect <target>")
    .description("give a Grant back: its sessions end, and psql no longer knows it")
    .requiredOption("--as <account>", "account on the target")
    .option("--reason <why>", "recorded", "no longer needed")
    .option("--service-file <file>", "pg_service.conf that connect wrote (default: the one psql reads)")
    .action((target: string, options: DisconnectOptions) => disconnect(start(), target, options));
}

function timelineCommand(program: Command, start: Start): void {
  const command = program.command("timeline").description("what happened, across accounts, newest last");
  for (const [name, description] of filterNames) command.option(`--${name} <${name}>`, description);
  command
    .option("--since <moment>", "15m, 2h, 3d, or 2026-01-31T03:00:00Z")
    .option("--until <moment>", "the same")
    .option("--limit <n>", "how many events", "200")
    .option("--every", "every event on its own line, the machine's too")
    .option("--follow", "stay and print what comes")
    .action((options: Record<string, string | undefined> & { every?: boolean; follow?: boolean }) => {
      const filters = Object.fromEntries(filterNames.map(([name]) => [name, options[name]]));
      const { since, until, limit = "200", every, follow } = options;
      return timeline(start(), {
        filters,
        limit,
        ...(since ? { since } : {}),
        ...(until ? { until } : {}),
        every: Boolean(every),
        follow: Boolean(follow),
      });
    });
}

function readingCommands(program: Command, start: Start): void {
  program
    .command("replay <session>")
    .description("a session, statement by statement")
    .option("--speed <factor>", "wait as the client did: 1, 10, 0.5 (default: no waiting)")
    .action((session: string, options: { speed?: string }) => replay(start(), session, options.speed));
  program
    .command("chains [id]")
    .description("chains across accounts; with an id its steps, links and evidence")
    .option("--limit <n>", "how many", "50")
    .action((id: string | undefined, options: { limit: string }) =>
      id === undefined ? listChains(start(), options.limit) : showChain(start(), id),
    );
}

function explainCommand(program: Command, start: Start): void {
  program
    .command("explain <id>")
    .description("why a command was held, refused or let through; takes the id of an approval, a chain or a command")
    .action((id: string) => explain(start(), id));
}

function approvalCommands(program: Command, start: Start): void {
  const approvals = program.command("approvals").description("commands that wait for a human");
  approvals
    .command("list", { isDefault: true })
    .description("what waits")
    .option("--all", "answered and expired ones too")
    .action((options: { all?: boolean }) => listApprovals(start(), options.all === true));
  approvals
    .command("show <id>")
    .description("the exact command, its chain, and who may answer")
    .action((id: string) => showApproval(start(), id));
  for (const answer of ["approve", "refuse"] as const)
    approvals
      .command(`${answer} <id>`)
      .description(answer === "approve" ? "let exactly that command run, once" : "refuse it")
      .requiredOption("--reason <why>", "recorded, and read by the one who asked")
      .action((id: string, options: { reason: string }) => answerApproval(start(), id, answer, options.reason));
}

function alertCommands(program: Command, start: Start): void {
  const alerts = program.command("alerts").description("what the SOC is told, and what came of it");
  alerts
    .command("list", { isDefault: true })
    .description("alerts that nobody has resolved, and receivers that do not take them")
    .option("--all", "resolved ones too")
    .action((options: { all?: boolean }) => listAlerts(start(), options.all === true));
  alerts
    .command("acknowledge <id>")
    .description("say that you look at it")
    .action((id: string) => acknowledgeAlert(start(), id));
  alerts
    .command("resolve <id>")
    .description("say that it is dealt with")
    .requiredOption("--reason <why>", "recorded")
    .action((id: string, options: { reason: string }) => resolveAlert(start(), id, options.reason));
  alerts
    .command("give-up <id>")
    .description("send a message that fails to that receiver no more, so that those behind it go on")
    .requiredOption("--receiver <name>", "as the configuration calls it")
    .requiredOption("--reason <why>", "recorded")
    .action((id: string, options: { receiver: string; reason: string }) => giveUpAlert(start(), id, options));
}

function blockCommands(program: Command, start: Start): void {
  const blocks = program.command("blocks").description("standing orders that refuse commands");
  blocks
    .command("list", { isDefault: true })
    .description("what is in force")
    .option("--all", "lifted and expired ones too")
    .action((options: { all?: boolean }) => listBlocks(start(), options.all === true));
  blocks
    .command("place")
    .description("refuse what matches all that is named, at once and in open sessions too")
    .option("--identity <key>", "identity key, issuer|subject")
    .option("--account <account>", "account")
    .option("--session <id>", "session")
    .option("--task <id>", "task")
    .option("--grant <id>", "grant")
    .option("--resource <uri>", "resource, with all it contains")
    .option("--operation <name...>", "any of these operations")
    .option("--minutes <n>", "how long (default: until lifted)")
    .requiredOption("--reason <why>", "the one who is blocked reads it")
    .action((options: PlaceOptions) => placeBlock(start(), options));
  blocks
    .command("lift <id>")
    .description("end a block")
    .requiredOption("--reason <why>", "recorded")
    .action((id: string, options: { reason: string }) => liftBlock(start(), id, options.reason));
}

function pipelineCommands(program: Command, start: Start): void {
  const pipelines = program.command("pipelines").description("legitimate pipelines: proposed, and accepted by people");
  pipelines
    .command("list", { isDefault: true })
    .description("newest first")
    .action(() => listPipelines(start()));
  pipelines
    .command("propose [id]")
    .description("the text that the system proposes (default: the newest), to read, edit and accept")
    .action((id: string | undefined) => showProposal(start(), id ?? null));
  pipelines
    .command("accept <id>")
    .description("from its next window on, runs of it are not held; never by who runs it, nor by its only approver")
    .option("--file <file>", "the text as you changed it")
    .requiredOption("--reason <why>", "why it is legitimate; recorded")
    .action((id: string, options: { reason: string; file?: string }) => acceptPipeline(start(), id, options));
  for (const [word, description, act] of [
    ["decline <id>", "nobody shall accept this proposal", declinePipeline],
    ["withdraw <id>", "end what was accepted", withdrawPipeline],
  ] as const)
    pipelines
      .command(word)
      .description(description)
      .requiredOption("--reason <why>", "recorded")
      .action((id: string, options: { reason: string }) => act(start(), id, options.reason));
}

function linkCommands(program: Command, start: Start): void {
  const links = program.command("links").description("which identities belong together, and by whose word");
  links
    .command("list", { isDefault: true })
    .description("newest first")
    .option("--identity <key>", "only those about this identity")
    .action((options: { identity?: string }) => listLinks(start(), options.identity));
  links
    .command("show <id>")
    .description("a link, and the holds that rest on it")
    .action((id: string) => showLink(start(), id));
  links
    .command("add <identities...>")
    .description("say that identities belong together")
    .option("--weak", "tied, not one actor: may hold, never block")
    .requiredOption("--reason <why>", "recorded")
    .action((identities: string[], options: { weak?: boolean; reason: string }) =>
      addLink(start(), identities, options),
    );
  links
    .command("reject <id>")
    .description("from here on it holds nothing together")
    .requiredOption("--reason <why>", "recorded")
    .action((id: string, options: { reason: string }) => rejectLink(start(), id, options.reason));
}

function evidenceCommands(program: Command, start: Start): void {
  program
    .command("export")
    .description("the exact records, with what verify needs; or what commands moved, as OpenLineage")
    .requiredOption("--since <moment>", "15m, 2h, 3d, or 2026-01-31T03:00:00Z")
    .option("--until <moment>", "the same (default: now)")
    .requiredOption("--out <folder>", "gets records.ndjson or openlineage.ndjson, and manifest.json")
    .option("--with-text", "add the keys that open recorded text; recorded as such")
    .option("--format <format>", "records, or openlineage: run events with column lineage", "records")
    .option("--session <id>", "openlineage: only of this session")
    .option("--command <id>", "openlineage: only this command")
    .action((options: ExportOptions) => exportLog(start(), options));
  program
    .command("verify <folder>")
    .description("check an export, or a data folder: signatures, both hash chains, sequences")
    .requiredOption(
      "--key <file...>",
      "sources.json with the public keys you trust, had from elsewhere than the export",
    )
    .action((folder: string, options: VerifyOptions) => verify(start(), folder, options));
}

function sourceCommands(program: Command, start: Start): void {
  const sources = program.command("sources").description("the signing keys of many machines");
  const named = (command: Command) =>
    command
      .option("--gateway <names>", "processes, with commas between: gw1,gw2")
      .option("--correlator <names>", "the same")
      .option("--projector <names>", "the same; one name under two roles is one process")
      .option("--api <names>", "the same");
  named(sources.command("init <folder>"))
    .description("make sources.json, and a folder of private keys for each process")
    .option("--tenant <name>", "whose log it is", "default")
    .action((folder: string, options: MemberOptions & { tenant: string }) => initSources(start(), folder, options));
  named(sources.command("add <folder>"))
    .description("add processes to those of a folder that init made")
    .action((folder: string, options: MemberOptions) => addSources(start(), folder, options));
  sources
    .command("standing <data>")
    .description("how far the sources of a stopped process have got (with --json: for rotate and retire)")
    .action((data: string) => showStanding(start(), data));
  const ends = [
    ["rotate", "give a stopped process new keys; the old ones prove what came before", rotateKeys],
    ["retire", "end a stopped process: its keys prove what it said, and nothing new", retireSources],
  ] as const;
  for (const [word, description, act] of ends)
    sources
      .command(`${word} <folder> <process>`)
      .description(description)
      .requiredOption("--standing <file>", "what `throughline --json sources standing` printed")
      .action((folder: string, name: string, { standing }: { standing: string }) =>
        act(start(), folder, name, standing),
      );
}

function offlineCommands(program: Command, start: Start): void {
  program
    .command("catalog")
    .description("the catalog of tags and of functions that are described")
    .command("functions [part]")
    .description("functions of the targets with the digest that a summary of each is bound to")
    .option("--config <file>", "the configuration", "throughline.yaml")
    .option("--target <name>", "only this target")
    .action((part: string | undefined, options: FunctionsOptions) => listFunctions(start(), part ?? null, options));
  const rules = program.command("rules").description("chain rules, without a running Throughline");
  rules
    .command("test [files...]")
    .description(
      "run the tests that stand in rule files or folders (default: the shipped rules); rules that they name may stand in files beside them",
    )
    .addHelpText("after", testsHelp)
    .action((files: string[]) => testRules(start(), files));
  rules
    .command("run <rules...>")
    .usage("<rules...> --catalog <file> [--pipelines <file>] <events>")
    .description("evaluate rules over a file of plain events (.gz too, - is standard input); one JSON line per firing")
    .requiredOption("--catalog <file>", "catalog.yaml: tags on resources")
    .option("--pipelines <file>", "pipelines.yaml: runs of these are exempt, from the first line on")
    .action((files: string[], options: RunOptions) => runRules(start(), files, options));
  rules
    .command("explain [rules...]")
    .description(
      "rules in words (default: the shipped ones), or why they fire at an event of a file, or what they miss",
    )
    .option("--rule <name>", "only this one")
    .option("--events <file>", "plain events, as rules run reads them")
    .option("--event <id>", "the event asked about")
    .option("--catalog <file>", "catalog.yaml: tags on resources")
    .option("--pipelines <file>", "pipelines.yaml: runs of these are exempt")
    .action((files: string[], options: ExplainOptions) => explainRules(start(), files, options));
  rules
    .command("replay [rules...]")
    .description("what rules would have held in the recorded log (default: the rules of the configuration)")
    .requiredOption("--since <moment>", "15m, 2h, 30d, or 2026-01-31T03:00:00Z")
    .option("--sql", "ask the store by SQL instead of folding the log: by what lasted, for long times")
    .option("--config <file>", "the configuration", "throughline.yaml")
    .action((files: string[], options: ReplayRulesOptions) => replayRules(start(), files, options));
  program
    .command("config")
    .description("the configuration")
    .command("check [file]")
    .description("every finding with file and line")
    .action((file: string | undefined) => checkConfig(start(), file ?? "throughline.yaml"));
  program
    .command("store")
    .description("where timelines are kept")
    .command("rebuild")
    .description("make all timelines again from the log, while projector and api are stopped")
    .option("--config <file>", "the configuration", "throughline.yaml")
    .action((options: { config: string }) => rebuildStore(start(), options.config));
  program
    .command("up [file]")
    .description("start every role on this machine")
    .action((file: string | undefined) => up(start(), file ?? "throughline.yaml"));
}
