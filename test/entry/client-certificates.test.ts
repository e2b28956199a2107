/** Certificates of clients at the entrance: real psql, certificates of a real CA, a real PostgreSQL behind. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import type { GatewayTlsConfig } from "../../schemas/config.ts";
import { loadCertificate } from "../../services/gateway/postgres/tls.ts";
import { type Issued, keyDigestOf, makeAuthority } from "./authority.ts";
import { client, psql, stage, world } from "./stage.ts";
import { Peer, type World } from "./world.ts";

const folder = await mkdtemp(join(tmpdir(), "client-certificates-"));
after(() => rm(folder, { recursive: true }));
const ca = makeAuthority(join(folder, "ca"));
const stranger = makeAuthority(join(folder, "stranger"));

const asking = (clientCertificate?: GatewayTlsConfig["clientCertificate"]): GatewayTlsConfig => ({
  ...stage.tls,
  clientCaFile: ca.caFile,
  ...(clientCertificate === undefined ? {} : { clientCertificate }),
});
const using = ({ certFile, keyFile }: Issued) => `sslmode=require sslcert=${certFile} sslkey=${keyFile}`;
const ask = ["-c", "SELECT 'let in'"] as const;

/** What psql says when it is not let in. */
async function turnedAway(at: World, more: string): Promise<string> {
  try {
    await psql(at, at.grant(), more, ...ask);
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return assert.fail("it was let in");
}

async function opened(at: World, fits: (application: string) => boolean = () => true) {
  const { facts } = await at.heard("opened", (said) => fits(said.facts.application));
  return facts;
}

test("psql with a certificate is recorded with its key; one that is issued again for the key has the same", async () => {
  const at = await world({ tls: asking() });
  const alice = ca.issue("alice");
  const { stdout } = await psql(at, at.grant(), `${using(alice)} application_name=first`, ...ask);
  assert.match(stdout, /let in/);
  const { certificate } = await opened(at);
  assert.equal(certificate?.key, keyDigestOf(alice));
  assert.deepEqual([certificate?.subject, certificate?.issuer], ["CN=alice", "CN=Clients of acme"]);
  assert.match(certificate?.serial ?? "", /^10/);
  assert.ok(Math.abs((certificate?.notAfterMs ?? 0) - Date.now() - 86_400_000) < 3_600_000);
  const again = ca.issue("other", { keyFile: alice.keyFile });
  await psql(at, at.grant(), `${using(again)} application_name=second`, ...ask);
  const second = (await opened(at, (name) => name === "second")).certificate;
  assert.equal(second?.key, certificate?.key);
  assert.notEqual(second?.serial, certificate?.serial);
});

test("where it is optional, a client without one is let in, and nothing is said of a certificate", async () => {
  const at = await world({ tls: asking() });
  await psql(at, at.grant(), "sslmode=require", ...ask);
  assert.equal("certificate" in (await opened(at)), false);
});

test("a certificate alone opens nothing: the Grant's secret is asked for all the same", async () => {
  const at = await world({ tls: asking("required") });
  const { user } = at.grant();
  await assert.rejects(
    psql(at, { user, secret: "wrong" }, using(ca.issue("alice")), ...ask),
    /password authentication/,
  );
  assert.deepEqual(at.refusals(), ["login.failed"]);
});

test("a certificate that is not good is refused and told why, never taken for none", async () => {
  const at = await world({ tls: asking() });
  const good = ca.issue("alice");
  const cases: [string, Issued, RegExp][] = [
    ["of another CA", stranger.issue("alice"), /CN=alice.*UNABLE_TO_/],
    ["past its end", ca.issue("late", { holds: ["20200101000000Z", "20200102000000Z"] }), /CN=late.*CERT_HAS_EXPIRED/],
    ["not yet", ca.issue("early", { holds: ["20900101000000Z", "20910101000000Z"] }), /early.*CERT_NOT_YET_VALID/],
    ["of a server", ca.issue("www", { usage: "serverAuth" }), /CN=www.*INVALID_PURPOSE/],
    ["reissued by another CA", stranger.issue("alice", { keyFile: good.keyFile }), /UNABLE_TO_/],
  ];
  for (const [what, issued, why] of cases) {
    const said = await turnedAway(at, using(issued));
    assert.match(said, /FATAL: {2}the client certificate of /, what);
    assert.match(said, why, what);
  }
  assert.deepEqual(
    at.refusals(),
    cases.map(() => "login.certificate"),
  );
  assert.ok(!at.said.some(({ type }) => type === "opened"));
  assert.deepEqual(at.faults, []);
});

test("required and missing is refused before a password is asked for, with TLS and without", async () => {
  const at = await world({ tls: asking("required") });
  assert.match(
    await turnedAway(at, "sslmode=require"),
    /FATAL: {2}this gateway takes sessions with a client certificate/,
  );
  const { user } = at.grant();
  const peer = new Peer(at.entry.port).startup({ user, database: "orders" });
  const answer = (await peer.ended).toString();
  assert.equal(answer[0], "E", "the first answer is the refusal");
  assert.match(answer, /C28000/);
  assert.deepEqual(at.refusals(), ["login.certificate", "login.certificate"]);
  const { stdout } = await psql(at, at.grant(), using(ca.issue("alice")), ...ask);
  assert.match(stdout, /let in/);
});

/** A handshake by hand. @returns the connection, and what it may be resumed by */
async function handshake(at: World, version: "TLSv1.2" | "TLSv1.3", more: object): Promise<[TLSSocket, Buffer | null]> {
  const direct = { port: at.entry.port, ALPNProtocols: ["postgresql"], rejectUnauthorized: false };
  const socket = connect({ ...direct, minVersion: version, maxVersion: version, ...more });
  let session: Buffer | null = null;
  socket.on("session", (given: Buffer) => {
    session = given;
  });
  socket.on("error", () => undefined);
  await new Promise((done) => socket.once("secureConnect", done));
  // A ticket of TLS 1.3 comes behind the handshake; what answers to nonsense comes behind that.
  socket.write(Buffer.from([0, 0, 0, 8, 0, 9, 0, 0]));
  await new Promise((done) => socket.once("data", done));
  return [socket, session];
}

test("direct TLS asks for the certificate too, and no session is resumed with an older one", async () => {
  const at = await world({ tls: asking("required") });
  const { certFile, keyFile } = ca.issue("alice");
  const [cert, key] = [await readFile(certFile), await readFile(keyFile)];
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const [first, session] = await handshake(at, version, { cert, key });
    first.destroy();
    const [second] = await handshake(at, version, session === null ? {} : { session });
    assert.equal(second.isSessionReused(), false, version);
    second.destroy();
  }
  const direct = client(at, at.grant(), { ssl: { rejectUnauthorized: false, cert, key } });
  await direct.connect();
  assert.equal((await opened(at)).certificate?.key, keyDigestOf({ certFile, keyFile }));
  await direct.end();
});

