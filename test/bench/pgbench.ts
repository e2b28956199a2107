/**
 * P2 and P4: pgbench through the gateway with a durable, encrypted, chained and signed record of every statement, beside
 * PgBouncer (when installed) and a direct connection, which record nothing. Slices are interleaved A, B, C, A, B, C …;
 * all three over TCP with SCRAM. CPU is that of the gateway's or PgBouncer's process.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../infra/deploy/postgres.ts";
import { granted, workload } from "../demo/cast.ts";
import { direct } from "../demo/database.ts";
import { startWorld, type World } from "../demo/world.ts";
import { type Bench, cpuUs, type Figure, median, quantile, syncTimesUs } from "./figures.ts";

const execute = promisify(execFile);
const rounds = 5;
const sliceSeconds = 2;
/** A cold program is not what is measured. */
const warmUpSeconds = 3;
const clientCounts = [1, 8, 32];
const pgbouncer = "/usr/sbin/pgbouncer";

interface Way {
  readonly name: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly pid: number | null;
}

interface Load {
  readonly figure: string;
  readonly label: string;
  readonly words: readonly string[];
}

const loads: readonly Load[] = [
  { figure: "P2", label: "-S prepared", words: ["-S", "-M", "prepared"] },
  { figure: "P2s", label: "-S simple", words: ["-S", "-M", "simple"] },
  { figure: "P4", label: "-N prepared", words: ["-N", "-M", "prepared"] },
];

export const pgbenchBench: Bench = { names: loads.map(({ figure }) => figure), run };

async function run(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-bench-"));
  await chmod(folder, 0o755);
  const world = await startWorld({ folder, quietTarget: true });
  let pooler: ChildProcess | null = null;
  try {
    await makeTables(world);
    const ways: Way[] = [directWay(world), await gatewayWay(world)];
    if (existsSync(pgbouncer)) {
      const started = await startPgBouncer(world, folder);
      pooler = started.child;
      ways.push(started.way);
    }
    const figures: Figure[] = [...syncFigures(folder)];
    for (const load of loads) for (const way of ways) await slice(way, load, 16, warmUpSeconds);
    for (const load of loads) for (const clients of clientCounts) figures.push(...(await measure(load, clients, ways)));
    return figures;
  } finally {
    pooler?.kill("SIGINT");
    await world.stop();
    await rm(folder, { recursive: true });
  }
}

function syncFigures(folder: string): Figure[] {
  const times = syncTimesUs(folder, 200);
  const value = Math.round(median(times));
  return [
    { name: "P2.fdatasync_us", value, text: `us p50 of fdatasync here (p99 ${Math.round(quantile(times, 0.99))})` },
  ];
}

async function makeTables(world: World): Promise<void> {
  const { port, superuser, password } = world.postgres;
  const words = ["-h", "127.0.0.1", "-p", String(port), "-U", superuser, "-i", "-q", "-s", "10", "orders"];
  await execute("pgbench", words, { env: { PATH: process.env.PATH, PGPASSWORD: password } });
  await direct(world.postgres, "orders", async (client) => {
    for (const table of ["accounts", "branches", "tellers", "history"])
      await client.query(`ALTER TABLE pgbench_${table} OWNER TO load`);
    await client.query("GRANT USAGE ON SCHEMA public TO load, catalog");
  });
}

function directWay(world: World): Way {
  return { name: "direct", port: world.postgres.port, user: "load", password: world.secrets.accounts.load, pid: null };
}

async function gatewayWay(world: World): Promise<Way> {
  const grant = await granted(await workload(world, "load"), "load", "pgbench");
  return { name: "gateway", port: grant.port, user: grant.user, password: grant.secret, pid: world.pid("gateway") };
}

async function startPgBouncer(world: World, folder: string): Promise<{ child: ChildProcess; way: Way }> {
  const port = await freePort();
  const password = world.secrets.accounts.load;
  await writeFile(join(folder, "users.txt"), `"load" "${password}"\n`);
  await writeFile(
    join(folder, "pgbouncer.ini"),
    `[databases]
orders = host=127.0.0.1 port=${world.postgres.port} dbname=orders
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, "users.txt")}
pool_mode = session
server_reset_query = DISCARD ALL
default_pool_size = 100
max_client_conn = 500
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
`,
  );
  const owner = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const child = spawn(pgbouncer, [join(folder, "pgbouncer.ini")], { stdio: "ignore", ...owner });
  return { child, way: { name: "pgbouncer", port, user: "load", password, pid: child.pid ?? null } };
}

interface Slice {
  readonly tps: number;
  readonly cpuUsPerTx: number;
}

async function slice(way: Way, load: Load, clients: number, seconds = sliceSeconds): Promise<Slice> {
  const before = way.pid === null ? 0 : cpuUs(way.pid);
  const connection = ["-h", "127.0.0.1", "-p", String(way.port), "-U", way.user, "orders"];
  const words = [
    ...load.words,
    "-n",
    "-T",
    String(seconds),
    "-c",
    String(clients),
    "-j",
    clients > 1 ? "2" : "1",
    ...connection,
  ];
  const { stdout } = await execute("pgbench", words, { env: { PATH: process.env.PATH, PGPASSWORD: way.password } });
  const tps = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
  const count = Number(/actually processed: (\d+)/.exec(stdout)?.[1]);
  return { tps, cpuUsPerTx: way.pid === null ? 0 : (cpuUs(way.pid) - before) / count };
}

async function measure(load: Load, clients: number, ways: readonly Way[]): Promise<Figure[]> {
  const found = new Map<string, Slice[]>(ways.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const way of ways) found.get(way.name)?.push(await slice(way, load, clients));
  }
  const tps = (name: string) => (found.get(name) ?? []).map((one) => one.tps);
  const ratio = (other: string) =>
    median(tps("gateway").map((value, round) => value / (tps(other)[round] ?? Number.NaN)));
  const cpu = (name: string) => Math.round(10 * median((found.get(name) ?? []).map((one) => one.cpuUsPerTx))) / 10;
  const name = `${load.figure}.c${clients}`;
  const rounded = (value: number) => Math.round(value * 100) / 100;
  const figures: Figure[] = [];
  if (found.has("pgbouncer")) {
    figures.push({
      name,
      value: rounded(ratio("pgbouncer")),
      text: `${load.label}: durable tps / PgBouncer tps (${Math.round(median(tps("gateway")))} / ${Math.round(median(tps("pgbouncer")))})`,
    });
  }
  figures.push({
    name: `${name}.direct`,
    value: rounded(ratio("direct")),
    text: `${load.label}: durable tps / direct tps (${Math.round(median(tps("direct")))})`,
  });
  figures.push({
    name: `${name}.cpu_us`,
    value: cpu("gateway"),
    text: `us CPU per transaction of the gateway (PgBouncer ${cpu("pgbouncer")})`,
  });
  return figures;
}
