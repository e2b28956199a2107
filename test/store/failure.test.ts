/** What happens when the store's server fails: nothing lost, nothing twice, and no tenant in another's database. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { openStore } from "../../infra/store/clickhouse.ts";
import { openEngine, type ServerAddress } from "../../infra/store/engine.ts";
import { openConfiguredStore } from "../../infra/store/open.ts";
import type { Store } from "../../infra/store/store.ts";
import { prepareDatabase } from "../../infra/store/tables.ts";
import type { Failure } from "./front.ts";
import { type MemoryLog, memoryLog } from "./memory-log.ts";
import { decide, effect, finish, openSession } from "./night.ts";
import { encodePosition, startServer } from "./server.ts";

const server = await startServer();
const read = [effect("read", ["orders/public.customers"], [])];
let tenants = 0;

describe("a server of the store that fails", () => {
  let log: MemoryLog;
  let store: Store;
  let tenant: string;
  beforeEach(async () => {
    await store?.close();
    tenants += 1;
    tenant = `t${tenants}`;
    log = memoryLog(() => 1_700_000_000_000, tenant);
    openSession(log, "extract", "s1");
    for (const command of ["c1", "c2", "c3"]) {
      decide(log, "extract", "s1", command, read);
      finish(log, "extract", "s1", command, 1);
    }
    store = await server.open(tenant);
  });
  after(async () => {
    await store.close();
    await server.close();
  });
  const texts = () => new Map([[log.records[1]!.envelope.id as string, { text: "SELECT 1", parameters: null }]]);
  const write = (to: Store = store) => to.write(log.records, texts());
  async function assertWhole(from: Store = store): Promise<void> {
    const rows = await from.timeline({ session: "s1", order: "oldest" }, 100);
    assert.deepEqual(
      rows.map(({ id }) => id),
      log.records.map(({ envelope }) => envelope.id),
    );
    assert.equal(rows.filter(({ text }) => text === "SELECT 1").length, 1);
    assert.equal((await from.timeline({ resource: "orders/public.customers" }, 100)).length, 3);
    assert.equal((await from.sessions({}, 10))[0]?.commands, 3);
    assert.equal(await from.writtenUpTo(), encodePosition(log.records.at(-1)!.position));
  }

  const failures: [string, Omit<Failure, "match" | "times">][] = [
    ["answers with an error", { how: "error", code: 241, text: "Memory limit exceeded" }],
    ["is read-only", { how: "error", code: 164, text: "Cannot execute query in readonly mode" }],
    ["has a full disk", { how: "error", code: 243, text: "Cannot reserve 1.00 MiB, not enough space" }],
    ["cuts the connection before it has all rows", { how: "before" }],
    ["cuts the connection after it took the rows", { how: "after" }],
  ];
  for (const [name, failure] of failures)
    for (const table of ["axes", "texts", "events"])
      test(`${name}, on ${table}: the same again makes it whole`, async () => {
        const early = failure.how === "before" ? "EARLY " : "";
        await server.fail({ ...failure, match: `^${early}INSERT INTO ${table} `, times: 1 });
        await assert.rejects(write(), { code: "store.unavailable" });
        const isIn = table === "events" && failure.how === "after";
        assert.equal((await store.writtenUpTo()) !== null, isIn, "it says that it is in only when all of it is");
        await write();
        await assertWhole();
      });

  test("says which table it could not write to, and none of the rows", async () => {
    const quoted = "Cannot parse row: SELECT secret FROM customers";
    await server.fail({ match: "^INSERT INTO events ", how: "error", code: 27, text: quoted, times: 1 });
    await assert.rejects(write(), (error: Error) => /events/.test(error.message) && !/secret/.test(error.message));
  });

  test("takes the rows but answers too late: sent again meanwhile, they are there once", async () => {
    const impatient = await impatientStore();
    await server.fail({ match: "^INSERT INTO events ", how: "late", times: 1 });
    await assert.rejects(write(impatient), { code: "store.unavailable" });
    await write(impatient);
    await assertWhole(impatient);
    const rows = await engineCount(
      "SELECT sum(rows) AS found FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND min_block_number = max_block_number",
    );
    assert.equal(rows, log.records.length, "the engine itself recognised the repetition");
    await impatient.close();
  });

  test("is killed in the middle of an insert and starts again with what it had", async () => {
    await write();
    openSession(log, "load", "s2");
    await server.fail({ match: "^INSERT INTO events ", how: "late", times: 1 });
    const writing = assert.rejects(store.write(log.records.slice(-1), new Map()), { code: "store.unavailable" });
    await server.kill();
    await writing;
    await assert.rejects(store.writtenUpTo(), { code: "store.unavailable" });
    await server.start();
    await store.write(log.records.slice(-1), new Map());
    assert.equal((await store.timeline({ session: "s2" }, 10)).length, 1);
    assert.equal((await store.timeline({ session: "s1" }, 100)).length, log.records.length - 1);
  });

  test("refuses a wrong password, and an unreadable password file names itself", async () => {
    const { data } = server.config("stranger");
    await mkdir(data);
    await writeFile(join(data, "wrong"), "guessed\n");
    const stranger = await server.open("stranger", { passwordFile: join(data, "wrong") });
    await assert.rejects(stranger.timeline({}, 1), { code: "store.unavailable" });
    await stranger.close();
    await assert.rejects(server.open("stranger", { passwordFile: join(data, "none") }), { code: "config.unreadable" });
    assert.ok(!server.statements.some((line) => line.includes("stranger")));
  });

  test("keeps every tenant in a database of its own, and refuses what is another's", async () => {
    await write();
    const other = await server.open("other");
    assert.deepEqual(await other.timeline({}, 100), []);
    assert.equal(await other.writtenUpTo(), null);
    await assert.rejects(other.write(log.records, new Map()), { code: "store.foreign" });
    assert.deepEqual(await other.timeline({}, 100), []);
    await other.close();
    const database = `throughline_${tenant}`;
    await assert.rejects(server.open("other", { database }), { code: "store.foreign" });
    const asked = server.statements.filter((line) => line.startsWith("throughline_other: "));
    assert.ok(asked.length > 0 && !asked.some((line) => line.includes(database)));
  });

  function address(): ServerAddress {
    const { store: configured } = server.config(tenant);
    const { url = "", database = "" } = configured?.server ?? {};
    return { url, database, user: "projector", password: "s3cret'" };
  }

  async function impatientStore(): Promise<Store> {
    return openStore(openEngine({ ...address(), timeoutMs: 1_000 }), { tenant, encodePosition });
  }

  async function engineCount(query: string): Promise<number | undefined> {
    const engine = openEngine(address());
    try {
      return (await engine.ask<{ found: number }>(query))[0]?.found;
    } finally {
      await engine.close();
    }
  }

  test("makes a database once, and finds the one that is there", async () => {
    const outside = openEngine({ ...address(), database: "default" });
    await prepareDatabase(outside, "throughline_fresh", undefined);
    await prepareDatabase(outside, "throughline_fresh", undefined);
    await outside.close();
    const fresh = await openConfiguredStore(server.config("fresh"), encodePosition);
    assert.equal(await fresh.writtenUpTo(), null);
    await fresh.close();
  });
});
