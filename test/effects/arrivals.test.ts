/** Values arrive nowhere but where the flows of their commands say: seen in a real PostgreSQL, for random commands. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, type TestContext, test } from "node:test";
import fc from "fast-check";
import { drop, fold, look, type Marks, originsOf, schema } from "./arrivals.ts";
import { rollOf, Writer } from "./random-flow.ts";
import { openWorld, type World } from "./world.ts";

let world: World;
let planted: Marks;
const names = { searchPath: ["public"], role: "postgres", definesPending: false };
const dice = fc.array(fc.nat({ max: 40_000 }), { maxLength: 90, size: "max" });

before(async () => {
  world = await openWorld();
  await world.client.query(`${drop}; SET search_path = public; SET statement_timeout = 2000; SET lock_timeout = 2000`);
  await plant();
});
after(() => world.end());

async function plant(): Promise<void> {
  await world.client.query(schema);
  await world.reader.refresh(true);
  planted = await look(world.client);
}

interface Count {
  accepted: number;
  opaque: number;
  arrived: number;
  allowed: number;
}

/** @returns marks that stand where no flow could have brought them */
function strays(found: Marks, may: Marks, count: Count): string[] {
  const wrong: string[] = [];
  for (const [uri, marks] of found) {
    const allowed = originsOf(may, uri);
    const old = planted.get(uri) ?? new Set();
    count.allowed += [...allowed].filter((mark) => !old.has(mark)).length;
    for (const mark of new Set([...marks].map((one) => one.toLowerCase()))) {
      if (!allowed.has(mark)) wrong.push(`${mark} in ${uri}`);
      if (!old.has(mark)) count.arrived += 1;
    }
  }
  return wrong;
}

function report(t: TestContext, seed: number, count: Count): void {
  const share = (count.arrived / Math.max(1, count.allowed)).toFixed(2);
  t.diagnostic(
    `seed=${seed} accepted=${count.accepted} opaque=${count.opaque} arrived=${count.arrived} of allowed=${count.allowed} (${share})`,
  );
}

/** Runs them one after the other. @returns null when PostgreSQL refuses one or it was not read */
async function run(texts: readonly string[], count: Count, refresh: boolean): Promise<Marks | null> {
  let may = planted;
  for (const text of texts) {
    const reading = world.reader.read(text, names);
    const refused = await world.client.query(text).then(
      () => null,
      (error: Error) => error.message,
    );
    if (refused !== null) return null;
    if (reading.opaque !== null) {
      count.opaque += 1;
      return null;
    }
    may = fold(may, reading.effects);
    if (refresh) await world.reader.refresh(true);
  }
  count.accepted += 1;
  return may;
}

test("a change brings values nowhere but where its flows say", async (t) => {
  const count = { accepted: 0, opaque: 0, arrived: 0, allowed: 0 };
  const seed = Number(process.env.THROUGHLINE_SEED ?? randomInt(2 ** 31));
  await fc.assert(
    fc.asyncProperty(dice, async (dice) => {
      const writer = new Writer(rollOf(dice));
      const texts = [writer.change(), ...(dice.length > 30 ? [writer.change()] : [])];
      await world.client.query("BEGIN");
      try {
        const may = await run(texts, count, false);
        if (may !== null) assert.deepEqual(strays(await look(world.client), may, count), [], texts.join(";\n"));
      } finally {
        await world.client.query("ROLLBACK");
      }
    }),
    { numRuns: Number(process.env.THROUGHLINE_RUNS ?? 400), seed },
  );
  report(t, seed, count);
  assert.equal(count.opaque, 0, "what PostgreSQL accepts of these is read");
  assert.ok(count.arrived > 100, `only ${count.arrived} values arrived anywhere`);
});

test("a definition, or a file between two COPY, brings values nowhere but where its flows say", async (t) => {
  const count = { accepted: 0, opaque: 0, arrived: 0, allowed: 0 };
  const seed = Number(process.env.THROUGHLINE_SEED ?? randomInt(2 ** 31));
  const folder = (await world.client.query("SHOW data_directory")).rows[0].data_directory as string;
  await fc.assert(
    fc.asyncProperty(dice, async (dice) => {
      const writer = new Writer(rollOf(dice.slice(1)));
      const texts = (dice[0] ?? 0) % 8 === 1 ? writer.copy(folder) : writer.definition();
      const may = await run(texts, count, true);
      try {
        if (may !== null) assert.deepEqual(strays(await look(world.client), may, count), [], texts.join(";\n"));
      } finally {
        await world.client.query(drop);
        await plant();
      }
    }),
    { numRuns: Number(process.env.THROUGHLINE_RUNS ?? 16), seed, endOnFailure: true },
  );
  report(t, seed, count);
  assert.equal(count.opaque, 0, "what PostgreSQL accepts of these is read");
  assert.ok(count.arrived > 3, `only ${count.arrived} values arrived anywhere`);
});
