/**
 * One person with three identities at the identity provider and one client certificate. Nothing else ties them: no data, no
 * task, no token. Real psql with certificates of a real CA, the product's own processes, a real PostgreSQL.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import type { SessionsPage } from "../../schemas/api.ts";
import type { LinkInfo } from "../../schemas/link-shapes.ts";
import { eventually, granted, type Player, person, workload } from "../demo/cast.ts";
import { makeSchema } from "../demo/database.ts";
import { startWorld, type World } from "../demo/world.ts";
import { type Authority, type Issued, keyDigestOf, makeAuthority } from "../entry/authority.ts";
import { makeCertificate } from "../entry/world.ts";

const detection = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;
const rules = [
  detection("a_read", "{ operation: read, tags: pii }"),
  detection("a_copy", "{ operation: transform, tags: pii }"),
  detection("an_end", "{ destroys: true }"),
  `title: One actor reads, copies and destroys
name: one_actor
level: high
correlation:
  type: temporal_ordered
  rules: [a_read, a_copy, an_end]
  timespan: 1h
  group-by: [chain.actor]
x-chain:
  mode: enforce
  distinct: { field: account, min: 3 }
  gate: { action: hold, approvers: [data-owners], wait: 1m, unavailable: hold }
`,
].join("---\n");

const schema = "one_certificate";
let world: World;
let ca: Authority;
let one: Issued;
let players: Record<"extract" | "transform" | "load", Player>;
let olga: Player;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "one-certificate-"));
  ca = makeAuthority(join(folder, "ca"));
  one = ca.issue("mallory");
  world = await startWorld({ folder, holdSeconds: 1, rules: [], without: ["gateway", "store"] });
  const server = await makeCertificate(folder);
  const tls = `gateway:\n  tls: { certFile: ${server.certFile}, keyFile: ${server.keyFile}, clientCaFile: ${ca.caFile} }\n`;
  const text = await readFile(world.configFile, "utf8");
  await writeFile(world.configFile, text.replace("gateway:\n", tls));
  await writeFile(join(folder, "rules", "one-actor.yml"), rules);
  await makeSchema(world.postgres, schema);
  await world.start("gateway");
  await world.start("store");
  players = {
    extract: await workload(world, "extract"),
    transform: await workload(world, "transform"),
    load: await workload(world, "load"),
  };
  olga = await person(world, "olga");
});
after(async () => {
  await world.stop();
  await rm(folder, { recursive: true });
});

/** What psql printed; of a refusal too. */
async function psql(who: keyof typeof players, shown: Issued | null, sql: string): Promise<string> {
  const { host, port, database, user, secret } = await granted(players[who], who, "nightly work");
  const certificate = shown === null ? "sslcert=/nowhere" : `sslcert=${shown.certFile} sslkey=${shown.keyFile}`;
  const dsn = `host=${host} port=${port} dbname=${database} user=${user} sslmode=require ${certificate} options=-csearch_path=${schema}`;
  const env = { PATH: process.env.PATH ?? "", PGPASSWORD: secret, LANG: "C.UTF-8", PGCONNECT_TIMEOUT: "10" };
  return promisify(execFile)("psql", ["-X", "-v", "VERBOSITY=verbose", dsn, "-c", sql], { env }).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: Error & { stdout: string; stderr: string }) => error.stdout + error.stderr,
  );
}

const destroy = "DELETE FROM regions";
async function night(shown: Issued | null): Promise<void> {
  assert.match(await psql("extract", shown, "SELECT * FROM customers LIMIT 3"), /3 rows/);
  assert.match(await psql("transform", shown, "INSERT INTO staging_customers SELECT * FROM customers"), /INSERT 0/);
}

const identityOf = (name: string) => `${world.issuer}|${name}`;

async function links(identity: string): Promise<readonly LinkInfo[]> {
  const { body } = await olga.api("GET", `/api/links?identity=${encodeURIComponent(identityOf(identity))}`);
  return (body as { links: LinkInfo[] }).links;
}

/** Olga rejects, one after the other, every link of this identity. */
async function reject(identity: string): Promise<number> {
  const all = (await links(identity)).filter(({ rejected }) => rejected === null);
  for (const { link } of all) {
    const { status } = await olga.api("DELETE", `/api/links/${encodeURIComponent(link)}`, { reason: "a kiosk" });
    assert.ok(status === 200 || status === 409, `${status}`);
  }
  return all.length;
}

test("without a certificate nothing ties the three, and the last one destroys unasked", async () => {
  await night(null);
  assert.match(await psql("load", null, destroy), /DELETE \d/);
});

test("with one certificate in all three hands the last one is held, and the link is listed", async () => {
  await night(one);
  assert.match(await psql("load", one, destroy), /42501.*\n?(.*\n)*.*one_actor/);
  const [link] = await links("load");
  assert.deepEqual(
    [link?.from, link?.strength, link?.identities.length, link?.reason.startsWith("the same client certificate (CN=")],
    ["certificate", "strong", 3, true],
  );
});

test("the session says which certificate it came with", async () => {
  const ivan = await person(world, "ivan");
  const sessions = await eventually("the session in the store", async () => {
    const { body } = await ivan.api("GET", `/api/sessions?identity=${encodeURIComponent(identityOf("load"))}`);
    const found = (body as unknown as SessionsPage).sessions.filter(({ certificate }) => certificate !== null);
    return found.length > 0 && found;
  });
  assert.deepEqual(sessions[0]?.certificate?.key, keyDigestOf(one));
  assert.deepEqual(
    [sessions[0]?.certificate?.subject, sessions[0]?.certificate?.issuer],
    ["CN=mallory", "CN=Clients of acme"],
  );
});

test("killed and started again it is held still; leaving the certificate away does not untie what was tied", async () => {
  await world.kill("gateway", "SIGKILL");
  await world.start("gateway");
  assert.match(await eventually("a gateway that answers", async () => psql("load", null, destroy)), /42501/);
});

test("who rejects the links lets it run; a certificate issued again for the same key ties anew", async () => {
  assert.ok((await reject("load")) > 0);
  assert.match(await psql("load", null, destroy), /DELETE \d/);
  const again = ca.issue("renamed", { keyFile: one.keyFile });
  await psql("load", again, "SELECT 1");
  await psql("extract", one, "SELECT 1");
  await psql("transform", one, "SELECT 1");
  assert.match(await psql("load", null, destroy), /42501/);
});

test("where it is required, nobody comes without one", async () => {
  const text = await readFile(world.configFile, "utf8");
  await writeFile(world.configFile, text.replace(`clientCaFile: ${ca.caFile}`, `$&, clientCertificate: required`));
  await world.kill("gateway", "SIGTERM");
  await world.start("gateway");
  assert.match(await psql("load", null, "SELECT 1"), /FATAL.*client certificate only/);
  assert.match(await psql("load", one, "SELECT 1 AS let_in"), /let_in/);
});
