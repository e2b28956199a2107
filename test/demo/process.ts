/** The product's processes, started and ended as an operator does it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";

const main = join(import.meta.dirname, "..", "..", "services", "main.ts");
const readyWaitMsMax = 240_000;

export interface LaunchOptions {
  /** Another copy of `services/main.ts`. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Gets the process before it is ready: it may have to be ended then. */
  readonly spawned?: (child: ChildProcess) => void;
}

/** Starts one process and waits until it says that it is ready. @param log what it prints is added to this file */
export async function launch(
  roles: readonly string[],
  configFile: string,
  log: string,
  options: LaunchOptions = {},
): Promise<ChildProcess> {
  const args = [options.main ?? main, ...roles, "--config", configFile];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...process.env, ...options.env },
  });
  options.spawned?.(child);
  const file = createWriteStream(log, { flags: "a" });
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      file.write(chunk);
      tail = (tail + chunk.toString()).slice(-2_000);
    });
  }
  const name = roles.join(" ");
  await new Promise<void>((ready, failed) => {
    const late = setTimeout(
      () => failed(new Error(`${name} is not ready after ${readyWaitMsMax / 1000} s:\n${tail}`)),
      readyWaitMsMax,
    );
    child.once("message", () => ready());
    child.once("exit", (code, signal) =>
      failed(new Error(`${name} ended (${code ?? signal}) before it was ready:\n${tail}`)),
    );
    child.once("message", () => clearTimeout(late));
    child.once("exit", () => clearTimeout(late));
  });
  return child;
}

/** Sends the signal and waits until the process is gone. */
export async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  child.kill(signal);
  await gone;
}
