/**
 * Two tenants on the same servers, seen from every boundary between them: nothing of one is visible to the other, and
 * nothing that one says is believed by the other, whoever copies what where.
 */
import assert from "node:assert/strict";
import { createPrivateKey, type JsonWebKey, randomUUID, sign } from "node:crypto";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { objectBlobs } from "../../infra/blobs/blobs-objects.ts";
import { folderObjects } from "../../infra/blobs/objects-folder.ts";
import { keyObjectName } from "../../infra/keys/key-object.ts";
import { openObjectKeys } from "../../infra/keys/keys-objects.ts";
import type { Bus, Inbound } from "../../infra/log/bus.ts";
import { openJournal } from "../../infra/log/journal.ts";
import { openKafka } from "../../infra/log/kafka.ts";
import { makePack, readPack } from "../../infra/log/pack.ts";
import { openSocketLog } from "../../infra/log/socket-client.ts";
import { openSocketHost } from "../../infra/log/socket-host.ts";
import { parseSources } from "../../infra/log/sources.ts";
import { verifyExport } from "../../infra/log/verify-export.ts";
import { verifyFolder } from "../../infra/log/verify-folder.ts";
import { eventually } from "../demo/cast.ts";
import { throughline } from "../demo/command-line.ts";
import { makeSchema } from "../demo/database.ts";
import { loggedIn, workloadToken } from "../demo/world.ts";
import { type Cast, castOf, enter, play, type Story, session, timeline } from "./story.ts";
import { type Company, openStreet, type Street, type Tenant } from "./world.ts";

let street: Street;
let acme: Cast;
let bolt: Cast;
let ours: Story;
let theirs: Story;
let bus: Bus;

before(async () => {
  street = await openStreet();
  for (const schema of ["common", "acme", "bolt"]) await makeSchema(street.postgres, schema);
  [acme, bolt] = await Promise.all([castOf(street.companies.acme), castOf(street.companies.bolt)]);
  bus = openKafka({ brokers: [street.broker.address], clientId: "a-stranger", tls: null, sasl: null });
  await someStepsInBolt();
  [ours, theirs] = await Promise.all([play(acme, "acme"), play(bolt, "bolt")]);
});
after(async () => {
  for (const { client } of [...(acme?.actors ?? []), ...(bolt?.actors ?? [])]) client.end().catch(() => {});
  await bus?.close();
  await street?.stop();
});

async function someStepsInBolt(): Promise<void> {
  await (await session(bolt, "extract", "common")).client.query("SELECT * FROM customers LIMIT 1");
  const transform = await session(bolt, "transform", "common");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers WHERE id = 1");
}

/** Messages that are copied: more refusals a minute than some dozens are only counted. */
const some = 5;

/** Every message of a topic's first partition, as anybody reads it who may read there. */
async function messagesOf(topic: string): Promise<Inbound[]> {
  const { end } = await bus.bounds(topic, 0);
  const found: Inbound[] = [];
  const tail = bus.tail(topic, 0, 0, (messages) => void found.push(...messages));
  await eventually(`${end} messages of ${topic}`, async () => found.length >= end);
  await tail.close();
  return found;
}

const topicOf = (tenant: Tenant, stream: "steps" | "events") => `tl.${tenant}.${stream}`;
const refusals = async (cast: Cast) => (await timeline(cast, "type=log.refused&limit=200")).length;
const registryOf = async ({ keys }: Company) => parseSources(await readFile(join(keys, "sources.json"), "utf8"));

async function put(topic: string, values: readonly Uint8Array[]): Promise<void> {
  for (const value of values) await bus.send([{ topic, partition: 0, key: "acme", value }]);
}

async function worksOn(cast: Cast): Promise<void> {
  const { client } = await session(cast, "load", "common");
  assert.equal((await client.query("SELECT email FROM customers LIMIT 2")).rowCount, 2);
}

interface Exported {
  readonly lines: string[];
  readonly manifest: { tenant: string };
}

async function exported(cast: Cast): Promise<Exported> {
  const agent = await loggedIn(cast.company, "ivan");
  const { api } = cast.company;
  const text = await (await agent.fetch(`${api}/api/export`, { headers: { origin: api } })).text();
  const lines = text.trimEnd().split("\n");
  const { manifest } = JSON.parse(lines.pop()!) as { manifest: Exported["manifest"] };
  return { lines, manifest };
}

