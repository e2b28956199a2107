/**
 * Many machines, end to end: two gateways, two correlators and an archive beside the store, over a real Kafka broker and
 * a real PostgreSQL. What one gateway lets through, the other knows; what people decide, both obey; two correlators say
 * the same.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseSources } from "../../infra/log/sources.ts";
import { verifyExport } from "../../infra/log/verify-export.ts";
import type { ApprovalInfo, Approvals, BlockInfo, Me, TimelinePage } from "../../schemas/api.ts";
import { type Actor, connect, eventually, type Grant, granted, type Player, person, workload } from "../demo/cast.ts";
import { direct, makeSchema } from "../demo/database.ts";
import { loggedIn } from "../demo/world.ts";
import { type GatewayName, keysOf } from "./files.ts";
import { type Cluster, startCluster } from "./world.ts";

const schema = "shop";

let world: Cluster;
let jobs: Record<"extract" | "transform" | "load", Player>;
let olga: Player;
let ivan: Player;
const actors: Actor[] = [];

before(async () => {
  world = await startCluster();
  await makeSchema(world.postgres, schema);
  jobs = {
    extract: await workload(world, "extract"),
    transform: await workload(world, "transform"),
    load: await workload(world, "load"),
  };
  [olga, ivan] = [await person(world, "olga"), await person(world, "ivan")];
});

after(async () => {
  for (const actor of actors) await actor.end().catch(() => {});
  await world?.stop();
});

async function through(gateway: GatewayName, grant: Grant, of = schema): Promise<Actor> {
  const actor = await connect({ ...grant, port: world.gateways[gateway] }, of);
  actors.push(actor);
  const query = actor.client.query.bind(actor.client) as (text: string) => Promise<unknown>;
  actor.client.query = ((text: string) => unlessStale(() => query(text))) as typeof actor.client.query;
  return actor;
}

/** A machine that is slow enough cuts its own gateways off for a moment: what was refused for that is asked again. */
async function unlessStale(work: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    const done = await work().then(
      (result) => ({ result }),
      (error: Error) => error,
    );
    if ("result" in done) return done.result;
    if (!/shared log cannot be reached/.test(done.message)) throw done;
  }
}

async function session(gateway: GatewayName, as: keyof typeof jobs, of = schema): Promise<Actor> {
  return through(gateway, await granted(jobs[as], as, `test of many machines, ${as}`), of);
}

async function openApproval(notice: Actor["notices"][number]): Promise<ApprovalInfo> {
  return eventually("the approval", async () => {
    const { approvals } = (await olga.api("GET", "/api/approvals?state=open")).body as unknown as Approvals;
    return approvals.find(({ approval }) => notice.hint.includes(approval));
  });
}

/** Runs what must be held. @returns the approval that is asked, and the client's answer to come */
async function held(actor: Actor, sql: string): Promise<{ approval: string; running: Promise<{ rowCount: number }> }> {
  const seen = actor.notices.length;
  const running = actor.client.query(sql) as unknown as Promise<{ rowCount: number }>;
  const ended = running.then(
    () => assert.fail(`it was not held but ran: ${sql}`),
    (error: Error) => assert.fail(`it was not held but refused: ${error.message}`),
  );
  const notice = await Promise.race([eventually("a NOTICE", async () => actor.notices[seen]), ended]);
  ended.catch(() => {});
  return { approval: (await openApproval(notice)).approval, running };
}

async function answer(approval: string, what: "approve" | "refuse"): Promise<void> {
  const { status } = await olga.api("POST", `/api/approvals/${approval}/answer`, { answer: what, reason: "a test" });
  assert.equal(status, 200);
}

/** How often PostgreSQL itself was given this text. */
async function seenByTarget(text: string): Promise<number> {
  const log = await readFile(world.postgres.log, "utf8");
  return log.split("\n").filter((line) => /LOG: {2}(statement|execute)/.test(line) && line.includes(text)).length;
}

const isRefused = (error: { code?: string }) => error.code === "42501";

async function timeline(query: string): Promise<TimelinePage["rows"]> {
  return ((await ivan.api("GET", `/api/timeline?${query}`)).body as unknown as TimelinePage).rows;
}