test("handshakes at the same time are not taken for one another", async () => {
  const at = await world({ tls: asking() });
  const issued = ["a", "b", "c", "d"].map((name) => ({ name, ...ca.issue(name) }));
  const clients = await Promise.all(
    [...issued, ...issued].map(async ({ name, certFile, keyFile }, n) => {
      const ssl = { rejectUnauthorized: false, cert: await readFile(certFile), key: await readFile(keyFile) };
      return client(at, at.grant(), { ssl, application_name: `${name} ${n}` });
    }),
  );
  await Promise.all(clients.map((one) => one.connect()));
  const all = at.said.flatMap((said) => (said.type === "opened" ? [said.facts] : []));
  assert.equal(all.length, 8);
  for (const { application, certificate } of all) assert.equal(certificate?.subject, `CN=${application[0]}`);
  await Promise.all(clients.map((one) => one.end()));
});

test("a file that holds no CA is refused when the gateway starts: all of the web would be trusted instead", async () => {
  const empty = join(folder, "empty.pem");
  await writeFile(empty, "nothing\n");
  const { certFile, keyFile } = ca.issue("alice");
  const torn = join(folder, "torn.pem");
  await writeFile(torn, (await readFile(ca.caFile, "utf8")).replace(/\n.{20}/, "\n!!!!"));
  for (const clientCaFile of [empty, keyFile, certFile, torn])
    await assert.rejects(loadCertificate({ ...stage.tls, clientCaFile }), { code: "config.invalid" }, clientCaFile);
  await assert.rejects(loadCertificate({ ...stage.tls, clientCaFile: "/nowhere" }), { code: "config.unreadable" });
});
