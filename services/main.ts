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
import { ThroughlineError } from "../schemas/errors.ts";
import type { Process, Surroundings } from "./main-surroundings.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Which roles run together in one process. */
const together: readonly (readonly string[])[] = [
  ["gateway", "correlator"],
  ["projector", "api"],
];

const words = process.argv.slice(2);
const roles = together.find((some) => some.includes(words[0] ?? ""));
if (roles) await runRoles(roles);
else {
  const { runCommandLine } = await import("./main-cli.ts");
  process.exitCode = await runCommandLine(words, version);
}

async function runRoles(roles: readonly string[]): Promise<void> {
  const at = words.indexOf("--config");
  const named = words.slice(0, at < 0 ? undefined : at);
  const file = at < 0 ? "throughline.yaml" : (words[at + 1] ?? "");
  try {
    const missing = roles.filter((role) => !named.includes(role));
    if (missing.length > 0 || named.length !== roles.length) {
      throw new ThroughlineError("config.invalid", `these roles run together on one machine: ${roles.join(" ")}`);
    }
    await serve(await start(roles, file));
  } catch (error) {
    complain(error);
    process.exit(1);
  }
}

async function start(roles: readonly string[], file: string): Promise<Process> {
  const config = await loadConfig(file);
  const around = surroundings();
  // Imported only where they run: the store's engine costs half a second and memory that the gateway has no use for.
  if (roles.includes("gateway")) return (await import("./main-gateway.ts")).runGateway(config, around);
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
