/** The command line, given the outside world and the jobs that other rooms do offline. */
import { spawn } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { loadConfig } from "../infra/config.ts";
import { openFlows } from "../infra/identity/oidc.ts";
import type { RuleFile } from "../infra/rules/source.ts";
import { ThroughlineError } from "../schemas/errors.ts";
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

function openBrowser(url: string): void {
  // Failing to open one is no error: the address is printed too.
  spawn("xdg-open", [url], { stdio: "ignore", detached: true })
    .on("error", () => {})
    .unref();
}

const offline: OfflineParts = {
  async testRules(files) {
    const asked = await Promise.all(files.map((file) => rulesAt(resolve(file))));
    const named = files.length > 0 ? asked.flat() : await rulesIn(shippedRules);
    // Rules name rules of other files: their neighbours are loaded too, but only what was named is tried.
    const folders = [...new Set(named.map((file) => dirname(file)))];
    const neighbours = (await Promise.all(folders.map(rulesIn))).flat();
    const loaded = await Promise.all([...new Set([...neighbours, ...named])].map(ruleFile));
    return testRules(loaded)
      .filter(({ file }) => named.includes(file))
      .map(({ rule, test, ok, expected, found, detail }) => ({
        name: `${rule}: ${test}`,
        ok,
        finding: `expected ${expected}, found ${found}${detail ? `: ${detail}` : ""}`,
      }));
  },
  async *runRules({ rules, catalog, pipelines, events, warn }) {
    yield* runRules({
      rules: await Promise.all((await Promise.all(rules.map(rulesAt))).flat().map(ruleFile)),
      catalog: { name: catalog, text: await text(catalog) },
      pipelines: pipelines === null ? null : { name: pipelines, text: await text(pipelines) },
      events: linesOf(events),
      warn,
    });
  },
  async replayRules({ file, rules, sinceMs, sql, tell, complain }) {
    const { huntRules, replayRules } = await import("./main-replay.ts");
    const files = await Promise.all((await Promise.all(rules.map(rulesAt))).flat().map(ruleFile));
    const options = { file, rules: files, sinceMs, tell, now: Date.now, fatal: ending(complain) };
    return await (sql ? huntRules(options) : replayRules(options));
  },
  async explainRules({ rules, rule, at, warn }) {
    const named = rules.length === 0 ? [shippedRules] : rules;
    const files = await Promise.all((await Promise.all(named.map(rulesAt))).flat().map(ruleFile));
    if (at === null) return explainRules(files, rule);
    const catalog = at.catalog === null ? null : { name: at.catalog, text: await text(at.catalog) };
    const pipelines = at.pipelines === null ? null : { name: at.pipelines, text: await text(at.pipelines) };
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

/** A folder stands for the rule files in it. */
async function rulesAt(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() ? rulesIn(path) : [path];
}

async function rulesIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
  return names.map((name) => join(folder, name));
}

async function ruleFile(path: string): Promise<RuleFile> {
  return { name: path, text: await text(path) };
}

function text(path: string): Promise<string> {
  return readFile(path, "utf8").catch((cause: unknown) => {
    throw new ThroughlineError("config.unreadable", `${path} cannot be read`, cause);
  });
}

/** Both processes of one machine; when one ends, the other is asked to end too, and this rejects. */
async function startBoth(file: string): Promise<void> {
  await loadConfig(file);
  const main = new URL("main.ts", import.meta.url).pathname;
  const start = (roles: string[]) => spawn(process.execPath, [main, ...roles, "--config", file], { stdio: "inherit" });
  const children = [start(["gateway", "correlator"]), start(["projector", "api"])];
  const ends = children.map((child) => new Promise<number>((done) => child.once("exit", (code) => done(code ?? 1))));
  let asked = false;
  const stop = () => {
    asked = true;
    for (const child of children) child.kill("SIGTERM");
  };
  // More than once: a second one asks the children to hurry.
  process.on("SIGTERM", stop);
  process.on("SIGHUP", () => {
    for (const child of children) child.kill("SIGHUP");
  });
  process.on("SIGINT", () => {
    asked = true; // the terminal told the children too
  });
  const code = await Promise.race(ends);
  if (!asked) stop();
  await Promise.all(ends);
  if (code !== 0)
    throw new ThroughlineError("internal.bug", `a process of ${basename(file)} ended with ${code}; see above`);
}
