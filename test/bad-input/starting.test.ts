/** Signals that come while a process is still starting: it is neither ended by what should not end it, nor deaf. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openJournal } from "../../infra/log/journal.ts";
import { secretsOf, writeFiles } from "../demo/files.ts";
import { keptPorts, type Ports } from "../demo/ports.ts";
import { end } from "../demo/process.ts";

const main = join(import.meta.dirname, "..", "..", "services", "main.ts");
const demoPolicy = new URL("../../infra/deploy/demo/policy.cedar", import.meta.url);

let folder: string;
let ports: Ports;
let configFile: string;
let policy: string;
const children: ChildProcess[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-starting-"));
  policy = join(folder, "policy.cedar");
  await copyFile(demoPolicy, policy);
  ports = await keptPorts(folder);
  const secrets = await secretsOf(folder);
  const [issuer, api] = [`http://127.0.0.1:${ports.provider}`, `http://127.0.0.1:${ports.api}`];
  configFile = await writeFiles({ folder, ports, secrets, issuer, api, holdSeconds: 60, policy, rules: [] });
  // The keys are made by the log's owner, who then goes away.
  const data = join(folder, "throughline");
  await (await openJournal({ folder: data, tenant: "demo", name: "one", now: Date.now, fatal: () => {} })).close();
});
after(async () => {
  for (const child of children) await end(child, "SIGKILL");
  await rm(folder, { recursive: true });
});

function started(...roles: string[]): ChildProcess & { readonly printed: () => string } {
  const child = spawn(process.execPath, [main, ...roles, "--config", configFile], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  let text = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  children.push(child);
  return Object.assign(child, { printed: () => text });
}

async function lives(child: ChildProcess, port: number): Promise<void> {
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/livez`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await answers())) assert.equal(child.exitCode ?? child.signalCode, null, "it has ended");
}

test("while it waits for the log's owner: SIGHUP does not end it, SIGTERM does, as the first process of a container too", async () => {
  const child = started("projector", "api");
  const gone = once(child, "exit");
  await lives(child, ports.apiOperations);
  // Of the two the kernel delivers the first of these first.
  child.kill("SIGHUP");
  await lives(child, ports.apiOperations);
  child.kill("SIGTERM");
  // By itself, and not because nobody heard it: the kernel ends no first process that way.
  assert.deepEqual(await gone, [0, null]);
});

test("SIGHUP while it reads its files: they are read again when it has started", async () => {
  const text = await readFile(policy, "utf8");
  await rm(policy);
  // Whoever reads it waits for who writes it.
  execFileSync("mkfifo", ["-m", "600", policy]);
  const child = started("gateway", "correlator");
  const ready = Promise.race([once(child, "message"), once(child, "exit")]);
  await lives(child, ports.operations);
  child.kill("SIGHUP");
  await lives(child, ports.operations);
  const pipe = await open(policy, "w");
  await writeFile(`${policy}.new`, text);
  await rename(`${policy}.new`, policy);
  await pipe.writeFile(text);
  await pipe.close();
  assert.deepEqual(await ready, ["ready", undefined]);
  while (!child.printed().includes("read again: policy, catalog and rules are those in force"))
    await once(child.stdout ?? child, "data");
  await end(child, "SIGTERM");
  assert.equal(child.exitCode, 0);
});

test("a parent that is gone before it is ready takes nothing down with it", async () => {
  const child = started("gateway", "correlator");
  child.disconnect();
  const gone = once(child, "exit");
  while (!child.printed().includes(": ready")) await Promise.race([once(child.stdout ?? child, "data"), gone]);
  await lives(child, ports.operations);
  child.kill("SIGTERM");
  assert.deepEqual(await gone, [0, null]);
});

for (const [how, stop] of [
  ["asked to stop", (pid: number) => process.kill(pid, "SIGTERM")],
  ["stopped at its terminal, which tells everybody", (pid: number) => process.kill(-pid, "SIGINT")],
] as const)
  test(`both processes of one machine, ${how}: the log's owner goes last, so that nothing that was said is lost`, async () => {
    const child = spawn(process.execPath, [main, "up", configFile], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    children.push(child);
    let printed = "";
    const ready = Promise.withResolvers<void>();
    const take = (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.split(": ready").length > 2) ready.resolve();
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    const gone = once(child, "exit");
    await Promise.race([ready.promise, gone]);
    stop(child.pid ?? 0);
    assert.deepEqual(await gone, [0, null], printed);
    assert.doesNotMatch(printed, /"level":"(error|fatal)".*log\.lost_connection/);
  });
