/**
 * docker-compose.yml without containers: the product's own services, with their own commands, configuration and mounts, as
 * processes on this machine. Their file systems are folders of links; of the configuration only addresses and /var are
 * other ones. What stands in the other containers is real as well, or what the tests have for it: Kafka, PostgreSQL
 * with the same script, ClickHouse's engine behind HTTP, an S3 server, and our development provider for Keycloak.
 */
import { type ChildProcess, execFileSync, fork, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startPostgres } from "../../infra/deploy/postgres.ts";
import { startDevelopmentProvider } from "../../infra/identity/development.ts";
import { startMoto } from "../blobs/moto.ts";
import type { Secrets } from "../demo/files.ts";
import { end, launch } from "../demo/process.ts";
import type { Places } from "../demo/world.ts";
import { startBroker } from "../kafka/broker.ts";
import { compose, mountsOf, root, textOf } from "./files.ts";

export interface House extends Places {
  readonly gateways: Readonly<Record<string, number>>;
  start(name: string): Promise<void>;
  /** The container's own health check. @returns its exit code */
  healthy(name: string): number | null;
  /** @returns its exit code */
  stop(name: string): Promise<number | null>;
  close(): Promise<void>;
}

interface Realm {
  readonly users: readonly {
    readonly username: string;
    readonly firstName?: string;
    readonly groups: readonly string[];
    readonly credentials?: readonly { readonly value: string }[];
  }[];
  readonly clients: readonly { readonly clientId: string; readonly name?: string; readonly secret?: string }[];
}

const { services } = compose();
export const ours = Object.keys(services).filter(
  (name) => services[name]?.image === "throughline:local" && name !== "init",
);
const configPath = "/etc/throughline/throughline.yaml";

export async function startHouse(): Promise<House> {
  const endings: (() => unknown)[] = [];
  const close = async () => {
    for (const ending of endings.splice(0).reverse()) await ending();
  };
  try {
    return await build(endings, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(endings: (() => unknown)[], close: () => Promise<void>): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), "throughline-compose-"));
  endings.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const out = join(folder, "out");
  makeSecrets(out);
  const realm = JSON.parse(readFileSync(join(out, "identity", "throughline-realm.json"), "utf8")) as Realm;
  const ports = Object.fromEntries(
    await Promise.all([...ours, "api"].map(async (name) => [name, await freePort()] as const)),
  );
  const api = `http://127.0.0.1:${ports.api}`;
  const around = {
    postgres: await startOrders(folder, out, endings),
    broker: await startBroker(),
    moto: await startMoto(),
    timelines: await startTimelines(
      join(folder, "timelines"),
      readFileSync(join(out, "p1", "timelines", "password"), "utf8"),
      endings,
    ),
    provider: await startProvider(folder, realm, api),
  };
  endings.push(
    () => around.broker.end(),
    () => around.moto.close(),
    () => around.provider.close(),
  );
  // The account at the storage is made by the server here, and by the file s3.json there.
  for (const name of ours.filter((one) => !one.startsWith("c"))) {
    copyFileSync(around.moto.credentials.accessKeyFile, join(out, name, "objects", "access-key"));
    copyFileSync(around.moto.credentials.secretKeyFile, join(out, name, "objects", "secret-key"));
  }
  const operations = new Map<string, number>();
  for (const name of ours) {
    const port = await freePort();
    operations.set(name, port);
    const changes: [string, string][] = [
      ["data: /var/lib/throughline", `data: ${join(folder, name, "/var/lib/throughline")}`],
      ["kafka:9092", around.broker.address],
      ["http://objects:8333", around.moto.endpoint],
      ["bucket: throughline", `bucket: ${around.moto.bucket}`],
      ["http://timelines:8123", `http://127.0.0.1:${around.timelines}`],
      ["orders:5432", `127.0.0.1:${around.postgres}`],
      ["0.0.0.0:15432", `127.0.0.1:${ports[name]}`],
      ["0.0.0.0:8080", `127.0.0.1:${ports.api}`],
      ["http://localhost:8080", api],
      ["http://identity.localhost:8180/realms/throughline", around.provider.issuer],
      ["127.0.0.1:9464", `127.0.0.1:${port}`],
    ];
    furnish(folder, name, changes);
  }
  const children = new Map<string, ChildProcess>();
  endings.push(async () => {
    for (const child of children.values()) await end(child, "SIGKILL");
  });
  return {
    issuer: around.provider.issuer,
    api,
    secrets: secretsOf(realm),
    gateways: Object.fromEntries(ours.filter((name) => name.startsWith("gw")).map((name) => [name, ports[name] ?? 0])),
    async start(name) {
      const command = services[name]?.command ?? [];
      const words = command.filter((word) => !["--config", configPath].includes(word));
      const spawned = (child: ChildProcess) => void children.set(name, child);
      await launch(words, join(folder, name, configPath), join(folder, `${name}.log`), { spawned });
    },
    healthy(name) {
      const [kind, program, ...words] = services[name]?.healthcheck?.test ?? [];
      if (kind !== "CMD" || program !== "node") throw new Error(`${name} is asked by ${kind} ${program}`);
      const here = words.map((word) => word.replace("127.0.0.1:9464", `127.0.0.1:${operations.get(name)}`));
      return spawnSync(process.execPath, here).status;
    },
    async stop(name) {
      await end(children.get(name), "SIGTERM");
      return children.get(name)?.exitCode ?? null;
    },
    close,
  };
}

