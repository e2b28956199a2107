/** The scenario, points 0 to 7, as tests: the product's own processes, a real PostgreSQL, real clients. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setStage } from "./play.ts";
import { afterSteps } from "./play-after.ts";
import { chainSteps } from "./play-chain.ts";
import { startWorld } from "./world.ts";

test("three accounts, one chain, the last step held", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "throughline-play-"));
  const world = await startWorld({ folder });
  try {
    const stage = await setStage(world);
    for (const step of [...chainSteps, ...afterSteps]) {
      const held = await t.test(step.title, () => step.run(stage)).then(() => true);
      assert.ok(held);
    }
    await stage.leave();
  } finally {
    await world.stop();
    await rm(folder, { recursive: true });
  }
});
