/** Cancel, ends and TLS of sessions, with real clients and a real PostgreSQL behind the entrance. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chown } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { TargetConfig } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { targetTypes } from "../../services/gateway/postgres/frames.ts";
import { cancelRequest, query, reportFields, sslRequest } from "../../services/gateway/postgres/messages.ts";
import { cancelRequestOf, client, goodbyeOf, loginByHand, stage, started, untilAsleep, world } from "./stage.ts";
import { Peer, passwordFile } from "./world.ts";

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
  const goodbye = goodbyeOf(short);
  await short.connect();
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
  const at = await world({ tls: stage.tls, requireTls: true });
  await assert.rejects(client(at, at.grant()).connect(), { code: "28000", message: /TLS/ });
  assert.deepEqual(at.refusals(), ["login.tls_required"]);
});

test("bytes sent ahead of the TLS handshake end the connection", async () => {
  const at = await world({ tls: stage.tls });
  const answer = await new Peer(at.entry.port).send(Buffer.concat([sslRequest(), Buffer.from("early")])).ended;
  assert.equal(reportFields(answer).get("C"), "08P01");
});

test("the target's TLS: refused when it has none, bound and verified when it has", async () => {
  const secured = join(stage.folder, "secured");
  const certFile = join(stage.folder, "target.pem");
  const keyFile = join(stage.folder, "target-key.pem");
  execFileSync("cp", [stage.tls.certFile, certFile]);
  execFileSync("cp", [stage.tls.keyFile, keyFile]);
  execFileSync("chmod", ["600", keyFile]);
  if (process.getuid?.() === 0) for (const file of [certFile, keyFile]) await chown(file, 65534, 65534);
  execFileSync("chmod", ["755", stage.folder]);
  const settings = { ssl: "on", ssl_cert_file: certFile, ssl_key_file: keyFile, fsync: "off", log_connections: "on" };
  const target = await started({ folder: secured, settings });
  try {
    const password = await passwordFile(stage.folder, target.password);
    const over = (more: Partial<TargetConfig>) => ({
      target: {
        address: `127.0.0.1:${target.port}`,
        database: "postgres",
        accounts: { loader: { user: target.superuser, passwordFile: password } },
        ...more,
      },
    });
    for (const mode of [{ tls: "require" }, { tls: "verify", caFile: stage.tls.certFile }] as const) {
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
