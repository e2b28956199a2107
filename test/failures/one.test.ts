/**
 * One machine, and one part after the other dies or is taken away: what a client reads then, what goes on, and what the
 * log says afterwards. Real processes; see table.ts for the whole table.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pass } from "node:timers/promises";
import type { TimelinePage } from "../../schemas/api.ts";
import {
  type Actor,
  comesBack,
  connect,
  eventually,
  type Grant,
  granted,
  type Player,
  person,
  refusalOf,
  workload,
} from "../demo/cast.ts";
import { makeSchema } from "../demo/database.ts";
import { workloadToken } from "../demo/world.ts";
import { asked, timesGiven, watched } from "./crowd.ts";
import { buildHouse, changeConfig, type House, providerKeys } from "./house.ts";

const schema = "shop";
const jobNames = ["extract", "transform", "load"] as const;

let house: House;
let jobs: Record<(typeof jobNames)[number], Player>;
let olga: Player;
let ivan: Player;
const actors: Actor[] = [];

before(async () => {
  house = await buildHouse();
  await makeSchema(house.target.now, schema);
  const [extract, transform, load] = await Promise.all(jobNames.map((name) => workload(house, name)));
  jobs = { extract: extract!, transform: transform!, load: load! };
  await logIn();
});
after(async () => {
  for (const { client } of actors) client.end().catch(() => {});
  await house?.stop();
});

/** What one test took away and did not give back is no failure of the next. */
afterEach(async () => {
  if (house === undefined) return;
  house.storage.fault = null;
  house.sabotage.mend();
  await Promise.all([house.target.start(), house.provider.start(), house.alerts.start()]);
});

/** Console logins end with the api's process. */
async function logIn(): Promise<void> {
  [olga, ivan] = [await person(house, "olga"), await person(house, "ivan")];
}

async function enter(grant: Grant): Promise<Actor> {
  const actor = await connect(grant, schema);
  actors.push(actor);
  return actor;
}

const grantOf = (as: keyof typeof jobs) => granted(jobs[as], as, `a test of failures, ${as}`);
const session = async (as: keyof typeof jobs) => enter(await grantOf(as));

