/**
 * Many machines, and one part after the other dies, is cut off or lies about the time: what a client reads then, what
 * goes on, and what the log says afterwards. Real processes over a real broker; see table.ts for the whole table.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pass } from "node:timers/promises";
import { limits } from "../../schemas/limits.ts";
import { type Actor, eventually, granted, person } from "../demo/cast.ts";
import { type Crowd, gather, refusedWith, watched } from "./crowd.ts";

const staleWords = /shared log cannot be reached/;
const untagged = "SELECT manager FROM regions";
const tagged = "SELECT email FROM customers WHERE id <= 3";
const copies = (into: string) => `INSERT INTO ${into} SELECT id, email FROM customers WHERE id <= 3`;

let crowd: Crowd;
before(async () => {
  crowd = await gather("shop");
});
after(() => crowd?.end());
afterEach(() => {
  crowd?.world.wires["gw-a"].mend();
  crowd?.sabotage.mend();
});

async function isTold(type: string, source: string, sink: string): Promise<void> {
  await eventually(`${type} of ${sink} by ${source}`, async () =>
    (await crowd.timeline(`type=${type}&limit=100`)).some(
      (row) => row.source === source && (row.data as { sink: string }).sink === sink,
    ),
  );
}

/** Each of these texts was allowed once, as people read it; one that was held has that decision too. */
async function areRecorded(marks: readonly string[]): Promise<void> {
  for (const mark of marks)
    await eventually(`a record of ${mark}`, async () => {
      const found = await crowd.timeline(`type=command.decided&text=${encodeURIComponent(mark)}&limit=50`);
      const rows = found.filter(({ text, ruling }) => text?.includes(mark) && ruling !== "hold");
      assert.ok(rows.length <= 1, `${mark} stands ${rows.length} times`);
      return rows.length === 1;
    });
}

async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      assert.match(String(error), staleWords);
      await pass(50);
    }
  }
}

const answers = async (actor: Actor) => (await actor.client.query(tagged).catch(() => null))?.rowCount === 3;

test("cut off from Kafka for a moment: what touches tags waits and then answers; the rest does not wait", async () => {
  const { world } = crowd;
  const [reader, other] = [await crowd.session("gw-a", "extract"), await crowd.session("gw-a", "load")];
  const unlessStale = (error: Error) => void assert.match(error.message, staleWords);
  for (;;) {
    world.wires["gw-a"].sever();
    const waiting = watched(reader.client.query(tagged));
    const untouched = await other.client.query(untagged).catch(unlessStale);
    const waited = !waiting.ended();
    world.wires["gw-a"].mend();
    const answered = await waiting.running.catch(unlessStale);
    // On a machine that was away for so long itself it was more than a moment: once more.
    if (untouched && answered) {
      assert.ok(waited);
      assert.equal(answered.rowCount, 3);
      return;
    }
    await eventually("tagged work", () => answers(reader));
  }
});

test("a gateway cut off from Kafka for long refuses what is tagged, or may be by now; the other goes on; nothing is lost", async () => {
  const { world } = crowd;
  const [a, b] = [await crowd.session("gw-a", "extract"), await crowd.session("gw-b", "extract")];
  const load = await crowd.session("gw-b", "load");
  const [known, reader] = [await crowd.grant("load"), await crowd.session("gw-a", "load")];
  await load.client.query("CREATE TABLE taken (id int, word text)");
  await load.client.query("INSERT INTO taken VALUES (0, 'plain')");
  await load.client.query("CREATE TABLE figures (n int)");
  assert.equal((await reader.client.query("SELECT word FROM taken")).rows[0]?.word, "plain");
  world.wires["gw-a"].sever();
  // Lasts until the gateway that is cut off cannot act on its old knowledge any more.
  await load.client.query(copies("taken"));
  const shown = await reader.client.query("SELECT word FROM taken").then(
    ({ rows }) => JSON.stringify(rows),
    (error: Error) => error.message,
  );
  assert.doesNotMatch(shown, /example\.com|person/, "an e-mail address was shown by a gateway that was cut off");
  await refusedWith(a, tagged, staleWords);
  const writer = await crowd.through("gw-a", known);
  await writer.client.query("INSERT INTO figures VALUES (1) /* cut_off_1 */");
  await a.client.query("SELECT 1 /* cut_off_2 */");
  assert.ok(await answers(b));
  const late = await crowd.grant("load");
  await assert.rejects(crowd.through("gw-a", late), { code: "28P01" });
  world.wires["gw-a"].mend();
  await eventually("tagged work", () => answers(a));
  assert.equal((await (await crowd.through("gw-a", late)).client.query(untagged)).rowCount, 4);
  await areRecorded(["/* cut_off_1 */", "/* cut_off_2 */"]);
  await isTold("sink.failed", "log/gw-a", "shared log");
  await isTold("sink.recovered", "log/gw-a", "shared log");
});

