import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { seeded } from "./dice.ts";
import { openHunter, playSqlCase } from "./sql-case.ts";

const folder = await mkdtemp(join(tmpdir(), "throughline-hunt-"));
const engine = await openHunter(folder);
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

const seed = Number(process.env.SQL_SEED ?? Date.now() % 2 ** 31);
const streams = Number(process.env.SQL_STREAMS ?? 25);

test(`SQL made from a rule finds what the engine finds (${streams} random streams, seed ${seed})`, async () => {
  let found = 0;
  for (let stream = 0; stream < streams; stream += 1)
    found += (await playSqlCase(engine, seeded(seed + stream * 7_919))).found;
  assert.ok(found >= streams / 2, `only ${found} firings: too few to mean anything`);
});