describe("the shared log", () => {
  test("steps of one tenant, copied into the other's topic, are refused and written down, and change nothing there", async () => {
    const before = await refusals(acme);
    const values = (await messagesOf(topicOf("bolt", "steps"))).slice(0, some).map(({ value }) => value);
    await put(topicOf("acme", "steps"), values);
    await eventually("a refusal", async () => (await refusals(acme)) > before);
    await worksOn(acme);
  });

  test("events of one tenant, copied into the other's topic, are refused and written down", async () => {
    const before = await refusals(acme);
    const values = (await messagesOf(topicOf("bolt", "events"))).slice(0, some).map(({ value }) => value);
    await put(topicOf("acme", "events"), values);
    await eventually("a refusal", async () => (await refusals(acme)) > before);
    await worksOn(acme);
  });

  test("what one tenant's keys sign in the other's name is refused", async () => {
    const { known } = await registryOf(bolt.company);
    const pem = await readFile(join(bolt.company.keys, "store", "api-store.pem"), "utf8");
    const messages = await messagesOf(topicOf("bolt", "steps"));
    const packs = messages.map(({ value }) => readPack(value, "steps", { tenant: "bolt", known }));
    const said = packs.filter(({ source }) => source.source === "api/store").slice(0, some);
    assert.ok(said.length > 0);
    const before = await refusals(acme);
    const forged = said.map(({ body, source, stream, first, batches }) =>
      makePack(
        createPrivateKey(pem),
        { tenant: "acme", source: source.source, stream, first },
        batches.map((batch) => batch.map(({ part, at }) => body.subarray(at, part.end))),
      ),
    );
    await put(topicOf("acme", "steps"), forged);
    await eventually("a refusal", async () => (await refusals(acme)) > before);
    await worksOn(acme);
  });

  test("the archive holds records of its own tenant alone, and verifies", async () => {
    for (const { company } of [acme, bolt]) {
      const report = verifyFolder(company.dataOf("store"), (await registryOf(company)).known);
      assert.ok(report.ok, JSON.stringify(report.problem));
    }
    const { lines } = await exported(acme);
    for (const line of lines) {
      const { json } = JSON.parse(line) as { json: string };
      assert.equal((JSON.parse(json) as { tenant: string }).tenant, "acme");
    }
  });
});

describe("deciding", () => {
  test("a Grant of one tenant opens nothing at the other's gateway", async () => {
    await assert.rejects(enter(acme, theirs.grant, "common"), { code: "28P01" });
    await (await enter(bolt, theirs.grant, "common")).client.query("SELECT 1");
  });

  test("a chain whose first steps were another tenant's is no chain, on the same target", async () => {
    const { client, notices } = await session(acme, "load", "common");
    assert.equal((await client.query("DELETE FROM staging_customers")).rowCount, 1);
    assert.deepEqual(notices, []);
  });

  test("a block of one tenant stops nobody of the other", async () => {
    const scope = { account: "extract" };
    const { body } = await bolt.olga.api("POST", "/api/blocks", { scope, reason: "a test" });
    const blocked = await session(bolt, "extract", "common");
    await eventually("the block", async () =>
      blocked.client.query("SELECT 1").then(
        () => false,
        () => true,
      ),
    );
    await (await session(acme, "extract", "common")).client.query("SELECT 1");
    assert.equal((await bolt.olga.api("DELETE", `/api/blocks/${String(body.block)}`, { reason: "over" })).status, 200);
  });
});

describe("keys and blobs", () => {
  const master = ({ company }: Cast) => readFile(join(company.keys, "store", "master.key"));
  const placeOf = (tenant: Tenant) => folderObjects(join(street.folder, "blobs", tenant));
  const now = () => performance.now();

  test("a session key of one tenant is not there for the other, and copied there does not open", async () => {
    const keys = await openObjectKeys({ objects: placeOf("acme"), tenant: "acme", master: await master(acme), now });
    assert.ok(await keys.get(ours.keyId));
    await assert.rejects(keys.get(theirs.keyId), { code: "keys.missing" });
    const named = (tenant: Tenant) => keyObjectName({ tenant, key: new Uint8Array(32) }, theirs.keyId);
    const stolen = await placeOf("bolt").get(named("bolt"), 1024);
    assert.ok(stolen);
    await placeOf("acme").put(named("acme"), stolen);
    await assert.rejects(keys.get(theirs.keyId), { code: "keys.master" });
    await keys.close();
  });

  test("the place of one tenant does not open under the other's name, even with its master key", async () => {
    const [own, other] = [await master(acme), await master(bolt)];
    for (const key of [own, other]) {
      const opening = openObjectKeys({ objects: placeOf("bolt"), tenant: "acme", master: key, now });
      await assert.rejects(opening, { code: "keys.master" });
    }
  });

  test("a blob of one tenant is not there for the other, by its digest or by any path", async () => {
    const [mine, yours] = [objectBlobs(placeOf("acme")), objectBlobs(placeOf("bolt"))];
    const reference = await yours.put(Buffer.from("a recording of bolt"));
    assert.equal(await mine.has(reference), false);
    await assert.rejects(mine.get(reference), { code: "not.found" });
    const path = `sha256:../../bolt/blobs/${reference.slice(7, 9)}/${reference.slice(7)}`;
    await assert.rejects(async () => mine.get(path));
  });
});

