/**
 * Two companies on the same servers: one Kafka with one prefix, one ClickHouse, one folder of blobs, one PostgreSQL that
 * both protect. Each has its own keys, its own identity provider and its own processes: gateway, correlator, projector
 * with api. The names of the processes, people and accounts are the same in both, so that nothing is apart by chance.
 */
import type { ChildProcess } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type Postgres, startPostgres } from "../../infra/deploy/postgres.ts";
import { startDevelopmentProvider } from "../../infra/identity/development.ts";
import { makeMembers } from "../../infra/keys/members.ts";
import { accounts, makeDatabase } from "../demo/database.ts";
import { people, type Secrets, secretsOf, workloads } from "../demo/files.ts";
import { end, launch } from "../demo/process.ts";
import type { Places } from "../demo/world.ts";
import { type Broker, startBroker } from "../kafka/broker.ts";
import { startServer, type TestServer } from "../store/server.ts";

export const tenants = ["acme", "bolt"] as const;
export type Tenant = (typeof tenants)[number];

const root = join(import.meta.dirname, "..", "..");
const members = [
  { name: "gate", roles: ["gateway"] },
  { name: "corr", roles: ["correlator"] },
  { name: "store", roles: ["projector", "api"] },
  /** Has keys and a configuration, and is started by no test but one. */
  { name: "spare", roles: ["projector", "api"] },
] as const;
const running = ["gate", "corr", "store"] as const;
export type Member = (typeof members)[number]["name"];

export interface Company extends Places {
  readonly tenant: Tenant;
  readonly folder: string;
  readonly keys: string;
  readonly gateway: number;
  readonly configOf: (member: Member) => string;
  readonly dataOf: (member: Member) => string;
}

export interface Street {
  readonly folder: string;
  readonly postgres: Postgres;
  readonly broker: Broker;
  readonly clickhouse: TestServer;
  readonly companies: Record<Tenant, Company>;
  /** Starts a process of the product on this configuration. @returns its words when it ends before it is ready */
  attempt(member: Member, configFile: string): Promise<string>;
  stop(): Promise<void>;
}

type Ending = () => unknown;

export async function openStreet(): Promise<Street> {
  // Stopped from outside, it leaves no process behind.
  process.once("SIGTERM", () => process.exit(1));
  const endings: Ending[] = [];
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

async function build(endings: Ending[], stop: () => Promise<void>): Promise<Street> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-tenants-"));
  endings.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const secrets = await secretsOf(folder);
  const place = join(folder, "postgres");
  await mkdir(place, { recursive: true });
  const settings = { log_statement: "all", log_line_prefix: "%m [%p] %u@%d ", max_connections: "200", fsync: "off" };
  const [postgres, broker, clickhouse] = await Promise.all([
    startPostgres({ folder: place, port: await freePort(), settings }),
    startBroker(),
    startServer(),
  ]);
  endings.push(() => postgres.stop(), broker.end, clickhouse.close);
  await makeDatabase(postgres, secrets.accounts);
  await mkdir(join(folder, "secrets"), { mode: 0o700 });
  for (const account of accounts)
    await writeFile(join(folder, "secrets", account), secrets.accounts[account], { mode: 0o600 });
  const around = { folder, secrets, postgres, broker, clickhouse };
  const companies = {} as Record<Tenant, Company>;
  for (const tenant of tenants) companies[tenant] = await found(tenant, around, endings);
  const children: ChildProcess[] = [];
  process.once("exit", () => {
    for (const child of children) child.kill("SIGKILL");
  });
  endings.push(() => Promise.all(children.map((child) => end(child, "SIGTERM"))));
  const start = (member: Member, configFile: string) => {
    const { roles } = members.find(({ name }) => name === member)!;
    const spawned = (child: ChildProcess) => void children.push(child);
    return launch(roles, configFile, `${configFile}.log`, { spawned });
  };
  await Promise.all(
    Object.values(companies).flatMap(({ configOf }) => running.map((name) => start(name, configOf(name)))),
  );
  const attempt = (member: Member, configFile: string) =>
    start(member, configFile).then(
      () => "ready",
      (error: Error) => error.message,
    );
  return { folder, postgres, broker, clickhouse, companies, attempt, stop };
}

interface Around {
  readonly folder: string;
  readonly secrets: Secrets;
  readonly postgres: Postgres;
  readonly broker: Broker;
  readonly clickhouse: TestServer;
}

async function found(tenant: Tenant, around: Around, endings: Ending[]): Promise<Company> {
  const folder = join(around.folder, tenant);
  const keys = join(folder, "keys");
  await makeMembers(keys, tenant, members);
  const [apiPort, gateway] = [await freePort(), await freePort()];
  const api = `http://127.0.0.1:${apiPort}`;
  const { secrets } = around;
  const provider = await startDevelopmentProvider({
    folder: join(folder, "provider"),
    port: await freePort(),
    development: true,
    audience: "urn:throughline",
    users: people.map((person) => ({ ...person, password: secrets.people[person.login] ?? "" })),
    workloads: workloads.map((workload) => ({ ...workload, secret: secrets.workloads[workload.id] ?? "" })),
    clientId: "throughline",
    redirectUris: [`${api}/login/callback`],
  });
  endings.push(() => provider.close());
  const company: Company = {
    ...{ tenant, folder, keys, gateway, secrets, api, issuer: provider.issuer },
    configOf: (member) => join(folder, `${member}.yaml`),
    dataOf: (member) => join(folder, member),
  };
  await cp(join(root, "infra/deploy/demo/catalog.yaml"), join(folder, "catalog.yaml"));
  await cp(join(root, "schemas/rules"), join(folder, "rules"), { recursive: true });
  for (const { name } of members) await writeFile(company.configOf(name), configText(company, name, around));
  return company;
}

function configText(company: Company, name: Member, { folder, postgres, broker, clickhouse }: Around): string {
  const { tenant, keys, api, issuer, gateway, dataOf } = company;
  const masterKey = name === "corr" ? {} : { keys: { in: "blobs", masterKeyFile: join(keys, name, "master.key") } };
  const configured = (account: string) => [account, { user: account, passwordFile: join(folder, "secrets", account) }];
  const config = {
    ...{ tenant, name, data: dataOf(name), sources: join(keys, "sources.json"), privateKeys: join(keys, name) },
    log: { kafka: { brokers: [broker.address], prefix: "tl", eventPartitions: 1, replicas: 1, minInSync: 1 } },
    blobs: { folder: join(folder, "blobs") },
    ...masterKey,
    ...(name === "store" || name === "spare" ? { store: clickhouse.config(tenant).store } : {}),
    policy: join(root, "infra/deploy/demo/policy.cedar"),
    catalog: join(company.folder, "catalog.yaml"),
    rules: join(company.folder, "rules"),
    gateway: { postgres: `127.0.0.1:${gateway}`, requireTls: false },
    api: { listen: new URL(api).host, url: api, sessionHours: 8 },
    identity: {
      issuer,
      clientId: "throughline",
      audience: "urn:throughline",
      groupsClaim: "groups",
      allowInsecure: true,
    },
    targets: [
      {
        ...{ name: "orders", kind: "postgres", address: `127.0.0.1:${postgres.port}`, database: "orders" },
        ...{ tls: "disable", catalogAccount: "catalog", opaque: "hold", mode: "enforce" },
        accounts: Object.fromEntries(accounts.map(configured)),
      },
    ],
    grants: { hours: 8 },
    holds: { mode: "wait", waitSeconds: 600, approvers: ["data-owners"] },
  };
  // JSON is YAML.
  return `${JSON.stringify(config, null, 2)}\n`;
}
