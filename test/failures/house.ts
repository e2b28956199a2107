/**
 * One machine with every part outside it in the test's hands: target, identity provider, ClickHouse, object storage,
 * receiver of alerts. Each can be taken away and given back; the product's two processes run as an operator starts them.
 */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Postgres, startPostgres } from "../../infra/deploy/postgres.ts";
import { type DevelopmentProvider, startDevelopmentProvider } from "../../infra/identity/development.ts";
import { type Front, openFront } from "../blobs/front.ts";
import { type Moto, startMoto } from "../blobs/moto.ts";
import { type Alerts, receiveAlerts } from "../demo/alerts.ts";
import { makeDatabase } from "../demo/database.ts";
import { people, type Secrets, secretsOf, workloads, writeFiles } from "../demo/files.ts";
import { keptPorts, type Ports } from "../demo/ports.ts";
import { end, launch } from "../demo/process.ts";
import type { Places } from "../demo/world.ts";
import { startServer, type TestServer } from "../store/server.ts";
import { makeSabotage, type Sabotage } from "./sabotage.ts";

export type ProcessName = "gateway" | "store";
const rolesOf = { gateway: ["gateway", "correlator"], store: ["projector", "api"] } as const;

/** Something outside, with the means to take it away and give it back. */
export interface Part<T> {
  readonly now: T;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface House extends Places {
  readonly folder: string;
  readonly ports: Ports;
  readonly configFile: string;
  readonly target: Part<Postgres>;
  readonly provider: Part<DevelopmentProvider>;
  readonly alerts: Part<Alerts>;
  readonly clickhouse: TestServer;
  /** Between the product and the object storage. */
  readonly storage: Front;
  /** Of the gateway's process. */
  readonly sabotage: Sabotage;
  start(name: ProcessName): Promise<void>;
  /** @returns its exit code, null after a signal */
  kill(name: ProcessName, signal: NodeJS.Signals): Promise<number | null>;
  isRunning(name: ProcessName): boolean;
  stop(): Promise<void>;
}

export async function buildHouse(): Promise<House> {
  // Stopped from outside, it leaves no process behind.
  process.once("SIGTERM", () => process.exit(1));
  const endings: (() => unknown)[] = [];
  const stop = async () => {
    for (const ending of endings.splice(0).reverse()) await ending();
  };
  try {
    return await build(endings, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(endings: (() => unknown)[], stop: () => Promise<void>): Promise<House> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-house-"));
  endings.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const [ports, secrets] = [await keptPorts(folder), await secretsOf(folder)];
  const [clickhouse, moto] = await Promise.all([startServer(), startMoto()]);
  endings.push(() => clickhouse.close(), moto.close);
  const storage = await openFront(moto.endpoint);
  endings.push(storage.close);
  const settings = { log_statement: "all", log_line_prefix: "%m [%p] %u@%d ", fsync: "off" };
  const target = await part(
    () => startPostgres({ folder: join(folder, "postgres"), port: ports.postgres, settings }),
    (postgres) => postgres.stop(),
  );
  endings.push(target.stop);
  await makeDatabase(target.now, secrets.accounts);
  const api = `http://127.0.0.1:${ports.api}`;
  const provider = await part(
    () => startProvider(folder, ports, secrets, api),
    (running) => running.close(),
  );
  const alerts = await part(
    () => receiveAlerts(ports.alerts, secrets.webhook),
    (receiver) => receiver.close(),
  );
  endings.push(provider.stop, alerts.stop);
  const { issuer } = provider.now;
  const configFile = await writeFiles({ folder, ports, secrets, issuer, api, holdSeconds: 600 });
  await appendFile(configFile, await outside(folder, clickhouse, moto, storage));
  await mkdir(join(folder, "throughline", "log"), { recursive: true, mode: 0o700 });
  const sabotage = makeSabotage(folder, join(folder, "throughline", "log"));
  const processes = run(folder, configFile, sabotage);
  endings.push(processes.end);
  for (const name of ["gateway", "store"] as const) await processes.start(name);
  const places = { folder, ports, secrets, configFile, issuer, api };
  return { ...places, target, provider, alerts, clickhouse, storage, sabotage, ...processes, stop };
}

async function part<T>(make: () => Promise<T>, unmake: (made: T) => Promise<void>): Promise<Part<T>> {
  let made: T | null = await make();
  return {
    get now() {
      if (made === null) throw new Error("it was taken away");
      return made;
    },
    async stop() {
      const was = made;
      made = null;
      if (was !== null) await unmake(was);
    },
    async start() {
      made ??= await make();
    },
  };
}

async function outside(folder: string, clickhouse: TestServer, moto: Moto, storage: Front): Promise<string> {
  const masterKeyFile = join(folder, "secrets", "master.key");
  await writeFile(masterKeyFile, randomBytes(32), { mode: 0o600 });
  const { store } = clickhouse.config("demo");
  const { bucket, credentials } = moto;
  const s3 = { endpoint: storage.endpoint, bucket, region: "us-east-1", ...credentials, pathStyle: true };
  // JSON is YAML.
  return `store: ${JSON.stringify(store)}\nblobs: ${JSON.stringify({ s3 })}\nkeys: ${JSON.stringify({ in: "blobs", masterKeyFile })}\n`;
}

/** The keys that sign tokens are kept in the folder; without it the provider comes back with new ones. */
export const providerKeys = (folder: string) => join(folder, "provider", "provider-keys.json");

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

function run(folder: string, configFile: string, sabotage: Sabotage) {
  const children = new Map<ProcessName, ChildProcess>();
  process.once("exit", () => {
    for (const child of children.values()) child.kill("SIGKILL");
  });
  const kill = async (name: ProcessName, signal: NodeJS.Signals) => {
    await end(children.get(name), signal);
    return children.get(name)?.exitCode ?? null;
  };
  return {
    kill,
    async start(name: ProcessName) {
      await launch(rolesOf[name], configFile, join(folder, `${name}.log`), {
        env: name === "gateway" ? sabotage.env : {},
        spawned: (child) => void children.set(name, child),
      });
    },
    isRunning(name: ProcessName) {
      const child = children.get(name);
      return child !== undefined && child.exitCode === null && child.signalCode === null;
    },
    async end() {
      await kill("store", "SIGTERM");
      await kill("gateway", "SIGTERM");
    },
  };
}

/** Changes the configuration; processes read it when they start. */
export async function changeConfig({ configFile }: House, from: RegExp, to: string): Promise<void> {
  await writeFile(configFile, (await readFile(configFile, "utf8")).replace(from, to));
}
