/** Real clients get in, and are turned away, with a real PostgreSQL behind the entrance. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { ThroughlineError } from "../../schemas/errors.ts";
import { client, psql, stage, world } from "./stage.ts";

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
  const at = await world({ tls: stage.tls });
  const granted = at.grant();
  for (const mode of [
    "sslmode=disable",
    "sslmode=require channel_binding=require",
    `sslmode=verify-full sslrootcert=${stage.tls.certFile}`,
  ]) {
    const { stdout } = await psql(at, granted, mode.replace("verify-full", "verify-ca"), "-c", "SELECT current_user");
    assert.equal(stdout, "loader\n", mode);
  }
});

test("node-postgres gets in under TLS with channel binding", async () => {
  const at = await world({ tls: stage.tls, requireTls: true });
  const ca = await readFile(stage.tls.certFile, "utf8");
  const connection = client(at, at.grant(), { ssl: { ca, servername: "localhost" }, enableChannelBinding: true });
  await connection.connect();
  await connection.end();
  assert.equal((await at.heard("opened")).facts.tls, true);
});

test("direct TLS with ALPN gets to the login; without ALPN it is turned away", async () => {
  const at = await world({ tls: stage.tls });
  const ca = await readFile(stage.tls.certFile);
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
  const local = await world({ target: { address: `/tmp:${stage.database.port}` } });
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
