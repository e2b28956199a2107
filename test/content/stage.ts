/** A running world in which jobs may see what they read, with the shipped rules: what is read can be carried away. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TimelinePage, TimelineRow } from "../../schemas/api.ts";
import { type Actor, eventually, type Grant, granted } from "../demo/cast.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { startWorld } from "../demo/world.ts";

const demoPolicy = new URL("../../infra/deploy/demo/policy.cedar", import.meta.url);
const returnedRule = new URL("../../schemas/rules/returned-content.yml", import.meta.url);
const reveal = `@id("jobs-see") permit (principal in Group::"pipelines",
  action in [Action::"reveal", Action::"transfer"], resource in Target::"orders");`;

/** The shipped rule, enforced; and one of our own, in which the command that brings much of it back is the last step. */
const bulkRule = `title: Much of what was shown to others comes in
name: bulk_return
logsource: { product: throughline, category: command }
detection:
  selection: { operation: [write, transform], content.tags: pii, "content.values|gte": 2000 }
  condition: selection
---
title: Shown to one account, brought back in bulk by another
name: bulk_content
level: high
correlation: { type: temporal_ordered, rules: [pii_read, bulk_return], timespan: 1d }
x-chain:
  mode: enforce
  links: [{ from: pii_read, to: bulk_return, by: [content] }]
  distinct: { field: account, min: 2 }
  gate: { action: hold, approvers: [data-owners], wait: 15m, unavailable: hold }
`;

export interface Carrying {
  readonly stage: Stage;
  readonly folder: string;
  /** The jobs' sessions in a schema of their own, with customers as the demo makes them. */
  fresh(name: string): Promise<Scene>;
  /** Does the work while the product's processes stand still: no file comes or goes under its hands. */
  standing<T>(work: () => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

type Job = "extract" | "transform" | "load";
/** Sends input piece by piece, and ends it when it resolves. */
type Feed = (send: (text: string) => void) => Promise<void>;

export interface Scene {
  readonly schema: string;
  readonly extract: Actor;
  readonly transform: Actor;
  readonly load: Actor;
  /** Debian's psql as this account. @returns what it printed */
  psql(account: Job, input: string | Feed, ...commands: string[]): Promise<string>;
}

export async function carrying(): Promise<Carrying> {
  const folder = await mkdtemp(join(tmpdir(), "content-"));
  const policy = join(folder, "seeing.cedar");
  await writeFile(policy, `${await readFile(demoPolicy, "utf8")}\n${reveal}\n`);
  await mkdir(join(folder, "rules"));
  await writeFile(join(folder, "rules", "bulk.yml"), bulkRule);
  const shipped = await readFile(returnedRule, "utf8");
  await writeFile(join(folder, "rules", "returned.yml"), shipped.replace("mode: observe", "mode: enforce"));
  const world = await startWorld({ folder, holdSeconds: 1, policy, rules: ["steps.yml"] });
  const stage = await setStage(world);
  return {
    stage,
    folder,
    async fresh(name) {
      const schema = await stage.freshSchema(name);
      const of = (account: Job) => stage.join(stage.players[account], account, schema);
      const [extract, transform, load] = [await of("extract"), await of("transform"), await of("load")];
      const grants = new Map<Job, Promise<Grant>>();
      return {
        ...{ schema, extract, transform, load },
        async psql(account, ...rest) {
          // One Grant: what is approved is approved for its task.
          const grant = grants.get(account) ?? granted(stage.players[account], account, "by hand");
          grants.set(account, grant);
          return psql(await grant, schema, ...rest);
        },
      };
    },
    async standing(work) {
      const pids = [world.pid("gateway"), world.pid("store")];
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      try {
        return await work();
      } finally {
        for (const pid of pids) process.kill(pid, "SIGCONT");
      }
    },
    async end() {
      try {
        await stage.leave();
      } finally {
        await world.stop();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function psql(grant: Grant, schema: string, input: string | Feed, ...commands: string[]): Promise<string> {
  const { host, port, database, user, secret } = grant;
  const connection = `host=${host} port=${port} dbname=${database} user=${user} options=-csearch_path=${schema}`;
  const env = { PATH: process.env.PATH ?? "", PGPASSWORD: secret, LANG: "C.UTF-8", PGCONNECT_TIMEOUT: "10" };
  const words = ["-X", "-q", "-v", "VERBOSITY=verbose", connection, ...commands.flatMap((command) => ["-c", command])];
  const child = spawn("psql", words, { env });
  const closed = new Promise((done) => child.once("close", done));
  const printed: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stdin.on("error", () => {}); // it may have ended before it read everything
  if (typeof input === "string") child.stdin.write(input);
  else await input((text) => child.stdin.write(text));
  child.stdin.end();
  await closed;
  return Buffer.concat(printed).toString();
}

/** Every event of a type that the store has, once there are at least so many. */
export async function eventsOf({ players }: Stage, type: string, min: number): Promise<readonly TimelineRow[]> {
  return eventually(`${min} events ${type}`, async () => {
    const { body } = await players.ivan.api("GET", `/api/timeline?type=${type}&limit=500`);
    const { rows } = body as unknown as TimelinePage;
    return rows.length >= min ? rows : null;
  });
}

/** Olga approves what psql was told of. @param printed by psql, with the address of the approval */
export async function approves({ players }: Stage, printed: string): Promise<void> {
  const approval = /approvals\/([\w-]+)\./.exec(printed)?.[1] ?? assert.fail(printed);
  await eventually("Olga's answer", async () => {
    const answer = { answer: "approve", reason: "known" };
    return (await players.olga.api("POST", `/api/approvals/${approval}/answer`, answer)).status === 200;
  });
}

/** It is held, by the shipped rule, because of values that came back. */
export async function isHeld(actor: Actor, text: string, rule = "content_returned_destroyed"): Promise<void> {
  const error = await actor.client.query(text).then(
    () => assert.fail(`not held: ${text}`),
    (found: { code?: string; detail?: string; message: string }) => found,
  );
  assert.equal(error.code, "42501", error.message);
  assert.ok(error.detail?.includes(rule), error.detail);
}
