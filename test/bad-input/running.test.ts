/**
 * Bad input against the running product: each gives an error in the client's own protocol and an event in the timeline,
 * and nobody else notices. Then a second process on the same folder, a forged approval over the socket, and a store
 * process that is killed: nothing that is decided waits for it, and nothing of it is lost or twice.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pg from "pg";
import type { TimelinePage } from "../../schemas/api.ts";
import type { TimelineRow } from "../../schemas/timeline.ts";
import { reportFields, startupMessage } from "../../services/gateway/postgres/messages.ts";
import { connect, eventually, type Grant, granted, person, refusalOf, seenByTarget } from "../demo/cast.ts";
import { throughline } from "../demo/command-line.ts";
import { forgeApproval } from "../demo/forger.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { answer, held } from "../demo/play-chain.ts";
import { startWorld, type World } from "../demo/world.ts";
import { Peer } from "../entry/world.ts";
import { attempt } from "./attempt.ts";

let folder: string;
let world: World;
let stage: Stage;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-running-"));
  world = await startWorld({ folder });
  stage = await setStage(world);
});
after(async () => {
  await stage?.leave().catch(() => {});
  await world?.stop();
  await rm(folder, { recursive: true });
});

async function rows(question: string): Promise<readonly TimelineRow[]> {
  const { status, body } = await stage.players.ivan.api("GET", `/api/timeline?${question}`);
  assert.equal(status, 200, JSON.stringify(body));
  return (body as unknown as TimelinePage).rows;
}

/** The refusal that the timeline has with this code and text. */
async function refusedWith(code: string, text: string): Promise<void> {
  await eventually(`session.refused ${code} ${text}`, async () =>
    (await rows("type=session.refused&limit=200")).some(({ data }) => {
      const refusal = data as { code: string };
      return refusal.code === code && JSON.stringify(data).includes(text);
    }),
  );
}

/** SQLSTATE of a login with node-postgres that must not work. */
async function loginState(change: Partial<Grant>): Promise<{ code: string; message: string }> {
  const grant = await granted(stage.players.load, "load", "bad input");
  const { host, port, user, secret: password, database } = { ...grant, ...change };
  const client = new pg.Client({ host, port, user, password, database });
  client.on("error", () => {});
  const { code, message } = await refusalOf(client.connect());
  return { code, message };
}

async function endedGrant(player: Stage["players"]["load"], hours?: number): Promise<Grant> {
  const body = { target: "orders", account: "load", task: { justification: "short" }, ...(hours ? { hours } : {}) };
  return (await player.api("POST", "/api/grants", body)).body as unknown as Grant;
}

test("a wrong secret is refused as PostgreSQL refuses one, and is an event", async () => {
  const grant = await granted(stage.players.load, "load", "wrong secret");
  assert.equal((await loginState({ user: grant.user, secret: "wrong" })).code, "28P01");
  await refusedWith("login.failed", grant.user);
});

test("a user name without a Grant, and one whose Grant nobody issued, are refused alike", async () => {
  const bare = await loginState({ user: "load" });
  const stranger = await loginState({ user: "load~g1-aaaaaaaaaaaaaaaa" });
  assert.equal(bare.code, "28P01");
  assert.equal(stranger.code, "28P01");
  await refusedWith("login.failed", "load~g1-aaaaaaaaaaaaaaaa");
});

test("a revoked Grant opens nothing any more, and its open session has ended", async () => {
  const grant = await granted(stage.players.load, "load", "revoked");
  const open = await connect(grant, stage.schema);
  const ended = new Promise((done) => open.client.once("end", done));
  const { status } = await stage.players.load.api("DELETE", `/api/grants/${grant.grant}`, { reason: "over" });
  assert.equal(status, 200);
  await ended;
  assert.equal((await loginState({ ...grant })).code, "28000");
  await refusedWith("login.expired", grant.user);
});

