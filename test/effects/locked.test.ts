/** Somebody's open transaction has locked what it redefines: the catalog is read all the same, without what is in doubt. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pg from "pg";
import { createCatalogLoader } from "../../services/gateway/postgres/catalog.ts";
import { createReader, type TargetReader } from "../../services/gateway/postgres/read-target.ts";
import { openWorld, type World } from "./world.ts";

let world: World;
let other: pg.Client;
let reader: TargetReader;
const names = { searchPath: ["public"], role: "", definesPending: false };

before(async () => {
  world = await openWorld();
  await world.client.query(`CREATE TABLE kept (id int PRIMARY KEY, email text DEFAULT 'x', low text GENERATED ALWAYS AS (lower(email)) STORED);
    CREATE VIEW over AS SELECT id, email FROM kept; CREATE TABLE beside (id int);
    CREATE VIEW aside AS SELECT id FROM beside`);
  const { host, port, database, user, password } = world.account;
  other = new pg.Client({ host, port, database, user, password });
  await other.connect();
  reader = await createReader({ target: "orders", account: world.account, now: Date.now });
  names.role = user;
});
after(async () => {
  await other?.end();
  await reader?.close();
  await world?.end();
});

const opaque = (text: string) => reader.read(text, names).opaque;

for (const definition of [
  "ALTER TABLE kept ADD COLUMN more int",
  "CREATE OR REPLACE VIEW over AS SELECT id, email FROM kept",
]) {
  test(`an open ${definition} keeps nobody from a fresh catalog, and what it may change is opaque meanwhile`, async () => {
    assert.equal(opaque("SELECT id FROM over"), null);
    await other.query(`BEGIN; ${definition}`);
    // Comes to an end though that transaction does not.
    await reader.refresh(true);
    assert.match(opaque("SELECT id FROM over") ?? "", /cannot be read/);
    assert.equal(opaque("SELECT id FROM aside"), null);
    assert.equal(opaque("SELECT id FROM beside"), null);
    await other.query("ROLLBACK");
    await reader.refresh(true);
    assert.equal(opaque("SELECT id FROM over"), null);
  });
}

test("a lock on the catalog itself is waited for shortly, then it is an error that a later load does not remember", async () => {
  const loader = createCatalogLoader("orders", world.account);
  await other.query("BEGIN; LOCK pg_catalog.pg_class IN ACCESS EXCLUSIVE MODE");
  await assert.rejects(loader.load(), { code: "target.unreachable" });
  await other.query("ROLLBACK");
  assert.ok((await loader.load()).relations.length > 0);
  await loader.close();
});
