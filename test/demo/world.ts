/**
 * A whole Throughline on one machine, as `make run` and the end-to-end tests use it: a real PostgreSQL, a development
 * identity provider, and the product's two processes started exactly as an operator starts them. Everything that must
 * survive a restart is in one folder.
 */
import type { ChildProcess } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Postgres, startPostgres } from "../../infra/deploy/postgres.ts";
import { type DevelopmentProvider, startDevelopmentProvider } from "../../infra/identity/development.ts";
import { Agent } from "./agent.ts";
import { type Alerts, receiveAlerts } from "./alerts.ts";
import { makeDatabase } from "./database.ts";
import { people, type Secrets, secretsOf, workloads, writeFiles } from "./files.ts";
import { keptPorts, type Ports } from "./ports.ts";
import { end, launch } from "./process.ts";

export type ProcessName = "gateway" | "store";
const rolesOf: Record<ProcessName, string[]> = { gateway: ["gateway", "correlator"], store: ["projector", "api"] };

export interface World {
  readonly folder: string;
  readonly ports: Ports;
  readonly postgres: Postgres;
  readonly secrets: Secrets;
  readonly issuer: string;
  readonly api: string;
  /** What the SOC received. */
  readonly alerts: Alerts;
  readonly configFile: string;
  pid(name: ProcessName): number;
  start(name: ProcessName): Promise<void>;
  /** Sends the signal and waits until the process is gone. */
  kill(name: ProcessName, signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** Where people and jobs of a world log in. */
export type Places = Pick<World, "api" | "issuer" | "secrets">;

export interface WorldOptions {
  readonly folder: string;
  readonly say?: (line: string) => void;
  /** Lines added to throughline.yaml's defaults, by key. */
  readonly holdSeconds?: number;
  readonly drainSeconds?: number;
  /** A collector of traces. */
  readonly traces?: string;
  /** In place of the demo's policy. */
  readonly policy?: string;
  /** Of the shipped rule files; absent: all. */
  readonly rules?: readonly string[];
  /** PostgreSQL does not log statements: for benches. */
  readonly quietTarget?: boolean;
  /** Processes that a test does not need. */
  readonly without?: readonly ProcessName[];
}

export async function startWorld(options: WorldOptions): Promise<World> {
  const { folder } = options;
  const say = options.say ?? (() => {});
  await mkdir(folder, { recursive: true });
  const ports = await keptPorts(folder);
  const secrets = await secretsOf(folder);
  say("starting PostgreSQL 18 …");
  const settings = { log_statement: options.quietTarget ? "none" : "all", log_line_prefix: "%m [%p] %u@%d " };
  const postgres = await startPostgres({ folder: join(folder, "postgres"), port: ports.postgres, settings });
  await makeDatabase(postgres, secrets.accounts);
  say("starting the development identity provider …");
  const api = `http://127.0.0.1:${ports.api}`;
  const provider = await startProvider(folder, ports, secrets, api);
  const configFile = await writeFiles({
    folder,
    ports,
    secrets,
    issuer: provider.issuer,
    api,
    holdSeconds: options.holdSeconds ?? 60,
    ...(options.drainSeconds === undefined ? {} : { drainSeconds: options.drainSeconds }),
    ...(options.traces === undefined ? {} : { traces: options.traces }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.rules === undefined ? {} : { rules: options.rules }),
  });
  const alerts = await receiveAlerts(ports.alerts, secrets.webhook);
  const children = new Map<ProcessName, ChildProcess>();
  const start = async (name: ProcessName) => {
    children.set(name, await launch(rolesOf[name], configFile, join(folder, `${name}.log`)));
  };
  const kill = (name: ProcessName, signal: NodeJS.Signals) => end(children.get(name), signal);
  const world: World = {
    folder,
    ports,
    postgres,
    secrets,
    issuer: provider.issuer,
    api,
    alerts,
    configFile,
    start,
    kill,
    pid: (name) => children.get(name)?.pid ?? 0,
    async stop() {
      await kill("store", "SIGTERM");
      await kill("gateway", "SIGTERM");
      await alerts.close();
      await provider.close();
      await postgres.stop();
    },
  };
  await startAll(world, options.without ?? [], say);
  return world;
}

async function startAll(world: World, without: readonly ProcessName[], say: (line: string) => void): Promise<void> {
  const names = { gateway: "gateway and correlator", store: "projector, api and console" };
  try {
    for (const name of ["gateway", "store"] as const) {
      if (without.includes(name)) continue;
      say(`starting ${names[name]} …`);
      await world.start(name);
    }
  } catch (error) {
    await world.stop();
    throw error;
  }
}

function startProvider(folder: string, ports: Ports, secrets: Secrets, api: string): Promise<DevelopmentProvider> {
  return startDevelopmentProvider({
    folder: join(folder, "provider"),
    port: ports.provider,
    development: true,
    audience: "urn:throughline",
    users: people.map((person) => ({ ...person, password: secrets.people[person.login] ?? "" })),
    workloads: workloads.map((workload) => ({ ...workload, secret: secrets.workloads[workload.id] ?? "" })),
    clientId: "throughline",
    redirectUris: [`${api}/login/callback`],
  });
}

/** An access token for a workload, by client credentials. */
export async function workloadToken(world: Places, id: string): Promise<string> {
  const discovered = (await (await fetch(`${world.issuer}/.well-known/openid-configuration`)).json()) as {
    token_endpoint: string;
  };
  const credentials = Buffer.from(`${id}:${world.secrets.workloads[id] ?? ""}`).toString("base64");
  const answer = await fetch(discovered.token_endpoint, {
    method: "POST",
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ grant_type: "client_credentials", resource: "urn:throughline", scope: "" }),
  });
  const token = (await answer.json()) as { access_token?: string };
  if (!token.access_token) throw new Error(`no token for ${id}: ${JSON.stringify(token)}`);
  return token.access_token;
}

/** A person logged in to the console, through the login form. */
export async function loggedIn(world: Places, login: string): Promise<Agent> {
  const agent = new Agent({ login, password: world.secrets.people[login] ?? "" });
  const page = await agent.visit(`${world.api}/login`);
  if (page.status !== 200 || !page.url.startsWith(world.api))
    throw new Error(`${login} could not log in: ${page.url} ${page.status}`);
  return agent;
}
