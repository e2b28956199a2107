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
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
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

const words = process.argv.slice(2);
if (roleWords.includes(words[0] ?? "")) await runRoles();
else {
  const { runCommandLine } = await import("./main-cli.ts");
  process.exitCode = await runCommandLine(words, version);
}

async function runRoles(): Promise<void> {
  const named = words
    .slice(
      0,
      Math.max(
        words.findIndex((word) => word.startsWith("--")),
        0,
      ) || undefined,
    )
    .join(" ");
  try {
    const config = await loadConfig(option("--config") ?? "throughline.yaml");
    const name = option("--name");
    await serve(await start(named, name === null ? config : { ...config, name }));
  } catch (error) {
    complain(error);
    process.exit(1);
  }
}

function option(name: string): string | null {
  const at = words.indexOf(name);
  return at < 0 ? null : (words[at + 1] ?? "");
}

async function start(roles: string, config: Config): Promise<Process> {
  const possible: readonly string[] = config.log ? together.many : together.one;
  if (!possible.includes(roles)) {
    const kind = config.log ? "with a shared log (log.kafka)" : "on one machine (no log.kafka)";
    throw new ThroughlineError("config.invalid", `${kind} a process is one of: ${possible.join("; ")}`);
  }
  const around = surroundings();
  // Imported only where they run: the store's engine costs half a second and memory that the gateway has no use for.
  if (roles === "correlator") return (await import("./main-correlator.ts")).runCorrelator(config, around);
  if (roles.startsWith("gateway")) return (await import("./main-gateway.ts")).runGateway(config, around);
  return (await import("./main-store.ts")).runStore(config, around);
}

async function serve(running: Process): Promise<void> {
  const stop = (reason: string) => {
    running.close(reason).then(
      () => process.exit(0),
      (error: unknown) => {
        complain(error);
        process.exit(1);
      },
    );
  };
  process.once("SIGTERM", () => stop("asked to stop"));
  process.once("SIGINT", () => stop("asked to stop"));
  // A parent that waits for readiness hears it; one that dies takes nothing down with it but this channel.
  process.send?.("ready");
  console.log(`throughline ${version}: ready`);
}

function surroundings(): Surroundings {
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
      complain(error);
      process.exit(70);
    },
    fault: complain,
  };
}

/** Code, sentence, what to do, and the causes; for the operator. Where it is a bug, with the places in the code. */
function complain(error: unknown): void {
  const isBug = !(error instanceof ThroughlineError) || error.kind === "bug";
  if (error instanceof ThroughlineError) console.error(`${error.code}: ${error.message}\n  ${error.hint}`);
  else console.error(error);
  for (
    let cause = error instanceof Error ? error.cause : undefined;
    cause;
    cause = cause instanceof Error ? cause.cause : undefined
  ) {
    console.error(
      `  caused by: ${isBug && cause instanceof Error ? (cause.stack ?? cause.message) : causeWords(cause)}`,
    );
  }
}

/** A parser quotes what it could not read, and that may be a key file: of its words only the name leaves. */
function causeWords(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause instanceof SyntaxError ? cause.name : `${cause.name}: ${cause.message.split("\n")[0]}`;
}