async function timeline(query: string): Promise<TimelinePage["rows"]> {
  const { status, body } = await ivan.api("GET", `/api/timeline?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return (body as unknown as TimelinePage).rows;
}

async function isTold(type: string, sink: string): Promise<void> {
  await eventually(`${type} of ${sink}`, async () =>
    (await timeline(`type=${type}&limit=50`)).some(({ data }) => (data as { sink: string }).sink === sink),
  );
}

async function isRecorded(mark: string): Promise<void> {
  await eventually(`a record of ${mark}`, async () => {
    const rows = await timeline(`type=command.decided&text=${encodeURIComponent(mark)}&limit=10`);
    assert.ok(rows.length <= 1, `${mark} stands ${rows.length} times`);
    return rows.length === 1;
  });
}

const seenByTarget = (text: string) => timesGiven(house.target.now.log, text);

/** The chain up to its last step, over rows that no other test has. */
async function chainUpTo(
  id: number,
  sql: string,
  load: Actor,
): Promise<{ approval: string; running: Promise<unknown> }> {
  await (await session("extract")).client.query("SELECT * FROM customers LIMIT 1");
  const transform = await session("transform");
  await transform.client.query(`INSERT INTO staging_customers SELECT * FROM customers WHERE id = ${id}`);
  const seen = load.notices.length;
  const running = load.client.query(sql);
  running.catch(() => {}); // looked at later
  const notice = await eventually("a NOTICE", async () => load.notices[seen]);
  return { approval: (await asked(olga, notice.hint)).approval, running };
}

async function answer(approval: string, what: "approve" | "refuse"): Promise<number> {
  return (await olga.api("POST", `/api/approvals/${approval}/answer`, { answer: what, reason: "a test" })).status;
}

async function problemOf(who: Player, method: string, path: string, body?: unknown): Promise<string> {
  const given = await who.api(method, path, body);
  return `${given.status} ${String(given.body.code ?? given.body.type ?? "")}`;
}

test("projector and api dead: commands go on, what is held waits, nobody answers or gets a Grant; back, it is answered", async () => {
  const load = await session("load");
  const { approval, running } = await chainUpTo(1, "DELETE FROM staging_customers /* patient */", load);
  const waiting = watched(running);
  await house.kill("store", "SIGKILL");
  const other = await session("extract").catch((error: Error) => error);
  assert.ok(other instanceof Error, "a Grant was issued by nobody");
  await assert.rejects(fetch(`${house.api}/login`));
  assert.equal(waiting.ended(), false);
  await house.start("store");
  await logIn();
  assert.equal(await answer(approval, "approve"), 200);
  await running;
  assert.equal(await seenByTarget("/* patient */"), 1);
});

test("ClickHouse away, read-only, or its answers lost: commands, holds and answers go on, timelines say 503; back, they are whole", async () => {
  const load = await session("load");
  await house.clickhouse.kill();
  await load.client.query("SELECT 1 /* no store */");
  assert.match(await problemOf(ivan, "GET", "/api/timeline?limit=1"), /^503 .*store\.unavailable/);
  const { approval, running } = await chainUpTo(2, "DELETE FROM staging_customers /* no timelines */", load);
  assert.equal(await answer(approval, "approve"), 200);
  await running;
  await house.clickhouse.start();
  await isRecorded("/* no store */");
  const readOnly = "Table is in readonly mode (zookeeper is away). (TABLE_IS_READ_ONLY)";
  await house.clickhouse.fail({ match: "INSERT", how: "error", code: 242, text: readOnly, times: 2 });
  await load.client.query("SELECT 1 /* read-only store */");
  await isRecorded("/* read-only store */");
  await house.clickhouse.fail({ match: "INSERT", how: "after", times: 2 });
  await load.client.query("SELECT 1 /* the answer of the store is lost */");
  await isRecorded("/* the answer of the store is lost */");
  await isTold("sink.failed", "store");
  await isTold("sink.recovered", "store");
});

test("identity provider away: sessions, Grants, tokens and console go on, no new login; with new keys it is believed again", async () => {
  const load = await session("load");
  await house.provider.stop();
  await load.client.query("SELECT 1 /* no provider */");
  await (await session("load")).client.query("SELECT 1");
  assert.equal((await olga.api("GET", "/api/me")).status, 200);
  await assert.rejects(person(house, "ivan"), "the provider that does not answer logged somebody in");
  await rm(providerKeys(house.folder));
  await house.provider.start();
  const token = await workloadToken(house, "extract");
  // A key that is not known makes the api ask for the keys again, at most every ten seconds.
  const headers = { authorization: `Bearer ${token}` };
  const isBelieved = async () => (await fetch(`${house.api}/api/me`, { headers })).status === 200;
  while (!(await isBelieved())) await pass(2_000);
  const old = await jobs.load.api("GET", "/api/me");
  assert.equal(old.status, 401, "a key that the provider no longer publishes is believed");
  await logIn();
  const [extract, transform, fresh] = await Promise.all(jobNames.map((name) => workload(house, name)));
  jobs = { extract: extract!, transform: transform!, load: fresh! };
});

test("target away: its sessions end with 08006, new ones are refused with 08006, what was open is recorded without an outcome", async () => {
  const load = await session("load");
  const grant = await grantOf("load");
  await load.client.query("CREATE TABLE kept (id int)");
  await load.client.query("BEGIN");
  await load.client.query("INSERT INTO kept VALUES (1)");
  const ended = new Promise((done) => load.client.once("end", done));
  const sleeping = refusalOf(load.client.query("SELECT pg_sleep(60) /* interrupted */"));
  await eventually("its start", async () => (await seenByTarget("/* interrupted */")) === 1);
  await house.target.stop();
  assert.match((await sleeping).code, /^(57P01|08006)$/);
  await ended;
  assert.equal((await refusalOf(enter(grant))).code, "08006");
  await house.target.start();
  const again = await comesBack("a session", () => enter(grant));
  assert.equal((await again.client.query("SELECT * FROM kept")).rowCount, 0);
  await isRecorded("/* interrupted */");
});

test("receiver of alerts away: the alert is an event at once, and reaches the receiver when it is back", async () => {
  await house.alerts.stop();
  const load = await session("load");
  const { approval, running } = await chainUpTo(3, "DELETE FROM staging_customers /* unheard */", load);
  assert.equal(await answer(approval, "approve"), 200);
  await running;
  await eventually("the alert as an event", async () =>
    (await timeline("type=alert.raised&limit=50")).some(({ data }) => (data as { about: string }).about === approval),
  );
  await house.alerts.start();
  await eventually("the message", async () => JSON.stringify(house.alerts.now.received).includes(approval));
});

test("object storage away: no new session, a text that must be put there ends its session unrun, the others go on; back, all goes on", async () => {
  const load = await session("load");
  const grant = await grantOf("load");
  const other = await session("load");
  const large = `SELECT 1 /* large ${"x".repeat(80_000)} */`;
  await load.client.query(large);
  house.storage.fault = () => ({ status: 503, code: "SlowDown" });
  await load.client.query("SELECT 1 /* no storage */");
  const writer = other.client.query(large.replace("large", "lost"));
  await assert.rejects(writer, { code: "58000" });
  assert.equal(await seenByTarget("/* lost"), 0);
  const refused = await refusalOf(enter(grant));
  assert.equal(refused.code, "58030");
  assert.match(refused.message, /its key could not be made durable/);
  house.storage.fault = null;
  await comesBack("a session", () => enter(grant));
  await isRecorded("/* no storage */");
  await eventually("the refusal as an event", async () =>
    (await timeline("type=session.refused&limit=50")).some(
      ({ data }) => (data as { code: string }).code === "blobs.unavailable",
    ),
  );
});

test("the clock jumps ahead and back: work goes on, the log's time never goes back, the jump is an alert", async () => {
  const load = await session("load");
  house.sabotage.setClock(120_000);
  await load.client.query("SELECT 1 /* ahead */");
  await eventually("the alert", async () =>
    (await timeline("type=alert.raised&limit=50")).some(
      ({ data }) => (data as { kind: string }).kind === "clock.jumped",
    ),
  );
  house.sabotage.mend();
  await load.client.query("SELECT 1 /* back again */");
  await isRecorded("/* back again */");
  const [ahead] = await timeline(`type=command.decided&text=${encodeURIComponent("/* ahead */")}`);
  const [back] = await timeline(`type=command.decided&text=${encodeURIComponent("/* back again */")}`);
  assert.ok(ahead && back && ahead.position < back.position && ahead.atMs <= back.atMs);
});

test("disk fails a sync: the gateway's process ends with 70, nothing of it reached the target; after a restart all goes on", async () => {
  const load = await session("load");
  await load.client.query("SELECT 1 /* before the disk */");
  house.sabotage.breakSync();
  await assert.rejects(load.client.query("CREATE TABLE never_made (id int)"));
  await eventually("its end", async () => !house.isRunning("gateway"));
  assert.equal(await house.kill("gateway", "SIGTERM"), 70);
  assert.equal(await seenByTarget("never_made"), 0);
  house.sabotage.mend();
  await house.start("gateway");
  await comesBack("a session", () => session("load"));
  await isRecorded("/* before the disk */");
});

test("approver absent: the hold ends in a refusal, and an approval that comes later lets the same command through once", async () => {
  await house.kill("gateway", "SIGTERM");
  await changeConfig(house, /waitSeconds: \d+/, "waitSeconds: 2");
  await house.start("gateway");
  const load = await comesBack("a session", () => session("load"));
  const sql = "DELETE FROM staging_customers /* nobody is there */";
  const { approval, running } = await chainUpTo(4, sql, load);
  const refused = await refusalOf(running);
  assert.equal(refused.code, "42501");
  assert.equal(await seenByTarget("/* nobody is there */"), 0);
  assert.equal(await answer(approval, "approve"), 200);
  await eventually("the answer at the gateway", () =>
    load.client.query(sql).then(
      () => true,
      () => false,
    ),
  );
  assert.equal(await seenByTarget("/* nobody is there */"), 1);
});
