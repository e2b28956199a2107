/**
 * The running product as its operator sees it: ready by part, figures that count what happened, traces of a command's way, a
 * policy that changes while sessions run, a drain that lets a transaction finish, and no secret in anything it printed.
 */
import assert from "node:assert/strict";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, eventually, granted, refusalOf } from "../demo/cast.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { startWorld, type World } from "../demo/world.ts";
import { type Collector, collect } from "./collector.ts";

const demoPolicy = new URL("../../infra/deploy/demo/policy.cedar", import.meta.url).pathname;
const traceId = "0af7651916cd43dd8448eb211c80319c";

let folder: string;
let policy: string;
let collector: Collector;
let world: World;
let stage: Stage;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-operations-"));
  policy = join(folder, "policy.cedar");
  await copyFile(demoPolicy, policy);
  collector = await collect();
  world = await startWorld({ folder, policy, traces: collector.url, drainSeconds: 60 });
  stage = await setStage(world);
});
after(async () => {
  await stage?.leave().catch(() => {});
  await world?.stop();
  await collector?.close();
  await rm(folder, { recursive: true });
});

type Process = "operations" | "apiOperations";

async function ready(process: Process = "operations") {
  const answer = await fetch(`http://127.0.0.1:${world.ports[process]}/readyz`, { headers: { "sec-fetch-mode": "" } });
  const body = (await answer.json()) as { parts: Record<string, { ok: boolean; reason?: string }> };
  return { status: answer.status, parts: body.parts };
}

async function figure(line: RegExp, process: Process = "operations"): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${world.ports[process]}/metrics`)).text();
  const found = page.split("\n").find((one) => line.test(one));
  return Number(found?.split(" ").at(-1) ?? Number.NaN);
}

test("both processes are ready, part by part", async () => {
  const gateway = await ready();
  assert.equal(gateway.status, 200, JSON.stringify(gateway.parts));
  assert.deepEqual(Object.keys(gateway.parts).sort(), [
    "log",
    "policy",
    "policy files",
    "rules",
    "start",
    "target orders",
    "targets",
  ]);
  await eventually("the api's parts", async () => {
    const { status, parts } = await ready("apiOperations");
    return status === 200 && ["store", "identity provider", "alerts soc"].every((name) => parts[name]?.ok === true);
  });
});

test("figures count what happened, and name nobody", async () => {
  const allowed = await figure(/^throughline_commands_total\{ruling="allow"/);
  const { client } = stage.actors.load;
  for (let n = 0; n < 32; n += 1) await client.query("SELECT 1");
  assert.ok((await figure(/^throughline_commands_total\{ruling="allow"/)) >= allowed + 32);
  assert.ok((await figure(/^throughline_decision_seconds_count/)) >= 2);
  assert.ok((await figure(/^throughline_log_sync_seconds_count/)) > 0);
  assert.ok((await figure(/^throughline_records_appended_total/)) > 32);
  assert.ok((await figure(/^throughline_log_bytes/)) > 0);
  assert.equal(await figure(/^throughline_sessions_open/), 3);
  assert.equal(await figure(/^throughline_feed_stale_seconds/), 0);
  await eventually(
    "the projector",
    async () => (await figure(/^throughline_projector_lag_records/, "apiOperations")) < 50,
  );
  for (const process of ["operations", "apiOperations"] as const) {
    const page = await (await fetch(`http://127.0.0.1:${world.ports[process]}/metrics`)).text();
    for (const word of [world.issuer, "nightly", "SELECT", "customers"]) assert.ok(!page.includes(word), word);
  }
});

test("a command is traced from the question to the result, under the client's own trace, without its text", async () => {
  const { client } = stage.actors.load;
  await client.query(`SELECT 'geheim' AS word /*traceparent='00-${traceId}-b7ad6b7169203331-01'*/`);
  const of = () => collector.spans.filter((span) => span.traceId === traceId);
  await eventually("the trace", async () => of().some(({ name }) => name === "command"));
  assert.deepEqual(
    of()
      .map(({ name }) => name)
      .sort(),
    ["command", "gate", "record", "result", "target"],
  );
  const root = of().find(({ name }) => name === "command");
  assert.equal(root?.parentSpanId, "b7ad6b7169203331");
  const ruling = of()
    .find(({ name }) => name === "gate")
    ?.attributes.find(({ key }) => key === "throughline.ruling");
  assert.equal(ruling?.value.stringValue, "allow");
  for (const word of ["geheim", "SELECT", "nightly", "load~"]) assert.ok(!collector.text().includes(word), word);
});

