/** Rows leave by their class, on the day that was set when they were written; the text of a command leaves with it. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openChdb } from "../../infra/store/chdb.ts";
import { openStore } from "../../infra/store/clickhouse.ts";
import { openEngine } from "../../infra/store/engine.ts";
import { classOf, deleteOnDay, forEverDay } from "../../infra/store/retention.ts";
import { memoryLog } from "./memory-log.ts";
import { ask, decide, effect, finish, openSession } from "./night.ts";
import { encodePosition } from "./server.ts";

const dayMs = 86_400_000;

describe("retention", () => {
  test("what people do, what proves something, and what only the machine needs are three classes", () => {
    assert.equal(classOf("command.decided", "allow"), "activity");
    assert.equal(classOf("command.decided", "mask"), "activity");
    assert.equal(classOf("command.decided", "hold"), "evidence");
    assert.equal(classOf("command.decided", "block"), "evidence");
    assert.equal(classOf("chain.completed", "hold"), "evidence");
    assert.equal(classOf("grant.issued", ""), "evidence");
    assert.equal(classOf("audit.read", ""), "machine");
    assert.equal(classOf("a.type.of.tomorrow", ""), "evidence");
  });

  test("a class without days is kept for ever; days count from the log's time", () => {
    assert.equal(deleteOnDay({}, "activity", 10 * dayMs), forEverDay);
    assert.equal(deleteOnDay({ activityDays: 90 }, "activity", 10 * dayMs + 5), 100);
    assert.equal(deleteOnDay({ activityDays: 90 }, "evidence", 10 * dayMs), forEverDay);
    assert.equal(deleteOnDay({ machineDays: 90_000 }, "machine", 10 * dayMs), forEverDay);
  });

  test("in the engine rows leave when their day has come, and those kept for ever stay", async () => {
    const folder = await mkdtemp(join(tmpdir(), "throughline-retention-"));
    after(() => rm(folder, { recursive: true, force: true }));
    const engine = openEngine({ connection: await openChdb(folder) });
    const clock = { ms: 1_600_000_000_000 };
    const log = memoryLog(() => clock.ms);
    const read = [effect("read", ["orders/public.customers"], [])];
    openSession(log, "extract", "s1");
    const old = decide(log, "extract", "s1", "old", read);
    finish(log, "extract", "s1", "old", 1);
    decide(log, "extract", "s1", "held", read, { ruling: "hold" });
    ask(log, "approval-1", {}, "extract");
    clock.ms = 4_000_000_000_000;
    const young = decide(log, "extract", "s1", "young", read);
    const texts = new Map([old, young].map((id) => [id, { text: `SELECT '${id}'`, parameters: null }]));
    const store = await openStore(engine, { tenant: "test", encodePosition, retention: { activityDays: 90 } });
    await store.write(log.records, texts);
    for (const table of ["events", "axes", "texts"]) await engine.command(`OPTIMIZE TABLE ${table} FINAL`);
    const rows = await store.timeline({ order: "oldest" }, 10);
    assert.deepEqual(
      rows.map(({ type, command }) => `${type} ${command}`),
      ["command.decided held", "approval.asked command-approval-1", "command.decided young"],
    );
    const left = await engine.ask<{ n: number }>("SELECT count() AS n FROM axes WHERE value = 'old'");
    assert.deepEqual(left, [{ n: 0 }]);
    assert.deepEqual(await engine.ask("SELECT position FROM texts"), [{ position: encodePosition(6) }]);
    assert.equal(rows[2]?.text, `SELECT '${young}'`);
    await store.close();
  });
});
