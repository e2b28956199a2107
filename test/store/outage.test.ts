/** The store's server is away for a while, as it may be for a day: the projector waits, catches up, and says both. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Store } from "../../infra/store/store.ts";
import { type Projector, runProjector } from "../../services/projector/project.ts";
import { type MemoryLog, memoryLog } from "./memory-log.ts";
import { decide, effect, finish, openSession } from "./night.ts";
import { startServer, type TestServer } from "./server.ts";

const ours = "demo";
const read = [effect("read", ["orders/public.customers"], [])];

describe("a store that is away", () => {
  let server: TestServer;
  const open: { close(): Promise<void> }[] = [];
  after(async () => {
    for (const one of open.toReversed()) await one.close();
    await server.close();
  });

  /** Resolves when somebody says such an event. */
  function saying(log: MemoryLog, type: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const following = log.follow(
      { after: log.records.at(-1)?.position ?? null, streams: ["steps", "events"] },
      (records) => {
        if (records.some((record) => record.type === type)) resolve();
      },
    );
    return promise.finally(() => following.close());
  }

  async function project(log: MemoryLog, store: Store, tenant = ours): Promise<Projector> {
    const projector = await runProjector({
      log,
      tenant,
      appender: await log.appender("projector", "test"),
      store,
      keys: { get: async () => null } as never,
      blobs: {} as never,
      now: () => 1_700_000_000_000,
      wait: (_, signal) =>
        new Promise((resolve) => {
          setTimeout(resolve, 5);
          signal.addEventListener("abort", () => resolve());
        }),
    });
    open.push(projector);
    return projector;
  }

  test("killed and started again: the log waits for it, nothing is missing and nothing is there twice", async () => {
    server = await startServer();
    const log = memoryLog(() => 1_700_000_000_000, ours);
    openSession(log, "extract", "s1");
    const store = await server.open(ours);
    open.push(store);
    const projector = await project(log, store);
    await projector.caughtUp;
    await server.kill();
    const failed = saying(log, "sink.failed");
    const many = 3_000;
    for (let n = 0; n < many; n += 1) {
      decide(log, "extract", "s1", `c${n}`, read);
      finish(log, "extract", "s1", `c${n}`, 1);
    }
    await failed;
    const recovered = saying(log, "sink.recovered");
    await server.start();
    await recovered;
    const last = finish(log, "extract", "s1", "last", 1);
    while ((await store.event(last)) === null) await new Promise((resolve) => setImmediate(resolve));
    const rows = await store.timeline({ session: "s1", order: "oldest" }, 2 * many + 100);
    assert.deepEqual(
      rows.map(({ id }) => id),
      log.records.filter((record) => record.envelope.session === "s1").map((record) => record.envelope.id),
    );
    const said = (type: string) => log.records.filter((record) => record.type === type).length;
    assert.equal(said("sink.failed"), 1);
    assert.equal(said("sink.recovered"), 1);
  });

  test("away when the projector starts: it begins when the server does, and others have not waited", async () => {
    const log = memoryLog(() => 1_700_000_000_000, "late");
    const opened = openSession(log, "extract", "s1");
    await server.kill();
    const store = await server.open("late");
    open.push(store);
    await assert.rejects(store.timeline({}, 1), { code: "store.unavailable" });
    const failed = saying(log, "sink.failed");
    const projector = await project(log, store, "late");
    await failed;
    await server.start();
    await projector.caughtUp;
    assert.equal((await store.event(opened))?.session, "s1");
  });

  test("records of another tenant in the log are left out of the timelines, and said once per source", async () => {
    const log = memoryLog(() => 1_700_000_000_000, "other");
    openSession(log, "extract", "s2");
    openSession(log, "extract", "s3");
    const store = await server.open("third");
    open.push(store);
    const projector = await project(log, store);
    await projector.caughtUp;
    assert.deepEqual(await store.timeline({}, 10), []);
    const reasons = log.records
      .filter((record) => record.type === "sink.failed")
      .map((record) => (record.envelope.data as { reason: string }).reason);
    assert.equal(reasons.filter((reason) => /gateway\/test says records of another tenant/.test(reason)).length, 1);
  });
});