test("an expired Grant opens nothing any more", async () => {
  const grant = await endedGrant(stage.players.load, 0.0003);
  await eventually("the end of the Grant", async () => {
    const { code } = await loginState({ ...grant }).catch(() => ({ code: "" }));
    return code === "28000";
  });
  await refusedWith("login.expired", grant.user);
});

test("an unknown database is 3D000; another account's name on one's own Grant is a wrong secret", async () => {
  assert.equal((await loginState({ database: "elsewhere" })).code, "3D000");
  await refusedWith("target.unknown", "elsewhere");
  const grant = await granted(stage.players.load, "load", "other account");
  const other = await loginState({ user: grant.user.replace("load~", "extract~"), secret: grant.secret });
  assert.equal(other.code, "28P01");
});

test("garbage, a two gigabyte length and half a startup packet: a protocol error and an event each", async () => {
  const { gateway } = world.ports;
  const state = async (peer: Peer) => reportFields(await peer.ended).get("C");
  assert.equal(await state(new Peer(gateway).send(Buffer.from("GET / HTTP/1.1\r\n\r\n"))), "08P01");
  await refusedWith("frame.too_large", "");
  assert.equal(await state(new Peer(gateway).send(Buffer.from([0, 0, 0, 7, 0, 3, 0, 0]))), "08P01");
  await refusedWith("frame.malformed", "");
  const before = (await rows("type=session.refused&limit=200")).length;
  assert.equal(await state(new Peer(gateway).send(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]))), "08P01");
  const half = new Peer(gateway).send(startupMessage(196608, new Map([["user", "load"]])).subarray(0, 10));
  await new Promise((done) => half.socket.once("connect", done));
  half.socket.end();
  await refusedWith("login.abandoned", "");
  await eventually("both events", async () => (await rows("type=session.refused&limit=200")).length >= before + 2);
});

test("after login, garbage and a two gigabyte message end that session with an error, and only that one", async () => {
  for (const bad of [
    Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff, 0x53]),
    Buffer.from([0x01, 0, 0, 0, 4]),
    Buffer.from([0x51, 0, 0, 0, 0]),
  ]) {
    const actor = await connect(await granted(stage.players.load, "load", "bad frames"), stage.schema);
    const gone = new Promise((done) => actor.client.once("end", done));
    const said = new Promise<Error>((done) => actor.client.on("error", done));
    const { stream } = (actor.client as unknown as { connection: { stream: { write(bytes: Buffer): void } } })
      .connection;
    stream.write(bad);
    const error = await said;
    assert.ok(error instanceof pg.DatabaseError, String(error));
    assert.match(error.code ?? "", /^(08P01|54000)$/);
    await gone;
  }
  assert.equal((await stage.actors.load.client.query("SELECT 1 AS one")).rows[0]?.one, 1);
});

test("a second gateway on the data folder names the process that has it and leaves it alone", async () => {
  const { code, err } = await attempt("gateway", "correlator", "--config", world.configFile);
  assert.equal(code, 1);
  assert.match(err, new RegExp(`log\\.locked: .* process ${world.pid("gateway")}\n {2}\\S`));
  assert.equal((await stage.actors.load.client.query("SELECT 1 AS one")).rows[0]?.one, 1);
});

test("a second store process on the data folder ends, and the first goes on", async () => {
  const { code, err } = await attempt("projector", "api", "--config", world.configFile);
  assert.notEqual(code, 0);
  assert.match(err, /log\.refused: .*another connection already/);
  await refusedAttempt(/another connection already/);
});

async function refusedAttempt(reason: RegExp): Promise<void> {
  await eventually(`log.refused ${reason}`, async () =>
    (await rows("type=log.refused&limit=50")).some(({ data }) => reason.test(JSON.stringify(data))),
  );
}