test("a gateway's clock jumps ahead: nobody else is passed over, and its own work goes on within a heartbeat", async () => {
  const { world, sabotage } = crowd;
  const load = await crowd.session("gw-a", "load");
  await load.client.query("CREATE TABLE ahead (id int, word text)");
  world.pause("gw-b");
  sabotage.setClock(60_000);
  // Refused until it has heard from the shared log again; then it must wait for the gateway that stands still.
  const copying = watched(insist(() => load.client.query(copies("ahead"))));
  await pass(limits.feedStaleMsMax / 2);
  const wasPassedOver = copying.ended();
  world.resume("gw-b");
  assert.equal(wasPassedOver, false, "what brings tags did not wait for a gateway that still lives");
  await copying.running;
  await eventually("tagged work", () => answers(load));
  sabotage.mend();
  await eventually("tagged work with the clock set back", () => answers(load));
});

test("no correlator: what would bring tags waits, what may complete a chain is held, the rest goes on", async () => {
  const { world } = crowd;
  const [load, transform] = [await crowd.session("gw-a", "load"), await crowd.session("gw-b", "transform")];
  await load.client.query("CREATE TABLE later (id int, word text)");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers WHERE id <= 9");
  await Promise.all([world.kill("corr-a", "SIGKILL"), world.kill("corr-b", "SIGKILL")]);
  const copying = watched(load.client.query(copies("later")));
  const other = await crowd.session("gw-b", "load");
  await other.client.query(untagged);
  assert.ok(await answers(other));
  const { approval, running } = await crowd.held(other, "DELETE FROM staging_customers /* nobody judges */");
  assert.equal(await crowd.answer(approval, "refuse"), 200);
  await assert.rejects(running, { code: "42501" });
  assert.equal(await crowd.seenByTarget("/* nobody judges */"), 0);
  assert.equal(copying.ended(), false);
  await Promise.all([world.start("corr-a"), world.start("corr-b")]);
  await copying.running;
});

test("projector and api dead: commands go on, what is held waits, nobody can answer; back, it is answered and runs once", async () => {
  const { world } = crowd;
  const [extract, transform] = [await crowd.session("gw-a", "extract"), await crowd.session("gw-b", "transform")];
  await extract.client.query("SELECT * FROM customers LIMIT 1");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers WHERE id > 9 AND id <= 12");
  const load = await crowd.session("gw-a", "load");
  const { approval, running } = await crowd.held(load, "DELETE FROM staging_customers WHERE id > 9 /* patient */");
  const waiting = watched(running);
  await world.kill("store", "SIGKILL");
  await extract.client.query("SELECT 2 /* without api */");
  assert.ok(await answers(extract));
  await assert.rejects(fetch(`${world.api}/api/me`));
  assert.equal(waiting.ended(), false);
  await world.start("store");
  await crowd.logIn();
  assert.equal(await crowd.answer(approval, "approve"), 200);
  await running;
  assert.equal(await crowd.seenByTarget("/* patient */"), 1);
  await areRecorded(["/* without api */", "/* patient */"]);
});

test("a gateway's disk is full: it refuses new commands with 53100, the other gateway goes on; with room again all is told", async () => {
  const { sabotage } = crowd;
  const [a, b] = [await crowd.session("gw-a", "load"), await crowd.session("gw-b", "load")];
  sabotage.fill(32 * 1024);
  const ballast = "x".repeat(4_000);
  const refused = await eventually("a refusal", () =>
    a.client.query(`SELECT 1 /* ${ballast} */`).then(
      () => null,
      (error: { code: string; message: string }) => error,
    ),
  );
  assert.equal(refused.code, "53100", refused.message);
  assert.match(refused.message, /disk of the log is full/);
  await b.client.query(untagged);
  sabotage.free();
  await eventually("room", async () => (await a.client.query(untagged).catch(() => null))?.rowCount === 4);
  await isTold("sink.failed", "log/gw-a", "log");
  await isTold("sink.recovered", "log/gw-a", "log");
});