describe("the store", () => {
  test("a process of one tenant that is pointed at the other's database ends, and says why", async () => {
    const { company } = acme;
    const config = JSON.parse(await readFile(company.configOf("spare"), "utf8")) as Record<string, unknown>;
    const file = join(company.folder, "pointed.yaml");
    await writeFile(file, JSON.stringify({ ...config, store: street.clickhouse.config("bolt").store }));
    assert.match(await street.attempt("spare", file), /store\.foreign/);
  });

  test("no statement of one tenant names the other's database", () => {
    const { statements } = street.clickhouse;
    const ofAcme = statements.filter((line) => line.startsWith("throughline_acme: "));
    assert.ok(ofAcme.length > 0);
    assert.deepEqual(
      ofAcme.filter((line) => line.includes("bolt")),
      [],
    );
  });
});

describe("the api", () => {
  const ask = async (token: string, company: Company) =>
    (await fetch(`${company.api}/api/me`, { headers: { authorization: `Bearer ${token}` } })).status;

  test("a token of the other tenant's issuer is refused", async () => {
    const token = await workloadToken(bolt.company, "load");
    assert.equal(await ask(token, bolt.company), 200);
    assert.equal(await ask(token, acme.company), 401);
  });

  test("a token for another audience, or that names another issuer, is refused though the right key signed it", async () => {
    assert.equal(await ask(await forged({}), acme.company), 200);
    assert.equal(await ask(await forged({ aud: "urn:throughline:bolt" }), acme.company), 401);
    assert.equal(await ask(await forged({ iss: bolt.company.issuer }), acme.company), 401);
    assert.equal(await ask(await forged({ iss: bolt.company.issuer }), bolt.company), 401);
  });

  test("a console login of one tenant is none at the other's api", async () => {
    const agent = await loggedIn(bolt.company, "ivan");
    const cookies = (await agent.fetch(`${acme.company.api}/api/me`)).status;
    assert.equal(cookies, 401);
  });

  test("ids of one tenant are unknown to the other: events, sessions, chains, approvals, blocks, Grants", async () => {
    const id = encodeURIComponent;
    assert.ok(theirs.chain !== "" && theirs.keyId !== "");
    const asked: readonly (readonly [Cast["olga"], string, string, unknown?])[] = [
      [acme.ivan, "GET", `/api/sessions/${id(theirs.session)}`],
      [acme.ivan, "GET", `/api/chains/${id(theirs.chain)}`],
      [acme.olga, "GET", `/api/approvals/${id(theirs.approval)}`],
      [acme.olga, "POST", `/api/approvals/${id(theirs.approval)}/answer`, { answer: "approve", reason: "a test" }],
      [acme.olga, "DELETE", `/api/blocks/${id(theirs.block)}`, { reason: "a test" }],
      [acme.jobs.load, "DELETE", `/api/grants/${id(theirs.grant.grant)}`, { reason: "a test" }],
    ];
    for (const [who, method, path, body] of asked) {
      const given = await who.api(method, path, body);
      assert.ok([403, 404].includes(given.status), `${method} ${path}: ${given.status}`);
      const unknown = await who.api(method, path.replace(/[^/]+(?=$|\/answer)/, "g1-aaaaaaaaaaaaaaaa"), body);
      assert.equal(given.status, unknown.status, `${method} ${path} tells that it is somewhere`);
    }
    // Ids of events name their source, and both tenants call theirs alike: whatever is found is one's own.
    const event = await acme.ivan.api("GET", `/api/events/${id(theirs.event)}`);
    if (event.status !== 404) isOfAcme(JSON.stringify(event.body));
  });

  test("cursors and filters of one tenant show the other nothing but its own", async () => {
    for (const query of [
      `before=${theirs.position}&limit=1000`,
      "limit=1000",
      `text=${theirs.mark}`,
      `session=${encodeURIComponent(theirs.session)}`,
      `identity=${encodeURIComponent(`${bolt.company.issuer} load`)}`,
    ])
      isOfAcme(JSON.stringify((await timeline(acme, query)).filter(({ type }) => !quoting.includes(type))));
    for (const path of ["/api/chains", "/api/sessions", "/api/alerts"])
      isOfAcme(JSON.stringify((await acme.ivan.api("GET", path)).body));
    for (const path of ["/api/approvals?state=all", "/api/blocks", "/api/grants"])
      isOfAcme(JSON.stringify((await acme.olga.api("GET", path)).body));
  });
});

/** They say what acme's own people asked for, in their words. */
const quoting = ["audit.read", "audit.exported"];

