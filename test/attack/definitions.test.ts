/** Whoever owns the tables changes what names mean, under those who read them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "../demo/cast.ts";
import { direct } from "../demo/database.ts";
import { type Attack, attack, told } from "./stage.ts";

let running: Attack | undefined;
const stage = () => running?.stage ?? assert.fail("the world is not there");

before(async () => {
  running = await attack();
});
after(() => running?.end());

const clear = /person\d+@example|4000\d{6}/;

/** Runs them one after the other; every one must succeed. */
async function run(...texts: readonly string[]): Promise<void> {
  for (const text of texts) await stage().actors.load.client.query(text);
}

test("what cannot be read is held, also where the tagged table was made behind the gateway a moment ago", async () => {
  const { client } = await stage().join(stage().players.load, "load", await stage().freshSchema("unseen"));
  assert.equal(await told(client, "DO 'BEGIN PERFORM 1; END'"), "42501");
});

test("a view that is replaced while a reader waits for its lock shows no value", async () => {
  const { load, extract } = stage().actors;
  await run("CREATE VIEW swapped AS SELECT id, name AS x FROM customers", "GRANT SELECT ON swapped TO extract");
  await run("BEGIN", "CREATE OR REPLACE VIEW swapped AS SELECT id, email AS x FROM customers");
  const rows = told(extract.client, "SELECT x FROM swapped ORDER BY id LIMIT 3");
  await load.client.query("SELECT 1");
  await run("COMMIT");
  assert.doesNotMatch(await rows, clear);
});

test("a view that is replaced while a reader's earlier command runs shows no value", async () => {
  const { load } = stage().actors;
  const reader = (await stage().join(stage().players.extract, "extract")).client;
  await run("CREATE VIEW later AS SELECT id, name AS x FROM customers", "GRANT SELECT ON later TO extract");
  // One string is one message: everything in it was read before it runs.
  const rows = told(reader, "SELECT pg_sleep(1); SELECT x FROM later ORDER BY id LIMIT 3");
  const asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
  await eventually("the reader at the target", () =>
    direct(stage().world.postgres, "orders", async (owner) => (await owner.query(asleep)).rowCount === 1),
  );
  const replaced = load.client.query("CREATE OR REPLACE VIEW later AS SELECT id, email AS x FROM customers");
  assert.match(await rows, /Customer 1/);
  await replaced;
  assert.doesNotMatch(await told(reader, "SELECT x FROM later ORDER BY id LIMIT 3"), clear);
});

test("who has a definition open does not stop those who use other names, nor a reader who was there before", async () => {
  const { load, transform } = stage().actors;
  await transform.client.query("BEGIN");
  await transform.client.query("SELECT count(*) FROM regions");
  await load.client.query("BEGIN");
  const waits = load.client.query("ALTER TABLE regions ADD COLUMN since date");
  await eventually("the ALTER at the target", () =>
    direct(stage().world.postgres, "orders", async (owner) => {
      const found = await owner.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      return found.rowCount === 1;
    }),
  );
  assert.equal(await told(transform.client, "SELECT count(*) FROM regions"), '[[["4"]]]');
  assert.equal(await told(stage().actors.extract.client, "SELECT count(*) FROM customers"), '[[["5000"]]]');
  await transform.client.query("COMMIT");
  await waits;
  await load.client.query("COMMIT");
});

test("a generated column keeps its tags when its expression is dropped", async () => {
  await run("CREATE TABLE made (id int, email text, made text GENERATED ALWAYS AS (email) STORED)");
  await run("INSERT INTO made (id, email) SELECT id, email FROM customers LIMIT 5");
  await run("ALTER TABLE made ALTER COLUMN made DROP EXPRESSION");
  assert.doesNotMatch(await told(stage().actors.load.client, "SELECT made FROM made"), clear);
});