test("a gateway's disk fails a sync: the process ends with 70 and acknowledges nothing more; the other one takes its clients", async () => {
  const { world, sabotage } = crowd;
  const grant = await crowd.grant("load");
  const a = await crowd.through("gw-a", grant);
  await a.client.query("SELECT 3 /* before the disk */");
  sabotage.breakSync();
  await assert.rejects(a.client.query("CREATE TABLE never_made (id int)"));
  await eventually("its end", async () => !world.isRunning("gw-a"));
  assert.equal(await world.kill("gw-a", "SIGTERM"), 70);
  assert.equal(await crowd.seenByTarget("never_made"), 0);
  await (await crowd.through("gw-b", grant)).client.query(untagged);
  sabotage.mend();
  await crowd.startA();
  await areRecorded(["/* before the disk */"]);
});

test("a gateway killed: its connections end, the same Grant goes on at the other one, what was acknowledged is in the log", async () => {
  const { world } = crowd;
  const grant = await crowd.grant("load");
  const a = await crowd.through("gw-a", grant);
  const ended = new Promise((done) => a.client.once("end", done));
  await a.client.query("CREATE TABLE kept (id int)");
  await a.client.query("BEGIN");
  await a.client.query("INSERT INTO kept VALUES (1) /* open */");
  await world.kill("gw-a", "SIGKILL");
  await ended;
  const b = await crowd.through("gw-b", grant);
  assert.equal((await b.client.query("SELECT * FROM kept")).rowCount, 0, "what was open was undone");
  await crowd.startA();
  await areRecorded(["CREATE TABLE kept", "/* open */"]);
  assert.ok(await answers(await crowd.through("gw-a", grant)));
});

test("Kafka dead: what touches no resource goes on, tagged work is refused even where a clock was set back, nobody gets a Grant or an answer through", async () => {
  const { world, sabotage, jobs, olga, ivan } = crowd;
  const [a, b] = [await crowd.session("gw-a", "extract"), await crowd.session("gw-b", "extract")];
  const load = await crowd.session("gw-b", "load");
  assert.ok(await answers(a));
  await (await crowd.session("gw-b", "transform")).client.query(
    "INSERT INTO staging_customers SELECT * FROM customers WHERE id > 20 AND id <= 23",
  );
  const { approval, running } = await crowd.held(load, "DELETE FROM staging_customers WHERE id > 20 /* no broker */");
  sabotage.setClock(-3_600_000);
  await world.broker.kill9();
  const acts = Promise.all([
    granted(jobs.load, "load", "no broker").catch((error: Error) => error.message),
    crowd.answer(approval, "approve"),
    ivan.api("GET", "/api/timeline?limit=1").then(({ status }) => status),
    olga.api("GET", "/api/me").then(({ status }) => status),
    person(world, "ana").then(
      () => "logged in",
      (error: Error) => error.message,
    ),
  ]);
  await pass(limits.feedStaleMsMax + 1_000);
  for (const [name, actor] of Object.entries({ a, b })) {
    await refusedWith(actor, tagged, staleWords);
    await actor.client.query(`SELECT 4 /* no broker ${name} */`);
  }
  const [grant, answer, timeline, me, login] = await acts;
  assert.match(String(grant), /503.*log\.lost_connection/);
  assert.deepEqual([answer, timeline, me, login], [503, 503, 200, "logged in"]);
  assert.equal(await crowd.seenByTarget("/* no broker */"), 0);
  assert.notEqual(await world.kill("corr-a", "SIGTERM"), null, "a process can be stopped while Kafka is away");
  await world.broker.restart();
  sabotage.mend();
  await world.start("corr-a");
  // The answer was in the spool, and arrives. Where the gateway has not heard enough by then it refuses once more, and the
  // approval still stands.
  await running.catch((error: unknown) => {
    assert.match(String(error), staleWords);
    return insist(() => load.client.query("DELETE FROM staging_customers WHERE id > 20 /* no broker */"));
  });
  assert.equal(await crowd.seenByTarget("/* no broker */"), 1);
  await eventually("tagged work", async () => (await answers(a)) && (await answers(b)));
  await crowd.session("gw-a", "load");
  await areRecorded(["/* no broker a */", "/* no broker b */"]);
  for (const gateway of ["gw-a", "gw-b"]) await isTold("sink.recovered", `log/${gateway}`, "shared log");
});