test("a chain over three accounts and two gateways is held before its last step, and an approval runs it once", async () => {
  const extract = await session("gw-a", "extract");
  const transform = await session("gw-b", "transform");
  const load = await session("gw-a", "load");
  assert.equal((await extract.client.query("SELECT * FROM customers LIMIT 3")).rowCount, 3);
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers WHERE id <= 20");
  const sql = "DELETE FROM staging_customers /* once */";
  const first = await held(load, sql);
  assert.equal(await seenByTarget("/* once */"), 0);
  await answer(first.approval, "approve");
  assert.equal((await first.running).rowCount, 20);
  assert.equal(await seenByTarget("/* once */"), 1);
  const again = await held(load, sql);
  await answer(again.approval, "refuse");
  await assert.rejects(again.running, isRefused);
  assert.equal(await seenByTarget("/* once */"), 1);
});

test("an approval for which a session waits at each gateway is used once", async () => {
  const grant = await granted(jobs.load, "load", "the same at both");
  const [a, b] = [await through("gw-a", grant), await through("gw-b", grant)];
  const sql = "DELETE FROM staging_customers /* both */";
  const one = await held(a, sql);
  const other = await held(b, sql);
  assert.equal(other.approval, one.approval, "the second waits for the first one's approval");
  const ran = async (running: Promise<unknown>, actor: Actor) => {
    const before = actor.notices.length;
    let end: "ran" | "refused" | null = null;
    running.then(
      () => (end = "ran"),
      () => (end = "refused"),
    );
    await eventually("its end, or a new hold", async () => end !== null || actor.notices.length > before);
    return end === "ran";
  };
  const outcomes = Promise.all([ran(one.running, a), ran(other.running, b)]);
  await answer(one.approval, "approve");
  assert.deepEqual((await outcomes).toSorted(), [false, true]);
  assert.equal(await seenByTarget("/* both */"), 1);
});

test("from the first read after the COMMIT that brings tags, the other gateway masks", async () => {
  const load = await session("gw-a", "load");
  const reader = await session("gw-b", "load");
  for (let round = 0; round < 5; round += 1) {
    const table = `copy_${round}`;
    await load.client.query(`CREATE TABLE ${table} (id int, word text)`);
    await load.client.query(`INSERT INTO ${table} VALUES (0, 'plain')`);
    assert.equal((await reader.client.query(`SELECT word FROM ${table}`)).rows[0]?.word, "plain");
    await load.client.query("BEGIN");
    await load.client.query(`INSERT INTO ${table} SELECT id, email FROM customers WHERE id <= 3`);
    await load.client.query("COMMIT");
    const { rows } = await reader.client.query(`SELECT word FROM ${table}`);
    assert.equal(rows.length, 4);
    assert.doesNotMatch(JSON.stringify(rows), /example\.com|person/, `round ${round} showed an e-mail address`);
  }
});

test("a SELECT that waited for a lock shows nothing that was tagged while it waited, at either gateway", async () => {
  for (const gateway of ["gw-a", "gw-b"] as const) {
    const load = await session("gw-a", "load");
    const reader = await session(gateway, "load");
    const table = `waited_${gateway.slice(3)}`;
    await load.client.query(`CREATE TABLE ${table} (id int, word text)`);
    await reader.client.query(`SELECT word FROM ${table}`);
    await load.client.query("BEGIN");
    await load.client.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const waiting = reader.client.query(`SELECT word FROM ${table} /* waits */`);
    waiting.catch(() => {});
    await eventually("the lock's waiter", async () => {
      const sql = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::regclass";
      const ask = (owner: { query(text: string, values: string[]): Promise<{ rowCount: number | null }> }) =>
        owner.query(sql, [`${schema}.${table}`]);
      return ((await direct(world.postgres, "orders", ask)).rowCount ?? 0) > 0;
    });
    await load.client.query(`INSERT INTO ${table} SELECT id, email FROM customers WHERE id <= 3`);
    await load.client.query("COMMIT");
    await assert.rejects(waiting, { code: "40001" });
  }
});

test("a view that is redefined through one gateway is read by its new meaning through the other", async () => {
  const load = await session("gw-a", "load");
  const reader = await session("gw-b", "load");
  await load.client.query("CREATE VIEW words AS SELECT name AS word FROM customers WHERE id <= 3");
  assert.match((await reader.client.query("SELECT word FROM words")).rows[0]?.word, /^Customer/);
  for (const column of ["email", "name", "card", "name", "email"]) {
    await load.client.query(`CREATE OR REPLACE VIEW words AS SELECT ${column} AS word FROM customers WHERE id <= 3`);
    const text = JSON.stringify((await reader.client.query("SELECT word FROM words")).rows);
    if (column === "name") assert.match(text, /Customer/);
    else assert.doesNotMatch(text, /example\.com|person|\d{4}/, `${column} was shown`);
  }
});