test("a bad policy replaces nothing, and is an event and a finding; a good one takes effect in open sessions", async () => {
  const { client } = stage.actors.extract;
  const text = await readFile(policy, "utf8");
  await writeFile(policy, `${text}\npermit (principal, action == `);
  process.kill(world.pid("gateway"), "SIGHUP");
  await eventually("the finding", async () => (await ready()).parts["policy files"]?.ok === false);
  const { status, parts } = await ready();
  assert.equal(status, 200);
  assert.match(parts["policy files"]?.reason ?? "", /policy\.cedar/);
  assert.equal((await client.query("SELECT 1 AS one")).rows[0].one, 1);
  const forbid = '@id("reports-closed")\nforbid (principal, action == Action::"read", resource in Target::"orders");';
  await writeFile(policy, `${text}\n${forbid}\n`);
  process.kill(world.pid("gateway"), "SIGHUP");
  await eventually("the new policy", async () => {
    const { code } = await refusalOf(client.query("SELECT count(*) FROM customers")).catch(() => ({ code: "" }));
    return code === "42501";
  });
  assert.equal((await ready()).parts["policy files"]?.ok, true);
  const changes = async (type: string) =>
    ((await stage.players.ivan.api("GET", `/api/timeline?type=${type}`)).body.rows as unknown[]).length;
  await eventually(
    "both events",
    async () => (await changes("policy.refused")) === 1 && (await changes("policy.changed")) === 2,
  );
  await writeFile(policy, text);
  process.kill(world.pid("gateway"), "SIGHUP");
  await eventually("the old policy", async () =>
    client.query("SELECT count(*) FROM customers").then(
      () => true,
      () => false,
    ),
  );
});

test("a drain refuses new sessions, lets a transaction finish, tells everybody 57P01, and exits with 0", async () => {
  const { load, extract } = stage.actors;
  const grant = await granted(stage.players.transform, "transform", "late");
  const goodbyes = [load, extract].map(
    (actor) =>
      new Promise<{ code?: string }>((done) => actor.client.once("error", (error) => done(error as { code?: string }))),
  );
  await load.client.query("BEGIN");
  await load.client.query("SELECT 1");
  const gone = world.kill("gateway", "SIGTERM");
  assert.equal((await goodbyes[1])?.code, "57P01");
  await eventually("the readiness", async () => (await ready()).status === 503);
  assert.match((await ready()).parts.service?.reason ?? "", /asked to stop/);
  await assert.rejects(connect(grant, stage.schema));
  assert.equal((await load.client.query("SELECT 2 AS two")).rows[0].two, 2);
  await load.client.query("COMMIT");
  assert.equal((await goodbyes[0])?.code, "57P01");
  await gone;
  await world.start("gateway");
});

test("a second signal does not wait for those who are connected", async () => {
  const actor = await connect(await granted(stage.players.load, "load", "stays"), stage.schema);
  const goodbye = new Promise<{ code?: string }>((done) =>
    actor.client.once("error", (error) => done(error as { code?: string })),
  );
  await actor.client.query("BEGIN");
  const gone = world.kill("gateway", "SIGTERM");
  await eventually("the readiness", async () => (await ready()).status === 503);
  process.kill(world.pid("gateway"), "SIGTERM");
  assert.equal((await goodbye).code, "57P01");
  await gone;
  await world.start("gateway");
});

test("nothing that was printed holds a secret, a statement or a token, and every line is JSON", async () => {
  const secrets = Object.values(world.secrets.accounts).concat(
    Object.values(world.secrets.people),
    Object.values(world.secrets.workloads),
    [world.secrets.webhook.replace("whsec_", "")],
  );
  for (const name of ["gateway.log", "store.log"]) {
    const text = await readFile(join(folder, name), "utf8");
    // The last line may still be on its way.
    for (const line of text.split("\n").slice(0, -1)) assert.doesNotThrow(() => JSON.parse(line), line.slice(0, 200));
    for (const secret of secrets) assert.ok(!text.includes(secret), `${name} holds a secret`);
    assert.doesNotMatch(text, /eyJ|SELECT|INSERT|geheim|BEGIN PRIVATE/);
  }
  assert.ok((await readdir(folder)).includes("store.log"));
});