function isOfAcme(text: string): void {
  for (const mark of [bolt.company.issuer, theirs.mark, theirs.approval, theirs.block, theirs.session])
    assert.ok(!text.includes(mark), `${mark} is shown to acme`);
}

/** As acme's identity provider would sign it. */
async function forged(claims: object): Promise<string> {
  const file = join(acme.company.folder, "provider", "provider-keys.json");
  const { jwks } = JSON.parse(await readFile(file, "utf8")) as { jwks: { keys: (JsonWebKey & { kid: string })[] } };
  const [key] = jwks.keys;
  const text = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const iat = Math.floor(Date.now() / 1000);
  const usual = {
    iss: acme.company.issuer,
    aud: "urn:throughline",
    sub: "load",
    iat,
    exp: iat + 600,
    jti: randomUUID(),
  };
  const signed = `${text({ alg: "ES256", typ: "at+jwt", kid: key?.kid })}.${text({ ...usual, ...claims })}`;
  const options = { key: createPrivateKey({ key: key!, format: "jwk" }), dsaEncoding: "ieee-p1363" } as const;
  return `${signed}.${sign("sha256", Buffer.from(signed), options).toString("base64url")}`;
}

describe("evidence", () => {
  test("an export holds one tenant's records, verifies with its keys, and with the other's does not", async () => {
    const [a, b] = [await exported(acme), await exported(bolt)];
    assert.deepEqual([a.manifest.tenant, b.manifest.tenant], ["acme", "bolt"]);
    for (const line of a.lines) {
      const { json } = JSON.parse(line) as { json: string };
      if (!quoting.includes((JSON.parse(json) as { type: string }).type)) isOfAcme(json);
    }
    const [own, other] = [(await registryOf(acme.company)).known, (await registryOf(bolt.company)).known];
    const verify = async (from: Exported, manifest: unknown, trusted: typeof own) =>
      (await verifyExport({ lines: from.lines, manifest, trusted })).ok;
    assert.equal(await verify(a, a.manifest, own), true);
    assert.equal(await verify(a, a.manifest, other), false);
    assert.equal(await verify(b, { ...b.manifest, tenant: "acme" }, own), false);
    assert.equal(await verify(b, { ...b.manifest, tenant: "acme" }, other), false);
  });
});

/** What the api said until now is in the store: a question is an event of the api's own, after all before it. */
async function isCaughtUp(cast: Cast): Promise<void> {
  const mark = randomUUID();
  await timeline(cast, `text=${mark}&limit=1`);
  await eventually("the audit of a question", async () =>
    JSON.stringify(await timeline(cast, "type=audit.read&limit=50")).includes(mark),
  );
}

describe("one machine, and the command line", () => {
  test("a process with another tenant's keys is refused at the log's socket, and hears nothing", async () => {
    const [a, b] = [join(street.folder, "machine-acme"), join(street.folder, "machine-bolt")];
    const about = { name: "one", now: Date.now, fatal: (error: Error) => assert.fail(error) };
    await (await openJournal({ ...about, folder: b, tenant: "bolt" })).close();
    const journal = await openJournal({ ...about, folder: a, tenant: "acme" });
    const host = await openSocketHost(journal, a, Date.now);
    const stranger = join(street.folder, "machine-stranger");
    await mkdir(join(stranger, "log"), { recursive: true });
    await cp(join(b, "keys"), join(stranger, "keys"), { recursive: true });
    await symlink(host.path, join(stranger, "log", "socket"));
    const opening = openSocketLog({ folder: stranger, name: "one", roles: ["api"], now: Date.now, closeWaitMs: 50 });
    await assert.rejects(opening, { code: "log.refused" });
    await host.close();
    await journal.close();
  });

  test("the command line sends the login of one tenant nowhere else", async (t) => {
    const failures = async () => (await timeline(bolt, "type=identity.login_failed&limit=100")).length;
    await isCaughtUp(bolt);
    const before = await failures();
    const sent: string[] = [];
    const stranger = createServer((request, answer) => {
      sent.push(String(request.headers.authorization ?? ""));
      answer.writeHead(401).end();
    });
    await new Promise<void>((done) => stranger.listen(0, "127.0.0.1", done));
    t.after(() => stranger.close());
    const terminal = await throughline(acme.company, "ivan");
    t.after(terminal.close);
    assert.match(await terminal.run("--url", acme.company.api, "timeline", "--json"), /gateway/);
    for (const url of [`http://127.0.0.1:${(stranger.address() as AddressInfo).port}`, bolt.company.api])
      await assert.rejects(terminal.run("--url", url, "timeline"));
    assert.deepEqual(
      sent.filter((authorization) => authorization !== ""),
      [],
    );
    await isCaughtUp(bolt);
    assert.equal(await failures(), before);
  });
});