test("a block stops open sessions at both gateways; lifted, they go on", async () => {
  const sessions = [await session("gw-a", "extract"), await session("gw-b", "extract")];
  const me = (await jobs.extract.api("GET", "/api/me")).body as unknown as Me;
  const request = { scope: { identity: me.identity.key }, reason: "a test" };
  const { block } = (await olga.api("POST", "/api/blocks", request)).body as unknown as BlockInfo;
  const works = (actor: Actor) =>
    actor.client.query("SELECT 1").then(
      () => true,
      () => false,
    );
  for (const actor of sessions) await eventually("the block", async () => !(await works(actor)));
  await olga.api("DELETE", `/api/blocks/${block}`, { reason: "over" });
  for (const actor of sessions) await eventually("the lifted block", () => works(actor));
});

test("a Grant that is revoked ends its sessions at both gateways", async () => {
  const grant = await granted(jobs.transform, "transform", "revoked soon");
  const both = [await through("gw-a", grant), await through("gw-b", grant)];
  const ended = both.map(({ client }) => new Promise<void>((done) => client.once("end", done)));
  const { status } = await jobs.transform.api("DELETE", `/api/grants/${grant.grant}`, { reason: "a test" });
  assert.ok(status < 300);
  await Promise.all(ended);
  await assert.rejects(through("gw-b", grant));
});

test("one correlator killed: a chain is still held; both killed: the rule's `unavailable` holds; back: as before", async () => {
  const of = "rest";
  await makeSchema(world.postgres, of);
  await (await session("gw-a", "extract", of)).client.query("SELECT * FROM customers LIMIT 1");
  await (await session("gw-b", "transform", of)).client.query("INSERT INTO staging_customers SELECT * FROM customers");
  const load = await session("gw-b", "load", of);
  const isHeld = async (mark: string) => {
    const { approval, running } = await held(load, `DELETE FROM staging_customers /* ${mark} */`);
    await answer(approval, "refuse");
    await assert.rejects(running, isRefused);
    assert.equal(await seenByTarget(`/* ${mark} */`), 0);
  };
  await world.kill("corr-a", "SIGKILL");
  await isHeld("one killed");
  await world.kill("corr-b", "SIGKILL");
  await isHeld("both killed");
  await Promise.all([world.start("corr-a"), world.start("corr-b")]);
  await isHeld("both back");
  const harmless = await direct(world.postgres, "orders", (owner) => owner.query(`SELECT 1 FROM ${of}.regions`));
  assert.equal(harmless.rowCount, 4);
});

test("one timeline over both gateways without a duplicate, and an export of it that verifies", async () => {
  const rows = await eventually("commands of both gateways", async () => {
    const found = await timeline("type=command.decided&limit=1000");
    return new Set(found.map(({ source }) => source)).size === 2 ? found : null;
  });
  assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
  const agent = await loggedIn(world, "ivan");
  const text = await (await agent.fetch(`${world.api}/api/export`, { headers: { origin: world.api } })).text();
  const lines = text.trimEnd().split("\n");
  const { manifest } = JSON.parse(lines.pop()!) as { manifest: never };
  const registry = await readFile(join(keysOf(world.folder), "sources.json"), "utf8");
  const report = await verifyExport({ lines, manifest, trusted: parseSources(registry).known });
  assert.ok(report.ok, JSON.stringify(report.problem));
  sameAnswers(lines.map((line) => JSON.parse((JSON.parse(line) as { json: string }).json)));
});

interface Said {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly data: unknown;
}

/** Whatever both correlators said under one id is the same. */
function sameAnswers(said: readonly Said[]): void {
  const first = new Map<string, Said>();
  let twice = 0;
  for (const one of said.filter(
    ({ source, type }) => source.startsWith("correlator/") && type === "command.answered",
  )) {
    const other = first.get(one.id);
    first.set(one.id, other ?? one);
    if (other === undefined || other.source === one.source) continue;
    twice += 1;
    assert.deepEqual(one.data, other.data);
  }
  assert.ok(twice >= 3, `only ${twice} intents were answered by both`);
}
