import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { seeded } from "./dice.ts";
import { chainRule, play, usual } from "./play.ts";
import { randomRule } from "./random-rule.ts";
import { catalogs, tight } from "./scenery.ts";
import { Simulation } from "./simulation.ts";

const few: Limits = { ...limits, digestRecordsEvery: 7 };

function replay(entries: readonly Entry[], bounds = few): { digest: string; missing: Output[] } {
  const missing: Output[] = [];
  const correlator = createCorrelator({ limits: bounds, emit: (output) => missing.push(output) });
  for (const entry of entries) correlator.fold(entry);
  correlator.goLive();
  return { digest: correlator.digest(), missing };
}

const night = `
  0s   extract    read       orders/public.customers
  60s  transform  transform  orders/public.customers -> orders/public.staging
  61s  load       begin
  62s  load       delete     orders/public.staging
  63s  load       rollback
`;

function recorded() {
  const played = play(chainRule(usual), { limits: few });
  played.run(night);
  played.ask("9m load delete orders/public.staging");
  return played;
}

test("folding a log again gives the same state, writes nothing twice and agrees with every recorded digest", () => {
  const played = recorded();
  assert.ok(played.entries.some(({ type }) => type === "correlator.digested"));
  assert.deepEqual(replay(played.entries), { digest: played.correlator.digest(), missing: [] });
});

test("random streams replay to the same state, wherever they are cut", () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const dice = seeded(seed * 7_919);
    const simulation = new Simulation(dice, randomRule(dice), catalogs[dice(2)]!);
    for (let step = 0; step < 20; step += 1) simulation.step();
    const { entries } = simulation;
    assert.deepEqual(replay(entries, tight), { digest: simulation.digest, missing: [] });
    const cut = entries.findLastIndex(({ role }) => role === "correlator");
    if (cut === -1) continue;
    const { missing } = replay(entries.slice(0, cut), tight);
    assert.equal(missing[0]?.id, entries[cut]?.id, "what the crash left out is emitted, and nothing else first");
  }
});

test("a crash between an intent and its answer: the answer is given once, when replay ends", () => {
  const { entries } = recorded();
  const intent = entries.findLastIndex(({ type }) => type === "command.intended");
  const { missing } = replay(entries.slice(0, intent + 1));
  assert.deepEqual(
    missing.slice(0, 2).map(({ type }) => type),
    ["command.answered", "chain.completed"],
  );
  assert.deepEqual(
    missing.slice(0, 2).map(({ id }) => id),
    entries.slice(intent + 1, intent + 3).map(({ id }) => id),
  );
});

test("an answer that this fold would not give, and a digest that differs, stop the replay", () => {
  const { entries } = recorded();
  const answer = entries.findIndex(({ type }) => type === "command.answered");
  const forged = entries.map((entry, index) => (index === answer ? { ...entry, id: "forged" } : entry));
  assert.throws(() => replay(forged), { code: "log.digest_differs" });
  const digest = entries.findIndex(({ type }) => type === "correlator.digested");
  const changed = entries.map((entry, index) =>
    index === digest && entry.type === "correlator.digested"
      ? { ...entry, data: { ...entry.data, digest: "0" } }
      : entry,
  );
  assert.throws(() => replay(changed), { code: "log.digest_differs" });
});

test("a record that was changed on the way is found by the next digest", () => {
  const { entries } = recorded();
  const index = entries.findIndex(({ type }) => type === "command.decided");
  const changed = entries.toSpliced(index, 1);
  assert.throws(() => replay(changed), { code: "log.digest_differs" });
});

test("a full log delays what it refuses and loses nothing", async () => {
  const { ThroughlineError } = await import("../../schemas/errors.ts");
  const { entries } = recorded();
  const sent: Output[] = [];
  let full = true;
  const correlator = createCorrelator({
    limits,
    emit(output) {
      if (full && output.type === "chain.completed") throw new ThroughlineError("log.full", "full");
      sent.push(output);
    },
  });
  correlator.goLive();
  for (const entry of entries) if (entry.role !== "correlator") correlator.fold(entry);
  assert.ok(!sent.some(({ type }) => type === "chain.completed"));
  full = false;
  correlator.fold({
    type: "clock.ticked",
    id: "tick",
    atMs: 9e15,
    source: "correlator/c",
    role: "correlator",
    subject: {},
    data: {},
  });
  assert.equal(sent.at(-1)?.type, "chain.completed");
});
