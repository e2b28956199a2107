/** Real clients, a real PostgreSQL, and the entrance between them. */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import pg from "pg";
import { type Postgres, startPostgres } from "../../infra/deploy/postgres.ts";
import type { TargetConfig } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { targetTypes } from "../../services/gateway/postgres/frames.ts";
import {
  cancelRequest,
  query,
  reportFields,
  saslInitialResponse,
  saslResponse,
  sslRequest,
} from "../../services/gateway/postgres/messages.ts";
import { createStretch, ScramClient } from "../../services/gateway/postgres/scram.ts";
import { makeCertificate, Peer, passwordFile, World, type WorldOptions } from "./world.ts";

let folder = "";
let database: Postgres;
let accounts: TargetConfig["accounts"];
let tls: { certFile: string; keyFile: string };
const worlds: World[] = [];

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

async function superuser(name: string, at: Postgres = database): Promise<pg.Client> {
  const { port, superuser: user, password } = at;
  const client = new pg.Client({ host: "127.0.0.1", port, user, password, database: name });
  await client.connect();
  return client;
}

/** PostgreSQL answers its port a moment before it takes sessions. */
async function started(options: Parameters<typeof startPostgres>[0]): Promise<Postgres> {
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
async function untilAsleep(name: string, at: Postgres = database): Promise<void> {
  const admin = await superuser(name, at);
  const sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%(60)%'";
  while ((await admin.query(sleeping)).rowCount === 0);
  await admin.end();
}

async function world(options: WorldOptions = {}): Promise<World> {
  const started = await World.start({
    ...options,
    target: { address: `127.0.0.1:${database.port}`, accounts, ...options.target },
  });
  worlds.push(started);
  return started;
}

function client(at: World, with_: { user: string; secret: string }, more: pg.ClientConfig = {}): pg.Client {
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
function goodbyeOf(connection: pg.Client): Promise<Error & { code?: string }> {
  return new Promise((done) => connection.on("error", done));
}

/** @returns the fields of BackendKeyData; everything up to ReadyForQuery was taken */
async function loginByHand(peer: Peer, granted: { user: string; secret: string }, version: number): Promise<Buffer> {
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
function cancelRequestOf(connection: pg.Client, change = 0): Buffer {
  const { processID, secretKey } = connection as unknown as { processID: number; secretKey: number };
  const secret = Buffer.alloc(4);
  secret.writeInt32BE(secretKey ^ change);
  return cancelRequest(processID, secret);
}

function psql(at: World, with_: { user: string; secret: string }, more: string, ...args: string[]) {
  const dsn = `host=127.0.0.1 port=${at.entry.port} user=${with_.user} dbname=orders ${more}`;
  const env = { ...process.env, PGPASSWORD: with_.secret };
  return promisify(execFile)("psql", ["-X", "-At", dsn, ...args], { env });
}

test("node-postgres gets in with its Grant and works as the account", async () => {
  const at = await world();
  const granted = at.grant();
  const connection = client(at, granted, { application_name: "nightly", options: '-c search_path="a\\ b",public' });
  await connection.connect();
  const { rows } = await connection.query("SELECT current_user AS who, current_setting('search_path') AS path");
  assert.deepEqual(rows, [{ who: "loader", path: '"a b",public' }]);
  await connection.end();
  const opened = await at.heard("opened");
  assert.equal(opened.grant.id, granted.grant.id);
  assert.equal(opened.facts.application, "nightly");
  assert.equal(opened.facts.tls, false);
  const closed = await at.heard("closed");
  assert.ok(closed.facts.clientBytes > 0 && closed.facts.targetBytes > 0);
  assert.deepEqual(at.faults, []);
});

test("psql gets in, without TLS and with it, bound to the certificate", async () => {
  const at = await world({ tls });
  const granted = at.grant();
  for (const mode of [
    "sslmode=disable",
    "sslmode=require channel_binding=require",
    `sslmode=verify-full sslrootcert=${tls.certFile}`,
  ]) {
    const { stdout } = await psql(at, granted, mode.replace("verify-full", "verify-ca"), "-c", "SELECT current_user");
    assert.equal(stdout, "loader\n", mode);
  }
});

test("node-postgres gets in under TLS with channel binding", async () => {
  const at = await world({ tls, requireTls: true });
  const ca = await readFile(tls.certFile, "utf8");
  const connection = client(at, at.grant(), { ssl: { ca, servername: "localhost" }, enableChannelBinding: true });
  await connection.connect();
  await connection.end();
  assert.equal((await at.heard("opened")).facts.tls, true);
});

test("direct TLS with ALPN gets to the login; without ALPN it is turned away", async () => {
  const at = await world({ tls });
  const ca = await readFile(tls.certFile);
  const direct = (protocols: string[]) =>
    connectTls({ port: at.entry.port, host: "127.0.0.1", ca, servername: "localhost", ALPNProtocols: protocols });
  const good = direct(["postgresql"]);
  await new Promise((done) => good.once("secureConnect", done));
  assert.equal(good.alpnProtocol, "postgresql");
  good.destroy();
  const none = direct([]);
  none.on("error", () => undefined);
  none.resume();
  await new Promise((done) => none.once("close", done));
  const other = direct(["http/1.1"]);
  const refused = await new Promise<Error>((done) => other.once("error", done));
  assert.match(refused.message, /no.application.protocol/i);
  assert.deepEqual(new Set(at.refusals()), new Set(["frame.malformed"]));
});

test("the target's login works with MD5, and through a unix socket", async () => {
  const at = await world();
  const old = client(at, at.grant({ account: "old" }));
  await old.connect();
  assert.equal((await old.query("SELECT current_user AS who")).rows[0].who, "old");
  await old.end();
  const local = await world({ target: { address: `/tmp:${database.port}` } });
  const connection = client(local, local.grant());
  await connection.connect();
  assert.equal((await connection.query("SELECT inet_client_addr() AS a")).rows[0].a, null);
  await connection.end();
});

test("a wrong secret, an unknown Grant and a Grant of another account read the same to the client", async () => {
  const at = await world();
  const granted = at.grant();
  const unknown = at.grant({}, false);
  const attempts = [
    { user: granted.user, secret: "wrong" },
    { user: "loader", secret: "x" },
    { user: "loader~g1-nonsense", secret: "x" },
    { user: "loader~g9-aaaaaaaaaaaaaaaa", secret: "x" },
    { user: unknown.user, secret: unknown.secret },
    { user: granted.user.replace("loader", "old"), secret: granted.secret },
  ];
  for (const attempt of attempts) {
    await assert.rejects(client(at, attempt).connect(), {
      code: "28P01",
      message: `password authentication failed for user "${attempt.user}"`,
    });
  }
  assert.deepEqual(
    at.refusals(),
    attempts.map(() => "login.failed"),
  );
  assert.doesNotMatch(JSON.stringify(at.said), new RegExp(`${granted.secret}|${unknown.secret}`));
});

test("an expired and a revoked Grant, an unknown database and an unknown target say what they are", async () => {
  const at = await world();
  const expired = at.grant({ expiresAtMs: at.nowMs });
  await assert.rejects(client(at, expired).connect(), { code: "28000", message: /expired/ });
  const revoked = at.grant();
  at.grants.put({ grant: revoked.grant, ended: "revoked" });
  await assert.rejects(client(at, revoked).connect(), { code: "28000", message: /revoked/ });
  await assert.rejects(client(at, at.grant(), { database: "other" }).connect(), { code: "3D000", message: /"orders"/ });
  await assert.rejects(client(at, at.grant({ target: "gone" }), { database: "gone" }).connect(), { code: "3D000" });
  assert.deepEqual(at.refusals(), ["login.expired", "login.expired", "target.unknown", "target.unknown"]);
});

test("a Grant that reaches the gateway a moment after its holder does is waited for", async () => {
  const at = await world({ limits: { grantWaitMsMax: 5_000 } });
  const late = at.grant({}, false);
  const before = at.grants.listeners;
  const connection = client(at, late);
  const connected = connection.connect();
  while (at.grants.listeners === before) await new Promise(setImmediate);
  at.grants.put({ grant: late.grant, ended: null });
  await connected;
  await connection.end();
  assert.equal(at.grants.listeners, before);
});

test("what the target refuses is said without its credential", async () => {
  const at = await world();
  for (const account of ["wrong", "bare", "nobody", "plain"]) {
    await assert.rejects(client(at, at.grant({ account })).connect(), { code: "08004" });
  }
  const odd = client(at, at.grant(), { options: "-c statement_timeout=often" });
  await assert.rejects(odd.connect(), { code: "22023", message: /statement_timeout/ });
  const missing = await world({ target: { database: "missing" } });
  await assert.rejects(client(missing, missing.grant()).connect(), { code: "08004" });
  const nobody = await world({ target: { address: "127.0.0.1:1" } });
  await assert.rejects(client(nobody, nobody.grant()).connect(), { code: "08006", message: /does not accept/ });
  assert.deepEqual(nobody.refusals(), ["target.unreachable"]);
  const plain = await world({ target: { tls: "require" } });
  await assert.rejects(client(plain, plain.grant()).connect(), { code: "08006", message: /TLS/ });
  const everything = JSON.stringify([at.said, at.faults.map(String), nobody.said, plain.said]);
  assert.doesNotMatch(everything, /påss|wrong"?,"?reason|SCRAM-SHA-256\$/);
});

test("the client is welcomed only after the session was recorded; a full log lets nobody in", async () => {
  let release: (() => void) | null = null;
  const at = await world({ open: () => new Promise((done) => (release = done)) });
  const connection = client(at, at.grant());
  let connected = false;
  const connecting = connection.connect().then(() => {
    connected = true;
  });
  while (release === null) await new Promise(setImmediate);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.equal(connected, false);
  (release as () => void)();
  await connecting;
  await connection.end();
  const full = await world({ open: () => Promise.reject(new ThroughlineError("log.full", "the log's disk is full")) });
  await assert.rejects(client(full, full.grant()).connect(), { code: "53100" });
});

test("a cancel reaches the session whose key it carries, and no other", async () => {
  const at = await world();
  const [mine, other] = [client(at, at.grant()), client(at, at.grant())];
  await Promise.all([mine.connect(), other.connect()]);
  const request = (change: number) => new Peer(at.entry.port).send(cancelRequestOf(mine, change)).ended;
  const running = mine.query("SELECT pg_sleep(60)");
  const otherRunning = other.query("SELECT pg_sleep(0.3), 1 AS done");
  await untilAsleep("orders");
  await request(1);
  assert.deepEqual(at.refusals(), ["cancel.unknown"]);
  const canceled = assert.rejects(running, { code: "57014" });
  await request(0);
  await canceled;
  assert.equal((await otherRunning).rows[0].done, 1);
  await Promise.all([mine.end(), other.end()]);
});

test("protocol 3.2 gets a cancel key of 32 bytes, 3.0 one of 4, and both cancel", async () => {
  const at = await world();
  for (const [version, bytes] of [
    [0x00030002, 32],
    [0x00030000, 4],
  ] as const) {
    const peer = new Peer(at.entry.port);
    const key = await loginByHand(peer, at.grant(), version);
    assert.equal(key.length - 4, bytes);
    peer.send(query("SELECT pg_sleep(60)"));
    await untilAsleep("orders");
    await new Peer(at.entry.port).send(cancelRequest(key.readUInt32BE(0), key.subarray(4))).ended;
    let answer = await peer.message();
    while (answer[0] !== targetTypes.ErrorResponse) answer = await peer.message();
    assert.equal(reportFields(answer).get("C"), "57014");
    peer.socket.destroy();
  }
});

test("psql's Ctrl-C cancels through the gateway", async () => {
  const at = await world();
  const granted = at.grant();
  const dsn = `host=127.0.0.1 port=${at.entry.port} user=${granted.user} dbname=orders`;
  const env = { ...process.env, PGPASSWORD: granted.secret };
  const child = spawn("psql", ["-X", dsn, "-c", "SELECT pg_sleep(60)"], { env });
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint += chunk;
  });
  const exited = new Promise((done) => child.once("exit", done));
  await untilAsleep("orders");
  child.kill("SIGINT");
  await exited;
  assert.match(complaint, /canceling statement due to user request/);
});

test("a Grant that ends takes its idle sessions with it, with a goodbye; others stay", async () => {
  const at = await world();
  const granted = at.grant();
  const [ending, staying] = [client(at, granted), client(at, at.grant())];
  await Promise.all([ending.connect(), staying.connect()]);
  const goodbye = goodbyeOf(ending);
  at.grants.put({ grant: granted.grant, ended: "revoked" });
  const error = await goodbye;
  assert.equal(error.code, "57P01");
  assert.match(error.message, /revoked/);
  assert.equal((await at.heard("closed")).facts.reason, "the Grant was revoked");
  assert.equal((await staying.query("SELECT 1 AS one")).rows[0].one, 1);
  await staying.end();
});

test("a Grant that ended while its session was being recorded leaves no idle session behind", async () => {
  const at = await world({
    open: async (session) => {
      session.ending = "the Grant has ended";
    },
  });
  const connection = client(at, at.grant());
  const goodbye = goodbyeOf(connection);
  await connection.connect().catch(() => undefined);
  assert.equal((await goodbye).code, "57P01");
  assert.equal((await at.heard("closed")).facts.reason, "the Grant has ended");
});

test("a Grant that expires during a session ends it", async () => {
  const at = await world();
  const short = client(at, at.grant({ expiresAtMs: at.nowMs + 300 }));
  await short.connect();
  const goodbye = goodbyeOf(short);
  assert.equal((await goodbye).code, "57P01");
});

test("a proxy that ignores the end is cut off", async () => {
  const at = await world({
    serve: (wire) => {
      wire.onEnding = () => undefined;
      return new Promise((done) => wire.client.once("close", () => done({ reason: "cut" })).resume());
    },
  });
  const granted = at.grant();
  const connection = client(at, granted);
  await connection.connect();
  const gone = goodbyeOf(connection);
  at.grants.put({ grant: granted.grant, ended: "revoked" });
  await gone;
  assert.equal((await at.heard("closed")).facts.reason, "cut");
});

test("a session that cannot begin after the welcome says so; one that must end meanwhile is over", async () => {
  let begin: (() => void) | null = null;
  const at = await world({
    serve: async () => {
      await new Promise<void>((done) => (begin = done));
      throw new ThroughlineError("target.unreachable", "its catalog cannot be read");
    },
  });
  const patient = client(at, at.grant());
  const goodbye = goodbyeOf(patient);
  await patient.connect();
  begin!();
  assert.equal((await goodbye).code, "08006");
  assert.match((await at.heard("closed")).facts.reason, /catalog/);
  const peer = new Peer(at.entry.port);
  await loginByHand(peer, at.grant(), 0x00030000);
  assert.ok(at.entry.sessions.end("s2", "it must end"));
  await peer.ended;
  assert.equal((await at.heard("closed", ({ facts }) => !/catalog/.test(facts.reason))).facts.reason, "it must end");
});

test("closing drains: open sessions read why, nothing stays behind, nobody new gets in", async () => {
  const at = await world();
  const granted = at.grant();
  const connection = client(at, granted);
  await connection.connect();
  const goodbye = goodbyeOf(connection);
  await at.entry.close();
  assert.match((await goodbye).message, /shutting down/);
  assert.equal(at.entry.sessions.size, 0);
  assert.equal(at.entry.pending, 0);
  await assert.rejects(client(at, granted).connect(), { code: "ECONNREFUSED" });
});

test("under requireTls a client without it is refused, and told how", async () => {
  const at = await world({ tls, requireTls: true });
  await assert.rejects(client(at, at.grant()).connect(), { code: "28000", message: /TLS/ });
  assert.deepEqual(at.refusals(), ["login.tls_required"]);
});

test("bytes sent ahead of the TLS handshake end the connection", async () => {
  const at = await world({ tls });
  const answer = await new Peer(at.entry.port).send(Buffer.concat([sslRequest(), Buffer.from("early")])).ended;
  assert.equal(reportFields(answer).get("C"), "08P01");
});

test("the target's TLS: refused when it has none, bound and verified when it has", async () => {
  const secured = join(folder, "secured");
  const certFile = join(folder, "target.pem");
  const keyFile = join(folder, "target-key.pem");
  execFileSync("cp", [tls.certFile, certFile]);
  execFileSync("cp", [tls.keyFile, keyFile]);
  execFileSync("chmod", ["600", keyFile]);
  if (process.getuid?.() === 0) for (const file of [certFile, keyFile]) await chown(file, 65534, 65534);
  execFileSync("chmod", ["755", folder]);
  const settings = { ssl: "on", ssl_cert_file: certFile, ssl_key_file: keyFile, fsync: "off", log_connections: "on" };
  const target = await started({ folder: secured, settings });
  try {
    const password = await passwordFile(folder, target.password);
    const over = (more: Partial<TargetConfig>) => ({
      target: {
        address: `127.0.0.1:${target.port}`,
        database: "postgres",
        accounts: { loader: { user: target.superuser, passwordFile: password } },
        ...more,
      },
    });
    for (const mode of [{ tls: "require" }, { tls: "verify", caFile: tls.certFile }] as const) {
      const at = await world(over(mode));
      const connection = client(at, at.grant());
      await connection.connect();
      const { rows } = await connection.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
      assert.equal(rows[0].ssl, true, mode.tls);
      const sleeping = connection.query("SELECT pg_sleep(60)");
      const canceled = assert.rejects(sleeping, { code: "57014" });
      await untilAsleep("postgres", target);
      await new Peer(at.entry.port).send(cancelRequestOf(connection)).ended;
      await canceled;
      await connection.end();
    }
    const stranger = await world(over({ tls: "verify" }));
    await assert.rejects(client(stranger, stranger.grant()).connect(), { code: "08006", message: /TLS/ });
  } finally {
    await target.stop();
  }
});
