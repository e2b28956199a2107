/**
 * Scenario point 8: the gateway is killed with -9 at random moments while clients run. Afterwards nothing that a client
 * received and nothing that lasts on the target lacks a record, and the restarted correlator is in the recorded state.
 *
 * Every statement carries a mark. Received marks come from the clients, lasting ones from the target's tables, recorded
 * ones from the log itself (verified and decrypted here, not asked of the gateway).
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { comesBack, connect, eventually, type Grant, granted, workload } from "./cast.ts";
import { direct, makeSchema } from "./database.ts";
import { recordedTexts } from "./recorded.ts";
import { startWorld, type World } from "./world.ts";

const kills = Number(process.env.THROUGHLINE_KILLS ?? 20);
const clients = 4;
const schema = "crash";
const seed = Number(process.env.THROUGHLINE_SEED ?? Date.now() % 1_000_000);

/** mulberry32: a run can be had again from its seed. */
function dice(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Run {
  readonly received: Set<string>;
  stopped: boolean;
  mark: number;
}

/** One client: autocommitted writes, transactions, reads and errors, each with its mark, until the gateway dies; again. */
async function client(run: Run, grant: Grant, name: string, random: () => number): Promise<void> {
  while (!run.stopped) {
    const actor = await connect(grant, schema).catch(() => null);
    if (!actor) {
      await new Promise((done) => setTimeout(done, 20));
      continue;
    }
    try {
      while (!run.stopped) {
        run.mark += 1;
        await statement(run, actor.client, `${name}-${run.mark}`, random());
      }
    } catch {
      // the gateway is gone: what was not answered was not received
    }
    await actor.end().catch(() => {});
  }
}

type Client = Awaited<ReturnType<typeof connect>>["client"];

async function statement(run: Run, on: Client, mark: string, chance: number): Promise<void> {
  if (chance < 0.4) {
    await on.query(`INSERT INTO marks VALUES ('${mark}')`);
    run.received.add(mark);
  } else if (chance < 0.6) {
    const { rows } = await on.query(`SELECT '${mark}' AS mark, count(*) FROM marks`);
    assert.equal(rows[0]?.mark, mark);
    run.received.add(mark);
  } else if (chance < 0.7) {
    const failed = await on.query(`SELECT 1/0 /* ${mark} */`).then(
      () => false,
      (error: { code?: string }) => error.code === "22012",
    );
    if (!failed) throw new Error("the gateway is gone");
    run.received.add(mark);
  } else {
    await on.query("BEGIN");
    await on.query("INSERT INTO marks VALUES ($1)", [`${mark}-t`]);
    run.received.add(`${mark}-t`);
    await on.query(`${chance < 0.9 ? "COMMIT" : "ROLLBACK"} /* ${mark} */`);
    run.received.add(mark);
  }
}

async function killedAtRandom(world: World, random: () => number): Promise<void> {
  for (let kill = 0; kill < kills; kill += 1) {
    await new Promise((done) => setTimeout(done, 100 + random() * 900));
    await world.kill("gateway", "SIGKILL");
    await world.start("gateway"); // fails when the correlator's state differs from its recorded digest
  }
}

test(`kill -9 of the gateway at ${kills} random moments leaves nothing unrecorded (seed ${seed})`, async () => {
  const random = dice(seed);
  const folder = await mkdtemp(join(tmpdir(), "throughline-crash-"));
  const world = await startWorld({ folder });
  try {
    await makeSchema(world.postgres, schema);
    await direct(world.postgres, "orders", (owner) =>
      owner.query(`SET ROLE load; CREATE TABLE ${schema}.marks (mark text)`),
    );
    const load = await workload(world, "load");
    const grant = await granted(load, "load", "marks");
    const run: Run = { received: new Set(), stopped: false, mark: 0 };
    const running = Array.from({ length: clients }, (_, index) => client(run, grant, `c${index}`, random));
    await killedAtRandom(world, random);
    await eventually("enough answers to mean anything", async () => run.received.size > kills);
    run.stopped = true;
    await Promise.all(running);
    await world.stop();
    const recorded = await recordedTexts(world);
    const missing = [...run.received].filter((mark) => !recorded.has(mark));
    assert.deepEqual(missing, [], "received without a record");
    const again = await startWorld({ folder, without: ["store"] });
    const { rows } = await direct(again.postgres, "orders", (owner) =>
      owner.query<{ mark: string }>(`SELECT mark FROM ${schema}.marks`),
    );
    await again.stop();
    assert.deepEqual(
      rows.filter(({ mark }) => !recorded.has(mark)),
      [],
      "lasting without a record",
    );
  } finally {
    await world.stop();
    await rm(folder, { recursive: true });
  }
});

test("after a restart the open session's client is told, and a new session works at once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "throughline-crash-"));
  const world = await startWorld({ folder });
  try {
    await makeSchema(world.postgres, schema);
    const grant = await granted(await workload(world, "load"), "load", "restart");
    const first = await connect(grant, schema);
    await world.kill("gateway", "SIGKILL");
    await assert.rejects(first.client.query("SELECT 1"));
    await world.start("gateway");
    const second = await comesBack("a session after the restart", () => connect(grant, schema));
    assert.equal((await second.client.query("SELECT 1 AS one")).rows[0]?.one, 1);
    await second.end();
  } finally {
    await world.stop();
    await rm(folder, { recursive: true });
  }
});
