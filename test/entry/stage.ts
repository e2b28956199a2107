import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { promisify } from "node:util";
import pg from "pg";
import { type Postgres, startPostgres } from "../../infra/deploy/postgres.ts";
import type { TargetConfig } from "../../schemas/config.ts";
import { targetTypes } from "../../services/gateway/postgres/frames.ts";
import { cancelRequest, saslInitialResponse, saslResponse } from "../../services/gateway/postgres/messages.ts";
import { createStretch, ScramClient } from "../../services/gateway/postgres/scram.ts";
import { makeCertificate, type Peer, passwordFile, World, type WorldOptions } from "./world.ts";

let folder = "";
let database: Postgres;
let accounts: TargetConfig["accounts"];
let tls: { certFile: string; keyFile: string };
const worlds: World[] = [];

export const stage = {
  get folder() {
    return folder;
  },
  get database() {
    return database;
  },
  get accounts() {
    return accounts;
  },
  get tls() {
    return tls;
  },
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "entry-clients-"));
  tls = await makeCertificate(folder);
  database = await started({
    folder: join(folder, "postgres"),
    settings: { log_connections: "on", fsync: "off", unix_socket_directories: "/tmp" },
  });
  const admin = await superuser("postgres");
  await admin.query("CREATE ROLE loader LOGIN PASSWORD 'påss wörd'");
  await admin.query("SET password_encryption = 'md5'");
  await admin.query("CREATE ROLE old LOGIN PASSWORD 'old'");
  await admin.query("CREATE ROLE plain LOGIN PASSWORD 'plain'");
  await admin.query("CREATE DATABASE orders");
  const hba = (await admin.query("SHOW hba_file")).rows[0].hba_file;
  const methods = "host all old 127.0.0.1/32 md5\nhost all plain 127.0.0.1/32 password\n";
  await writeFile(hba, methods + (await readFile(hba, "utf8")));
  await admin.query("SELECT pg_reload_conf()");
  await admin.end();
  accounts = {
    loader: { user: "loader", passwordFile: await passwordFile(folder, "påss wörd") },
    old: { user: "old", passwordFile: await passwordFile(folder, "old") },
    plain: { user: "plain", passwordFile: await passwordFile(folder, "plain") },
    wrong: { user: "loader", passwordFile: await passwordFile(folder, "wrong") },
    bare: { user: "loader" },
  };
});

after(async () => {
  for (const world of worlds) await world.stop();
  await database.stop();
  await rm(folder, { recursive: true });
});

export async function superuser(name: string, at: Postgres = database): Promise<pg.Client> {
  const { port, superuser: user, password } = at;
  const client = new pg.Client({ host: "127.0.0.1", port, user, password, database: name });
  await client.connect();
  return client;
}

/** PostgreSQL answers its port a moment before it takes sessions. */
export async function started(options: Parameters<typeof startPostgres>[0]): Promise<Postgres> {
  const postgres = await startPostgres(options);
  for (;;) {
    const admin = await superuser("postgres", postgres).catch((error: Error & { code?: string }) => error);
    if (admin instanceof pg.Client) {
      await admin.end();
      return postgres;
    }
    if (admin.code !== "57P03") throw admin;
  }
}

/** A cancel that comes before its command hits nothing: so it is in PostgreSQL. */
export async function untilAsleep(name: string, at: Postgres = database): Promise<void> {
  const admin = await superuser(name, at);
  const sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%(60)%'";
  while ((await admin.query(sleeping)).rowCount === 0);
  await admin.end();
}

export async function world(options: WorldOptions = {}): Promise<World> {
  const started = await World.start({
    ...options,
    target: { address: `127.0.0.1:${database.port}`, accounts, ...options.target },
  });
  worlds.push(started);
  return started;
}

export function client(at: World, with_: { user: string; secret: string }, more: pg.ClientConfig = {}): pg.Client {
  return new pg.Client({
    host: "127.0.0.1",
    port: at.entry.port,
    user: with_.user,
    password: with_.secret,
    database: "orders",
    ...more,
  });
}

/** The first error of a connection; node-postgres gives a second one when the socket closes. */
export function goodbyeOf(connection: pg.Client): Promise<Error & { code?: string }> {
  return new Promise((done) => connection.on("error", done));
}

/** @returns the fields of BackendKeyData; everything up to ReadyForQuery was taken */
export async function loginByHand(
  peer: Peer,
  granted: { user: string; secret: string },
  version: number,
): Promise<Buffer> {
  const scram = new ScramClient({ binding: null, couldBind: false, nonce: "n0nce" });
  peer.startup({ user: granted.user, database: "orders" }, version);
  await peer.message();
  peer.send(saslInitialResponse("SCRAM-SHA-256", scram.first()));
  const challenge = (await peer.message()).toString("utf8", 9);
  peer.send(saslResponse(await scram.final(challenge, granted.secret, createStretch(1))));
  scram.confirm((await peer.message()).toString("utf8", 9));
  let key = Buffer.alloc(0);
  for (;;) {
    const message = await peer.message();
    if (message[0] === targetTypes.BackendKeyData) key = Buffer.from(message.subarray(5));
    if (message[0] === targetTypes.ReadyForQuery) return key;
  }
}

/** A CancelRequest with node-postgres's own key. */
export function cancelRequestOf(connection: pg.Client, change = 0): Buffer {
  const { processID, secretKey } = connection as unknown as { processID: number; secretKey: number };
  const secret = Buffer.alloc(4);
  secret.writeInt32BE(secretKey ^ change);
  return cancelRequest(processID, secret);
}

export function psql(at: World, with_: { user: string; secret: string }, more: string, ...args: string[]) {
  const dsn = `host=127.0.0.1 port=${at.entry.port} user=${with_.user} dbname=orders ${more}`;
  const env = { ...process.env, PGPASSWORD: with_.secret };
  return promisify(execFile)("psql", ["-X", "-At", dsn, ...args], { env });
}
