/** The correlator's digests on the real log: they are accepted, and a restart folds to the same state. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openJournal } from "../../infra/log/journal.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";

/** A digest that does not hold makes the fold throw. */
async function run(folder: string, ticks: number): Promise<{ digests: number }> {
  const failed: Error[] = [];
  const fatal = (error: Error) => void failed.push(error);
  const journal = await openJournal({ folder, tenant: "acme", name: "one", now: Date.now, fatal });
  const speaker = await journal.appender("correlator", "one");
  const correlator = createCorrelator({
    emit: (draft) => void speaker.append(draft),
    limits: { ...limits, digestRecordsEvery: 10 },
  });
  let digests = 0;
  await journal.foldFromStart((entry) => {
    if (entry.type === "correlator.digested") digests += 1;
    correlator.fold(entry);
  });
  correlator.goLive();
  for (let tick = 0; tick < ticks; tick += 1) speaker.append({ type: "clock.ticked", subject: {}, data: {} });
  await journal.drained();
  await journal.close();
  assert.deepEqual(failed, []);
  return { digests };
}

test("digests of the state go into the real log and hold at the next start", async () => {
  const folder = await mkdtemp(join(tmpdir(), "throughline-digest-"));
  try {
    const first = await run(folder, 95);
    assert.ok(first.digests >= 9, `only ${first.digests} digests`);
    const again = await run(folder, 0);
    assert.equal(again.digests, first.digests);
  } finally {
    await rm(folder, { recursive: true });
  }
});
