#!/usr/bin/env node
import { randomBytes } from "node:crypto";
/**
 * The one program. Words that are roles run them in this process (`main.ts gateway correlator --config FILE`);
 * anything else is the command line. Clock, environment and process belong here; everything below gets them passed in.
 *
 * On one machine two processes run: `gateway correlator` owns the log, `projector api` owns the store's engine.
 */
import { readFileSync } from "node:fs";
import { loadConfig } from "../infra/config.ts";
import { complaint, type Notes } from "../infra/observe/notes.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { type Operating, openOperating } from "./main-operations.ts";
import type { Process, Surroundings } from "./main-surroundings.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Which roles run together in one process: on one machine, and with a shared log. */
const together = {
  one: ["gateway correlator", "projector api"],
  many: ["gateway", "correlator", "projector api"],
} as const;
const roleWords = ["gateway", "correlator", "projector", "api"];
const stopSignals = ["SIGTERM", "SIGINT"] as const;

const words = process.argv.slice(2);
if (roleWords.includes(words[0] ?? "")) await runRoles();
else {
  const { runCommandLine } = await import("./main-cli.ts");
  process.exitCode = await runCommandLine(words, version);
}

async function runRoles(): Promise<void> {
  const early = whileStarting();
  const at = words.findIndex((word) => word.startsWith("--"));
  const roles = words.slice(0, at > 0 ? at : undefined).join(" ");
  try {
    const config = await load();
    const operating = await openOperating({
      config,
      roles,
      version,
      tty: process.stdout.isTTY === true,
      now: Date.now,
    });
    const running = await start(roles, config, operating);
    try {
      operating.started();
    } catch (error) {
      await running.close("it could not start");
      throw error;
    }
    serve(running, operating, early);
  } catch (error) {
    // Why it did not start is for the person who started it, whatever form its notes have.
    console.error(complaint(error));
    process.exit(1);
  }
}

async function load(): Promise<Config> {
  const config = await loadConfig(option("--config") ?? "throughline.yaml");
  const name = option("--name");
  return name === null ? config : { ...config, name };
}

function option(name: string): string | null {
  const at = words.indexOf(name);
  return at < 0 ? null : (words[at + 1] ?? "");
}

async function start(roles: string, config: Config, operating: Operating): Promise<Process> {
  const possible: readonly string[] = config.log ? together.many : together.one;
  if (!possible.includes(roles)) {
    const kind = config.log ? "with a shared log (log.kafka)" : "on one machine (no log.kafka)";
    throw new ThroughlineError("config.invalid", `${kind} a process is one of: ${possible.join("; ")}`);
  }
  const around = surroundings(operating.notes);
  // Imported only where they run: the store's engine costs half a second and memory that the gateway has no use for.
  if (roles === "correlator") return (await import("./main-correlator.ts")).runCorrelator(config, around, operating);
  if (roles.startsWith("gateway")) return (await import("./main-gateway.ts")).runGateway(config, around, operating);
  return (await import("./main-store.ts")).runStore(config, around, operating);
}

interface Early {
  /** The roles serve, and hear for themselves. @returns whether they were asked to read their files again meanwhile */
  over(): boolean;
}

/**
 * A start may take long: it waits for the log's owner, or folds years. Asked to stop, the process ends at once, also as
 * the first of a container, which ends by no signal that it does not hear; asked to read its files again, it does it then.
 */
function whileStarting(): Early {
  let isReloadAsked = false;
  const stop = () => process.exit(0);
  const reload = () => {
    isReloadAsked = true;
  };
  for (const signal of stopSignals) process.on(signal, stop);
  process.on("SIGHUP", reload);
  return {
    over() {
      for (const signal of stopSignals) process.off(signal, stop);
      process.off("SIGHUP", reload);
      return isReloadAsked;
    },
  };
}

function serve(running: Process, operating: Operating, early: Early): void {
  const { notes, health } = operating;
  const hurry = new AbortController();
  let stopping = false;
  const stop = (signal: string) => {
    // Asked twice: no more waiting for those who are connected, but what was recorded is still put away.
    if (stopping) return hurry.abort();
    stopping = true;
    health.leave("the process was asked to stop");
    notes.info("stopping", { signal });
    ended(running.close("the service is shutting down", hurry.signal), operating);
  };
  const reload = () => {
    if (running.reload) void running.reload(load);
    else notes.info("policy, catalog and rules are read again by gateways");
  };
  for (const signal of stopSignals) process.on(signal, stop);
  process.on("SIGHUP", reload);
  if (early.over()) reload();
  notes.info(`throughline ${version}: ready`);
  // A parent that waits for readiness hears it; one that dies takes nothing down with it but this channel.
  process.send?.("ready", undefined, undefined, () => undefined);
}

function ended(closing: Promise<void>, { notes, close }: Operating): void {
  closing.then(close).then(
    () => process.exit(0),
    (error: unknown) => {
      notes.fatal(error);
      process.exit(1);
    },
  );
}

function surroundings({ fatal, fault }: Notes): Surroundings {
  const start = `${Date.now().toString(36)}${randomBytes(5).toString("hex")}`;
  let count = 0;
  return {
    version,
    now: Date.now,
    newId: () => {
      count += 1;
      return `${start}-${count.toString(36)}`;
    },
    fatal(error) {
      fatal(error);
      process.exit(70);
    },
    fault,
  };
}
