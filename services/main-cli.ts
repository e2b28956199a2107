/** The command line, given the outside world and the jobs that other rooms do offline. */
import { spawn } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { loadConfig } from "../infra/config.ts";
import { openFlows } from "../infra/identity/oidc.ts";
import { neededOf } from "../infra/rules/neighbours.ts";
import type { RuleFile } from "../infra/rules/source.ts";
import { readTextFile, unreadable } from "../infra/text-file.ts";
import { type ErrorCode, ThroughlineError } from "../schemas/errors.ts";
import { runCli } from "./cli/cli.ts";
import type { OfflineParts } from "./cli/parts.ts";
import { runRules } from "./correlator/offline.ts";
import { testRules } from "./correlator/rehearse.ts";
import { explainEvent, explainRules } from "./correlator/why.ts";
import { linesOf } from "./main-lines.ts";
import { readPolicyFiles } from "./main-policy.ts";

const shippedRules = new URL("../schemas/rules/", import.meta.url).pathname;

/** @returns the exit code */
export async function runCommandLine(words: readonly string[], version: string): Promise<number> {
  const { env } = process;
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  process.stdout.on("error", endOfReader);
  const home = env.HOME ?? homedir();
  return await runCli(
    {
      version,
      terminal: {
        out: (line) => void process.stdout.write(`${line}\n`),
        err: (line) => void process.stderr.write(`${line}\n`),
        tty: process.stdout.isTTY === true && env.NO_COLOR === undefined,
        columns: process.stdout.columns ?? 120,
      },
      now: Date.now,
      wait: (ms) => wait(ms),
      fetch,
      openBrowser: env.BROWSER === "none" || !env.DISPLAY ? () => {} : openBrowser,
      signal: interrupted.signal,
      configFolder: join(env.XDG_CONFIG_HOME ?? join(home, ".config"), "throughline"),
      serviceFile: env.PGSERVICEFILE ?? join(home, ".pg_service.conf"),
      url: env.THROUGHLINE_URL ?? null,
      flows: (client) => openFlows(client, Date.now),
      offline,
    },
    words,
  );
}

/** `| head` has read enough. */
function endOfReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}

function openBrowser(url: string): void {
  // Failing to open one is no error: the address is printed too.
  spawn("xdg-open", [url], { stdio: "ignore", detached: true })
    .on("error", () => {})
    .unref();
}

const offline: OfflineParts = {
  async testRules(files, warn) {
    const asked = await Promise.all((files.length > 0 ? files : [shippedRules]).map((file) => rulesAt(resolve(file))));
    const named = new Set(asked.flat());
    const loaded = await Promise.all([...named].map(ruleFile));
    // Only what was named is tried; what it names may stand beside it.
    const folders = [...new Set([...named].map((file) => dirname(file)))];
    const around = (await Promise.all(folders.map((folder) => namesIn(folder))))
      .flat()
      .filter((file) => !named.has(file));
    const { beside, broken } = await neighbours(around);
    const { files: needed, leftOut } = neededOf(loaded, beside);
    if (leftOut !== null) for (const why of [...leftOut, ...broken]) warn(`left out: ${why}`);
    return testRules([...needed, ...loaded])
      .filter(({ file }) => named.has(file))
      .map(({ rule, test, ok, expected, found, detail }) => ({
        name: `${rule}: ${test}`,
        ok,
        finding: found === null ? detail : `expected ${expected}, found ${found}${detail ? `: ${detail}` : ""}`,
      }));
  },
  async *runRules({ rules, catalog, pipelines, events, warn }) {
    yield* runRules({
      rules: await ruleFiles(rules),
      catalog: await fileAt(catalog, "catalog.invalid"),
      pipelines: pipelines === null ? null : await fileAt(pipelines, "pipeline.invalid"),
      events: linesOf(events),
      warn,
    });
  },
  async replayRules({ file, rules, sinceMs, sql, tell, complain }) {
    const { huntRules, replayRules } = await import("./main-replay.ts");
    const files = await ruleFiles(rules);
    const options = { file, rules: files, sinceMs, tell, now: Date.now, fatal: ending(complain) };
    return await (sql ? huntRules(options) : replayRules(options));
  },
  async explainRules({ rules, rule, at, warn }) {
    const files = await ruleFiles(rules.length === 0 ? [shippedRules] : rules);
    if (at === null) return explainRules(files, rule);
    const catalog = at.catalog === null ? null : await fileAt(at.catalog, "catalog.invalid");
    const pipelines = at.pipelines === null ? null : await fileAt(at.pipelines, "pipeline.invalid");
    return explainEvent({ rules: files, catalog, pipelines, events: linesOf(at.events), warn }, at.event, rule);
  },
  async functions(file, target) {
    const { functionsAt } = await import("./main-functions.ts");
    return await functionsAt(file, target);
  },
  async configCheck(file) {
    try {
      await readPolicyFiles(await loadConfig(file));
      return [];
    } catch (error) {
      if (error instanceof ThroughlineError) return error.message.split("\n");
      throw error;
    }
  },
  async rebuildStore({ file, progress, complain }) {
    const { rebuildStore } = await import("./main-rebuild.ts");
    return await rebuildStore({ file, progress, complain, fatal: ending(complain), now: Date.now });
  },
  up: startBoth,
};

