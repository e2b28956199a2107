/** A running world in which jobs may see what they read, with the shipped rules: what is read can be carried away. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TimelinePage, TimelineRow } from "../../schemas/api.ts";
import { type Actor, eventually, granted } from "../demo/cast.ts";
import type { DemoAccount } from "../demo/database.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { startWorld } from "../demo/world.ts";

const demoPolicy = new URL("../../infra/deploy/demo/policy.cedar", import.meta.url);
const reveal = `@id("jobs-see") permit (principal in Group::"pipelines",
  action in [Action::"reveal", Action::"transfer"], resource in Target::"orders");`;

export interface Carrying {
  readonly stage: Stage;
  readonly folder: string;
  /** The jobs' sessions in a schema of their own, with customers as the demo makes them. */
  fresh(name: string): Promise<Scene>;
  end(): Promise<void>;
}

export interface Scene {
  readonly schema: string;
  readonly extract: Actor;
  readonly transform: Actor;
  readonly load: Actor;
  /** Debian's psql as this account. @returns what it printed */
  psql(account: "extract" | "transform" | "load", input: string, ...commands: string[]): Promise<string>;
}

export async function carrying(): Promise<Carrying> {
  const folder = await mkdtemp(join(tmpdir(), "content-"));
  const policy = join(folder, "seeing.cedar");
  await writeFile(policy, `${await readFile(demoPolicy, "utf8")}\n${reveal}\n`);
  const world = await startWorld({ folder, holdSeconds: 1, policy, rules: ["steps.yml", "returned-content.yml"] });
  const stage = await setStage(world);
  return {
    stage,
    folder,
    async fresh(name) {
      const schema = await stage.freshSchema(name);
      const of = (account: "extract" | "transform" | "load") => stage.join(stage.players[account], account, schema);
      const [extract, transform, load] = [await of("extract"), await of("transform"), await of("load")];
      return { schema, extract, transform, load, psql: (account, ...rest) => psql(stage, schema, account, ...rest) };
    },
    async end() {
      await stage.leave();
      await world.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function psql(
  { players }: Stage,
  schema: string,
  account: "extract" | "transform" | ("load" & DemoAccount),
  input: string,
  ...commands: string[]
): Promise<string> {
  const { host, port, database, user, secret } = await granted(players[account], account, "by hand");
  const connection = `host=${host} port=${port} dbname=${database} user=${user} options=-csearch_path=${schema}`;
  const env = { PATH: process.env.PATH ?? "", PGPASSWORD: secret, LANG: "C.UTF-8", PGCONNECT_TIMEOUT: "10" };
  const words = ["-X", "-q", "-v", "VERBOSITY=verbose", connection, ...commands.flatMap((command) => ["-c", command])];
  const child = spawn("psql", words, { env });
  const printed: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stdin.on("error", () => {}); // it may have ended before it read everything
  child.stdin.end(input);
  await new Promise((done) => child.once("close", done));
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

/** It is held, by the shipped rule, because of values that came back. */
export async function isHeld(actor: Actor, text: string): Promise<void> {
  const error = await actor.client.query(text).then(
    () => assert.fail(`not held: ${text}`),
    (found: { code?: string; detail?: string; message: string }) => found,
  );
  assert.equal(error.code, "42501", error.message);
  assert.match(error.detail ?? "", /content_returned_destroyed/);
}
