/**
 * Many machines on one: a real PostgreSQL, a real Kafka broker, a development identity provider, and five processes of
 * the product as an operator would start them: two gateways, two correlators, one projector with api. Each has its own
 * folder and keys and reaches the broker through a relay of its own, so that its wire alone can be cut.
 */
import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type Postgres, startPostgres } from "../../infra/deploy/postgres.ts";
import { type DevelopmentProvider, startDevelopmentProvider } from "../../infra/identity/development.ts";
import { makeDatabase } from "../demo/database.ts";
import { people, type Secrets, secretsOf, workloads } from "../demo/files.ts";
import { end, type LaunchOptions, launch } from "../demo/process.ts";
import type { Places } from "../demo/world.ts";
import { type Broker, startBroker } from "../kafka/broker.ts";
import { configOf, type GatewayName, type Hold, type Member, members, rolesOf, writeCluster } from "./files.ts";
import { openRelay, type Relay } from "./relay.ts";

export interface Cluster extends Places {
  readonly folder: string;
  readonly secrets: Secrets;
  readonly postgres: Postgres;
  readonly broker: Broker;
  readonly gateways: Record<GatewayName, number>;
  /** The wire between a process and the broker. */
  readonly wires: Record<Member, Relay>;
  /** Resolves when it is ready; rejects when it ended before. */
  start(name: Member, options?: LaunchOptions): Promise<void>;
  /** Sends the signal and waits until the process is gone. @returns its exit code; null after a signal */
  kill(name: Member, signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
  pause(name: Member): void;
  resume(name: Member): void;
  isRunning(name: Member): boolean;
  /** Ends the product's processes in the order of an operator; PostgreSQL stays. */
  stopMembers(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  readonly hold?: Hold;
  readonly say?: (line: string) => void;
  /** Processes that are not started. */
  readonly without?: readonly Member[];
  /** Called when the folders are there and nothing of the product runs yet. @returns what undoes it, after everything */
  readonly prepare?: (folder: string) => Promise<() => unknown>;
  /** Of one gateway, other than of all. */
  readonly holdAt?: Partial<Record<Member, Hold>>;
  /** Another copy of `services/main.ts`. */
  readonly main?: string;
  /** What PostgreSQL is started with besides. */
  readonly postgres?: Readonly<Record<string, string>>;
}

type Ending = () => unknown;

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const endings: Ending[] = [];
  const undo = async () => {
    for (const ending of endings.splice(0).reverse()) await ending();
  };
  try {
    return await build(options, endings, undo);
  } catch (error) {
    await undo();
    throw error;
  }
}

async function build(options: ClusterOptions, endings: Ending[], stop: () => Promise<void>): Promise<Cluster> {
  const { say = () => {} } = options;
  const folder = await mkdtemp(join(tmpdir(), "throughline-cluster-"));
  endings.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const secrets = await secretsOf(folder);
  say("starting PostgreSQL and Kafka …");
  const postgres = await startTarget(folder, options.postgres ?? {});
  endings.push(() => postgres.stop());
  await makeDatabase(postgres, secrets.accounts);
  const doors = [];
  for (const _ of members) doors.push({ port: await freePort(), advertised: await freePort() });
  const broker = await startBroker({ doors });
  endings.push(() => broker.end());
  const wires = {} as Record<Member, Relay>;
  for (const [index, name] of members.entries()) {
    const door = doors[index]!;
    wires[name] = await openRelay(door.advertised, door.port);
    endings.push(() => wires[name].close());
  }
  const apiPort = await freePort();
  const api = { port: apiPort, url: `http://127.0.0.1:${apiPort}` };
  const provider = await startProvider(folder, secrets, api.url);
  endings.push(() => provider.close());
  const gateways = { "gw-a": await freePort(), "gw-b": await freePort() };
  const brokers = Object.fromEntries(members.map((name) => [name, `127.0.0.1:${wires[name].port}`]));
  await writeCluster({
    folder,
    secrets,
    issuer: provider.issuer,
    api,
    postgres: postgres.port,
    gateways,
    brokers: brokers as Record<Member, string>,
    hold: options.hold ?? { mode: "wait", seconds: 600 },
    holdAt: options.holdAt ?? {},
  });
  if (options.prepare) endings.push(await options.prepare(folder));
  const processes = runMembers(folder, options.main ? { main: options.main } : {});
  endings.push(() => processes.stopMembers());
  const cluster: Cluster = {
    folder,
    secrets,
    postgres,
    broker,
    gateways,
    wires,
    issuer: provider.issuer,
    api: api.url,
    ...processes,
    stop,
  };
  say("starting two gateways, two correlators, projector and api …");
  const wanted = members.filter((name) => !options.without?.includes(name));
  await Promise.all(wanted.map((name) => cluster.start(name)));
  return cluster;
}

async function startTarget(folder: string, settings: Readonly<Record<string, string>>): Promise<Postgres> {
  const place = join(folder, "postgres");
  await mkdir(place, { recursive: true });
  return startPostgres({
    folder: place,
    port: await freePort(),
    settings: {
      log_statement: "all",
      log_line_prefix: "%n [%p] %u@%d ",
      max_connections: "300",
      fsync: "off",
      ...settings,
    },
  });
}

function runMembers(
  folder: string,
  all: LaunchOptions,
): Pick<Cluster, "start" | "kill" | "pause" | "resume" | "isRunning" | "stopMembers"> {
  const children = new Map<Member, ChildProcess>();
  const killAll = () => {
    for (const child of children.values()) child.kill("SIGKILL");
  };
  process.once("exit", killAll);
  const isRunning = (name: Member) => {
    const child = children.get(name);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  };
  const kill = async (name: Member, signal: "SIGKILL" | "SIGTERM") => {
    await end(children.get(name), signal);
    return children.get(name)?.exitCode ?? null;
  };
  return {
    async start(name, options = {}) {
      await launch(rolesOf[name], configOf(folder, name), join(folder, `${name}.log`), {
        ...all,
        ...options,
        spawned: (child) => void children.set(name, child),
      });
    },
    kill,
    pause: (name) => void children.get(name)?.kill("SIGSTOP"),
    resume: (name) => void children.get(name)?.kill("SIGCONT"),
    isRunning,
    async stopMembers() {
      for (const name of members) children.get(name)?.kill("SIGCONT");
      await Promise.all([kill("gw-a", "SIGTERM"), kill("gw-b", "SIGTERM")]);
      await Promise.all([kill("corr-a", "SIGTERM"), kill("corr-b", "SIGTERM")]);
      await kill("store", "SIGTERM");
      process.off("exit", killAll);
    },
  };
}

function startProvider(folder: string, secrets: Secrets, api: string): Promise<DevelopmentProvider> {
  return freePort().then((port) =>
    startDevelopmentProvider({
      folder: join(folder, "provider"),
      port,
      development: true,
      audience: "urn:throughline",
      users: people.map((person) => ({ ...person, password: secrets.people[person.login] ?? "" })),
      workloads: workloads.map((workload) => ({ ...workload, secret: secrets.workloads[workload.id] ?? "" })),
      clientId: "throughline",
      redirectUris: [`${api}/login/callback`],
    }),
  );
}