test("a child that leaves its parent keeps the parent's tags", async () => {
  const schema = `${stage().schema}_family`;
  await run(`CREATE SCHEMA ${schema}`, `CREATE TABLE ${schema}.customers (id int, email text)`);
  await run(`CREATE TABLE ${schema}.child () INHERITS (${schema}.customers)`);
  await run(`INSERT INTO ${schema}.child VALUES (1, 'person1@example.com')`);
  await run(`ALTER TABLE ${schema}.child NO INHERIT ${schema}.customers`);
  assert.doesNotMatch(await told(stage().actors.load.client, `SELECT email FROM ${schema}.child`), clear);
});

test("which rows a policy lets through tells no value", async () => {
  await run("CREATE TABLE watched AS SELECT id, email FROM customers", "GRANT SELECT ON watched TO extract");
  await run("ALTER TABLE watched ENABLE ROW LEVEL SECURITY");
  await run("CREATE POLICY guess ON watched USING (email < 'person2')");
  assert.equal(await told(stage().actors.extract.client, "SELECT count(*) FROM watched"), "42501");
});

test("whether a copy fails, how many rows it makes and where they go tell no value", async () => {
  const { client } = stage().actors.load;
  await run("CREATE TABLE sink (id int, v text, n int)", "CREATE TABLE checked (email text CHECK (email < 'person2'))");
  await run("CREATE TABLE routed (id int, email text) PARTITION BY RANGE (email)");
  await run("CREATE TABLE routed_low PARTITION OF routed FOR VALUES FROM (MINVALUE) TO ('person2')");
  await run("CREATE TABLE guesses (email text PRIMARY KEY)", "CREATE TABLE one AS SELECT email FROM customers LIMIT 1");
  await run("ALTER TABLE customers ADD UNIQUE (email)", "CREATE TABLE probe (e text REFERENCES customers (email))");
  for (const text of [
    "INSERT INTO sink (v) SELECT CASE WHEN email LIKE 'person1%' THEN (1 / (id - id))::text END FROM customers WHERE id = 1",
    "INSERT INTO sink (n) SELECT email::int FROM customers WHERE id = 1",
    "INSERT INTO sink (n) VALUES ((SELECT email FROM customers WHERE id = 1)::int)",
    "INSERT INTO sink (n) SELECT generate_series(1, ascii(email)) FROM customers WHERE id = 1",
    "INSERT INTO sink (v) SELECT setseed(ascii(email) / 1000.0)::text FROM customers WHERE id = 1",
    "CREATE TABLE failed AS SELECT 1 / (ascii(email) - 112) AS v FROM customers WHERE id = 1",
    "UPDATE sink SET n = (SELECT ascii(email) / 0 FROM customers WHERE id = 1)",
    "INSERT INTO checked SELECT email FROM customers WHERE id = 1",
    "INSERT INTO routed SELECT id, email FROM customers",
    "ALTER TABLE one ADD FOREIGN KEY (email) REFERENCES guesses (email)",
    "ALTER TABLE one ALTER COLUMN email TYPE varchar(3)",
    "ALTER TABLE routed ATTACH PARTITION customers FOR VALUES FROM ('person2') TO ('q')",
    "INSERT INTO probe VALUES ('person1@example.com')",
  ])
    assert.equal(await told(client, text), "42501", text);
});

test("ordinary copies and pseudonyms of tagged columns stay possible", async () => {
  const { client } = stage().actors.load;
  await run("CREATE TABLE kept (id int, v text)");
  for (const text of [
    "INSERT INTO kept SELECT id, email FROM customers WHERE id < 3",
    "INSERT INTO kept SELECT id, md5(lower(email)) FROM customers WHERE id < 3",
    "INSERT INTO kept SELECT id, split_part(email, '@', 2) || ' ' || coalesce(card, '') FROM customers WHERE id < 3",
    "INSERT INTO kept SELECT id, CASE WHEN email LIKE '%.org' THEN 'org' ELSE 'other' END FROM customers WHERE id < 3",
    "INSERT INTO kept SELECT count(*)::int, max(email) FROM customers",
  ])
    assert.equal(await told(client, text), "[[]]", text);
  assert.doesNotMatch(await told(client, "SELECT v FROM kept"), /person|example/);
});