test("an approval forged by a connected role is refused and written down; the command stays held until Olga answers", async () => {
  const { extract, transform, load } = stage.actors;
  await extract.client.query("SELECT * FROM customers");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers");
  const sql = `DELETE FROM customers WHERE id = 1 /* ${stage.schema} forged */`;
  const { running, approval } = await held(stage, load, sql);
  await world.kill("store", "SIGTERM");
  for (const role of ["projector", "gateway", "correlator", "log"] as const)
    await forgeApproval(world, approval.approval, role);
  let ended = false;
  const over = () => {
    ended = true;
  };
  running.then(over, over);
  await world.start("store");
  stage = { ...stage, players: await freshPlayers() };
  await refusedAttempt(/projector may not say approval\.answered/);
  await refusedAttempt(/log's own process/);
  const state = (await stage.players.olga.api("GET", `/api/approvals/${approval.approval}`)).body;
  assert.equal(state.state, "open");
  assert.deepEqual(state.answers, []);
  assert.ok(!ended, "the command is still held");
  assert.equal(await seenByTarget(world, sql), 0);
  assert.equal(await answer(stage.players.olga, approval.approval, "refuse"), 200);
  assert.equal((await refusalOf(running)).code, "42501");
});

/** Browser sessions end with the store's process. */
async function freshPlayers(): Promise<Stage["players"]> {
  const { players } = stage;
  return {
    ...players,
    ana: await person(world, "ana"),
    olga: await person(world, "olga"),
    ivan: await person(world, "ivan"),
  };
}

test("the store's process killed while clients work: no command waits for it, its timeline is whole afterwards, nothing twice", async () => {
  const { load } = stage.actors;
  let working = true;
  let done = 0;
  const work = (async () => {
    while (working) {
      await load.client.query(`SELECT ${done} AS mark`);
      done += 1;
    }
  })();
  for (let kill = 0; kill < 3; kill += 1) {
    const reached = done + 20;
    await eventually("some work", async () => done > reached);
    await world.kill("store", "SIGKILL");
    const without = done + 20;
    await eventually("work without the store", async () => done > without);
    await world.start("store");
  }
  working = false;
  await work;
  stage = { ...stage, players: await freshPlayers() };
  await comparedWithLog();
});

/** Ids of the log, as its export has them, against the rows of the store. */
async function comparedWithLog(): Promise<void> {
  const out = join(folder, "compared");
  const auditor = await throughline(world, "ivan");
  await auditor.run("export", "--since", "1d", "--out", out);
  await auditor.close();
  const lines = (await readFile(join(out, "records.ndjson"), "utf8")).trimEnd().split("\n");
  const logged = lines.map(
    (line) => JSON.parse((JSON.parse(line) as { json: string }).json) as { id: string; type: string },
  );
  const shown = new Set(logged.filter(({ type }) => !quiet.has(type)).map(({ id }) => id));
  const last = logged.filter(({ type }) => !quiet.has(type)).at(-1)?.id ?? "";
  await eventually(
    "the end of the log in the store",
    async () => (await stage.players.ivan.api("GET", `/api/events/${encodeURIComponent(last)}`)).status === 200,
  );
  const stored: string[] = [];
  for (let before = ""; ; ) {
    const page: readonly TimelineRow[] = await rows(
      `order=oldest&limit=1000${before === "" ? "" : `&before=${before}`}`,
    );
    stored.push(...page.map(({ id }) => id));
    before = page.at(-1)?.position ?? "";
    if (page.length < 1000) break;
  }
  assert.equal(new Set(stored).size, stored.length, "a row stands twice");
  const has = new Set(stored);
  assert.deepEqual(
    [...shown].filter((id) => !has.has(id)),
    [],
    "in the log and not in the store",
  );
  const types = new Map(logged.map(({ id, type }) => [id, type]));
  const extra = stored.filter((id) => types.has(id) && !shown.has(id));
  assert.deepEqual(extra, []);
}

/** Records that make no row. */
const quiet = new Set(["log.checkpoint", "clock.ticked"]);
