/** When a pipeline's window is over, the log says what came of it: it ran, deviated, stopped half-way, or was missed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import type { Played } from "../correlator/play.ts";
import { clean, copy, extract, night, report } from "./night.ts";

const zeroMs = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;

/** One tick a minute, and lines of a scene by the minute before which they come. */
function pass(
  played: Played,
  fromMinute: number,
  toMinute: number,
  scene: Readonly<Record<number, string>> = {},
): void {
  for (let minute = fromMinute; minute <= toMinute; minute += 1) {
    const lines = scene[minute];
    if (lines !== undefined) played.run(lines);
    const about = {
      id: `tick-${minute}`,
      atMs: zeroMs + minute * 60_000,
      source: "gateway/g",
      role: "gateway" as const,
    };
    played.fold({ ...about, type: "clock.ticked", subject: {}, data: {} });
  }
}

const ended = ({ outputs }: Played) =>
  outputs.flatMap((output) => (output.type === "pipeline.ran" ? [output.data] : []));

test("a window in which the pipeline ran is told once, when it is over, with its runs", () => {
  const played = night();
  pass(played, 0, 239, { 121: [extract("2h"), copy("7210s"), clean("7220s")].join("\n") });
  assert.deepEqual(ended(played), []);
  pass(played, 240, 300);
  assert.deepEqual(ended(played), [
    {
      ...{ pipeline: "nightly-report", startedMs: zeroMs + 2 * hourMs, endedMs: zeroMs + 4 * hourMs },
      ...{ outcome: "ran", runs: 1, commands: 3, why: "" },
    },
  ]);
});

test("no run, half a run and another statement are each told as what they are", () => {
  const missed = night();
  pass(missed, 0, 240);
  assert.deepEqual(
    ended(missed).map(({ outcome, why }) => `${outcome}: ${why}`),
    ["missed: no command of its accounts was seen"],
  );
  const half = night();
  pass(half, 0, 240, { 121: [extract("2h"), copy("7210s")].join("\n") });
  assert.deepEqual(
    ended(half).map(({ outcome, why }) => `${outcome}: ${why}`),
    ["unfinished: it stopped after step 2 of 3"],
  );
  const other = night();
  pass(other, 0, 240, { 121: [extract("2h"), copy("7210s", "fingerprint=dddd")].join("\n") });
  const [end] = ended(other);
  assert.equal(end?.outcome, "deviated");
  assert.match(end?.why ?? "", /ran statement dddd, declared bbbb/);
});

test("windows that follow each other at once are kept apart, and a log that was quiet for days tells one day of them", () => {
  const often = night([{ ...report, window: { cron: "*/10 * * * *", for: "10m" }, longest: "5m" }]);
  const runAt = (minute: number) =>
    [extract(`${minute * 60}s`), copy(`${minute * 60 + 1}s`), clean(`${minute * 60 + 2}s`)].join("\n");
  // The second run comes before the tick of its first minute.
  pass(often, 1, 30, { 11: runAt(10), 20: runAt(20) });
  assert.deepEqual(
    ended(often).map(({ startedMs, outcome }) => `${(startedMs - zeroMs) / 60_000} ${outcome}`),
    ["10 ran", "20 ran"],
  );
  const quiet = night();
  pass(quiet, 0, 1);
  pass(quiet, 10 * 1_440, 10 * 1_440);
  assert.equal(ended(quiet).length, 1);
});

test("a snapshot in the middle of a window, and a replay, tell the same", () => {
  const played = night();
  pass(played, 0, 300, { 121: [extract("2h"), copy("7210s"), clean("7220s")].join("\n") });
  const { entries } = played;
  for (const cut of [60, 130, 200, entries.length - 30]) {
    const missing: string[] = [];
    const emit = ({ type }: { readonly type: string }) => missing.push(type);
    const first = createCorrelator({ limits, emit });
    for (const entry of entries.slice(0, cut)) first.fold(entry);
    const second = createCorrelator({ limits, emit });
    second.restore([...first.keep()]);
    for (const entry of entries.slice(cut)) second.fold(entry);
    second.goLive();
    assert.deepEqual([second.digest(), missing], [played.correlator.digest(), []], `cut at ${cut}`);
  }
});
