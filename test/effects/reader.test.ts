/** When the catalog is loaded again, and how often: with a loader whose loads the test counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawCatalog } from "../../services/gateway/effects/raw-catalog.ts";
import type { CatalogAccount } from "../../services/gateway/postgres/catalog.ts";
import { createReader } from "../../services/gateway/postgres/read-target.ts";

const account: CatalogAccount = { host: "", port: 0, database: "", user: "", tls: "disable" };
const empty: RawCatalog = {
  target: "orders",
  roles: [{ name: "load", superuser: true, memberOf: [], usage: ["public"] }],
  schemas: ["public"],
  relations: [],
  functions: [],
  operators: [],
  types: [],
  eventTriggers: [],
};
const names = { searchPath: ["public"], role: "load", definesPending: false };

async function counted() {
  const world = { loads: 0, nowMs: 0, fail: false, gate: Promise.resolve() };
  const load = async (): Promise<RawCatalog> => {
    world.loads += 1;
    await world.gate;
    if (world.fail) throw new Error("locked");
    return empty;
  };
  const pause = async (ms: number) => {
    world.nowMs += ms;
  };
  const loader = { load, close: async () => undefined };
  const reader = await createReader({ target: "orders", account, now: () => world.nowMs, pause, loader });
  world.loads = 0;
  return { world, reader };
}

test("names that nobody knows load the catalog once a second, however many wait; nobody else does; they stay opaque", async () => {
  const { world, reader } = await counted();
  for (let i = 0; i < 50; i += 1) {
    const asked = [reader.read(`SELECT * FROM nothing_${i}`, names), reader.read(`SELECT * FROM naught_${i}`, names)];
    await Promise.all(asked.map((reading) => reader.renewed(reading)));
    for (const reading of asked) {
      assert.match(reading.opaque ?? "", /does not know/);
      assert.equal(reader.renewed(reading), null, "once for Parse, Bind and Execute");
    }
    assert.equal(reader.stale, false);
  }
  assert.equal(world.loads, 50);
  assert.ok(world.nowMs >= 49_000, "they waited, the target did not");
  world.nowMs += 1_000;
  assert.notEqual(reader.renewed(reader.read("SELECT * FROM nothing_7", names)), null, "asked again later");
  assert.equal(reader.renewed(reader.read("SELECT 1", names)), null);
});

test("a definition is loaded at once, whatever was asked for before", async () => {
  const { world, reader } = await counted();
  await reader.renewed(reader.read("SELECT * FROM nothing", names));
  reader.outdate();
  assert.equal(reader.stale, true);
  await reader.refresh();
  assert.equal(world.loads, 2);
});

test("all who wait for the same catalog share one load, and share its failure", async () => {
  const { world, reader } = await counted();
  const open = Promise.withResolvers<void>();
  world.gate = open.promise;
  reader.outdate();
  const early = reader.refresh();
  reader.outdate();
  const late = Array.from({ length: 20 }, () => reader.refresh());
  open.resolve();
  await Promise.all([early, ...late]);
  assert.equal(world.loads, 2, "the one under way, and one for all who came later");
  assert.equal(reader.stale, false);
  world.fail = true;
  reader.outdate();
  const failed = await Promise.allSettled(Array.from({ length: 20 }, () => reader.refresh()));
  assert.ok(failed.every(({ status }) => status === "rejected"));
  assert.equal(world.loads, 3);
  assert.equal(reader.stale, true, "it stays stale until a load succeeds");
});