/** The service `init`, with its own entrypoint and command. */
function makeSecrets(out: string): void {
  const [program, file = "", place] = services.init?.entrypoint ?? [];
  if (program !== "node" || place !== "/out") throw new Error(`init is ${program} ${file} ${place}`);
  const words = [file.replace("/opt/throughline", root), out, ...(services.init?.command ?? [])];
  execFileSync(process.execPath, words);
}

/** A container's file system, as far as its mounts make it. */
function furnish(folder: string, name: string, changes: readonly [string, string][]): void {
  for (const { from, to } of mountsOf(services[name]!)) {
    const place = join(folder, name, to);
    mkdirSync(join(place, ".."), { recursive: true });
    if (from.startsWith("data-")) mkdirSync(place, { mode: 0o700 });
    else if (from.startsWith("secrets-")) symlinkSync(join(folder, "out", from.slice("secrets-".length)), place);
    else if (to === configPath) writeFileSync(place, changed(textOf(from), changes));
    else symlinkSync(join(root, from), place);
  }
}

function changed(text: string, changes: readonly [string, string][]): string {
  let now = text;
  for (const [from, to] of changes) {
    if (!now.includes(from)) throw new Error(`the configuration has no ${from}`);
    now = now.replaceAll(from, to);
  }
  return now;
}

/** A server of its own, given what the image of the compose file is given. @returns its port */
async function startOrders(folder: string, out: string, endings: (() => unknown)[]): Promise<number> {
  const postgres = await startPostgres({
    folder: join(folder, "orders"),
    port: await freePort(),
    settings: { fsync: "off" },
  });
  endings.push(() => postgres.stop());
  const { superuser, password, port } = postgres;
  execFileSync(
    "psql",
    [
      "-q",
      "-h",
      "127.0.0.1",
      "-p",
      String(port),
      "-U",
      superuser,
      "-d",
      "postgres",
      "-f",
      join(root, "infra/deploy/docker/orders.sql"),
    ],
    {
      env: { ...process.env, PGPASSWORD: password, ACCOUNTS: join(out, "orders") },
    },
  );
  return port;
}

async function startTimelines(folder: string, password: string, endings: (() => unknown)[]): Promise<number> {
  const child = fork(join(root, "test/store/front.ts"), [folder, "0", "throughline", password]);
  endings.push(() => end(child, "SIGKILL"));
  return await new Promise<number>((ready, failed) => {
    child.once("exit", () => failed(new Error("the front of the store ended")));
    child.on("message", (message: { ready?: number }) => message.ready !== undefined && ready(message.ready));
  });
}

async function startProvider(folder: string, { users, clients }: Realm, api: string) {
  const groupsOf = (name: string) =>
    users.find(({ username }) => username === name)?.groups.map((group) => group.slice(1)) ?? [];
  return startDevelopmentProvider({
    folder: join(folder, "provider"),
    port: 0,
    development: true,
    audience: "urn:throughline",
    clientId: "throughline",
    redirectUris: [`${api}/login/callback`],
    users: users.flatMap(({ username, firstName, credentials }) =>
      credentials?.[0]
        ? [{ login: username, name: firstName ?? "", groups: groupsOf(username), password: credentials[0].value }]
        : [],
    ),
    workloads: clients.flatMap(({ clientId, name = "", secret }) =>
      secret === undefined ? [] : [{ id: clientId, name, secret, groups: groupsOf(`service-account-${clientId}`) }],
    ),
  });
}

function secretsOf({ users, clients }: Realm): Secrets {
  const people = users.flatMap(({ username, credentials }) =>
    credentials?.[0] ? [[username, credentials[0].value]] : [],
  );
  const workloads = clients.flatMap(({ clientId, secret }) => (secret === undefined ? [] : [[clientId, secret]]));
  return {
    people: Object.fromEntries(people),
    workloads: Object.fromEntries(workloads),
    accounts: {} as Secrets["accounts"],
    webhook: "",
  };
}