/** What cannot be gone on from. */
function ending(complain: (what: string) => void): (error: Error) => void {
  return (error) => {
    complain(error.message);
    process.exit(70);
  };
}

async function ruleFiles(paths: readonly string[]): Promise<RuleFile[]> {
  return await Promise.all((await Promise.all(paths.map(rulesAt))).flat().map(ruleFile));
}

/** A folder stands for the rule files in it and below. @throws ThroughlineError `rule.invalid` when there is none */
async function rulesAt(path: string): Promise<string[]> {
  const found = await stat(path).catch(unreadable(path));
  if (!found.isDirectory()) return [path];
  const names = await namesIn(path, true);
  if (names.length === 0) throw new ThroughlineError("rule.invalid", `${path}: holds no rule file (*.yml, *.yaml)`);
  return names;
}

/** Folders such as .git are nobody's rules. */
async function namesIn(folder: string, below = false): Promise<string[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(unreadable(folder));
  const files = found
    .filter((one) => !one.isDirectory() && /\.ya?ml$/.test(one.name))
    .map(({ name }) => join(folder, name));
  const folders = found.filter((one) => below && one.isDirectory() && !one.name.startsWith("."));
  const inside = await Promise.all(folders.map(({ name }) => namesIn(join(folder, name), true)));
  return [...files, ...inside.flat()].sort();
}

/** What stands beside is nobody's fault: what cannot be read is told where it may matter. */
async function neighbours(paths: readonly string[]): Promise<{ beside: RuleFile[]; broken: string[] }> {
  const broken: string[] = [];
  const tell = (error: unknown) => {
    if (!(error instanceof ThroughlineError)) throw error;
    broken.push(error.message);
    return [];
  };
  const beside = await Promise.all(paths.map((path) => ruleFile(path).catch(tell)));
  return { beside: beside.flat(), broken };
}

/** @param wrong the code for what is no text */
async function fileAt(name: string, wrong: ErrorCode): Promise<RuleFile> {
  return { name, text: await readTextFile(name, wrong) };
}

function ruleFile(path: string): Promise<RuleFile> {
  return fileAt(path, "rule.invalid");
}

/** Both processes of one machine; when one ends, the other is asked to end too, and this rejects. */
async function startBoth(file: string): Promise<void> {
  await loadConfig(file);
  const main = new URL("main.ts", import.meta.url).pathname;
  // In groups of their own: a terminal's Ctrl-C would stop both at once.
  const start = (roles: string[]) =>
    spawn(process.execPath, [main, ...roles, "--config", file], { stdio: "inherit", detached: true });
  const owner = start(["gateway", "correlator"]);
  const second = start(["projector", "api"]);
  const ended = (child: typeof owner) => new Promise<number>((done) => child.once("exit", (code) => done(code ?? 1)));
  const [ownerEnd, secondEnd] = [ended(owner), ended(second)];
  let asked = false;
  /** The last words of the second process are for the log, so its owner goes last; asked twice, both hurry. */
  const stop = () => {
    second.kill("SIGTERM");
    if (asked) owner.kill("SIGTERM");
    else void secondEnd.then(() => owner.kill("SIGTERM"));
    asked = true;
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", () => {
    for (const child of [owner, second]) child.kill("SIGHUP");
  });
  const first = await Promise.race([ownerEnd, secondEnd]);
  if (!asked) stop();
  const code = [first, await ownerEnd, await secondEnd].find((one) => one !== 0);
  if (code !== undefined)
    throw new ThroughlineError("internal.bug", `a process of ${basename(file)} ended with ${code}; see above`);
}
