/** The command line, given the outside world and the jobs that other rooms do offline. */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { loadConfig } from "../infra/config.ts";
import { openFlows } from "../infra/identity/oidc.ts";
import { manifestSchema } from "../infra/log/export.ts";
import { parseSources } from "../infra/log/sources.ts";
import { verifyExport } from "../infra/log/verify-export.ts";
import type { RuleFile } from "../infra/rules/source.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { findings } from "../schemas/shape.ts";
import { runCli } from "./cli/cli.ts";
import type { OfflineParts } from "./cli/parts.ts";
import { runRules } from "./correlator/offline.ts";
import { testRules } from "./correlator/rule-tests.ts";
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
  async verify({ lines, manifest, keys }) {
    const [wrong] = findings(manifestSchema, manifest);
    if (wrong) throw new ThroughlineError("export.damaged", `manifest.json: ${wrong.path.join(".")}: ${wrong.message}`);
    const trusted = new Map(keys.flatMap((text) => [...parseSources(text).known]));
    const report = await verifyExport({
      lines,
      manifest: manifest as Parameters<typeof verifyExport>[0]["manifest"],
      trusted,
    });
    const { problem } = report;
    return {
      ok: report.ok,
      records: report.records,
      trusted: report.trusted.map(
        ({ source, fingerprint, signatures }) => `${source} ${fingerprint} (${signatures} signatures)`,
      ),
      finding:
        problem &&
        `position ${problem.position}, ${problem.source} ${problem.stream} ${problem.sequence}: ${problem.what}`,
      unsigned: report.unsigned.map(({ source, stream, from, count }) => `${source} ${stream}: ${count} from ${from}`),
      cannotKnow: report.cannotKnow,
    };
  },
  async testRules(files) {
    const named = files.length > 0 ? files : await shipped();
    return testRules(await Promise.all(named.map(ruleFile)));
  },
  async *runRules({ rules, catalog, events, warn }) {
    const lines = createInterface({ input: createReadStream(events), crlfDelay: Number.POSITIVE_INFINITY });
    yield* runRules({
      rules: await Promise.all(rules.map(ruleFile)),
      catalog: { name: catalog, text: await text(catalog) },
      events: lines,
      warn,
    });
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
  up: startBoth,
};

async function shipped(): Promise<string[]> {
  return (await readdir(shippedRules))
    .filter((name) => name.endsWith(".yml"))
    .sort()
    .map((name) => join(shippedRules, name));
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
  process.once("SIGTERM", stop);
  process.on("SIGINT", () => {
    asked = true; // the terminal told the children too
  });
  const code = await Promise.race(ends);
  if (!asked) stop();
  await Promise.all(ends);
  if (code !== 0)
    throw new ThroughlineError("internal.bug", `a process of ${basename(file)} ended with ${code}; see above`);
}
