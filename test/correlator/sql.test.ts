import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { seeded } from "./dice.ts";
import { openHunter, sqlPlay } from "./sql-case.ts";

const folder = await mkdtemp(join(tmpdir(), "throughline-hunt-"));
const engine = await openHunter(folder);
after(async () => {
  await engine.close();
  await rm(folder, { recursive: true, force: true });
});

const seed = Number(process.env.SQL_SEED ?? Date.now() % 2 ** 31);
const streams = Number(process.env.SQL_STREAMS ?? 25);

test(`SQL made from a rule finds what the engine finds (${streams} random streams, seed ${seed})`, async () => {
  let compared = 0;
  for (let stream = 0; stream < streams; stream += 1) compared += await sqlPlay(engine)(seeded(seed + stream * 7_919));
  assert.ok(compared >= streams * 5);
});
