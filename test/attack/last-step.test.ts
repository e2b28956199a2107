/** Read by one, copied by another: every way the third can make the copy go away asks people first. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Attack, attack, told } from "./stage.ts";

let running: Attack | undefined;
const stage = () => running?.stage ?? assert.fail("the world is not there");

before(async () => {
  running = await attack();
  const { load, extract, transform } = stage().actors;
  for (const text of [
    "CREATE VIEW over_staging AS SELECT * FROM staging_customers WHERE id > 0",
    "CREATE VIEW base AS SELECT id, email FROM staging_customers",
    "ALTER TABLE staging_customers ADD PRIMARY KEY (id)",
    "CREATE TABLE parents (id int PRIMARY KEY)",
    "CREATE TABLE children (id int REFERENCES parents ON DELETE CASCADE, email text)",
    "GRANT INSERT, SELECT ON children, parents TO transform",
    "INSERT INTO parents VALUES (1)",
    "PREPARE gone AS DELETE FROM staging_customers WHERE id = $1",
  ])
    await load.client.query(text);
  await extract.client.query("SELECT * FROM customers LIMIT 10");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers");
  await transform.client.query("INSERT INTO children SELECT id, email FROM customers WHERE id = 1");
  await load.client.query("CREATE MATERIALIZED VIEW kept AS SELECT * FROM base");
});
after(() => running?.end());

const ways = [
  ["DELETE FROM staging_customers WHERE id = 1"],
  ["DELETE FROM over_staging"],
  ["WITH gone AS (DELETE FROM staging_customers RETURNING id) SELECT count(*) FROM gone"],
  ["MERGE INTO staging_customers s USING regions r ON s.region = r.region WHEN MATCHED THEN DELETE"],
  ["UPDATE staging_customers SET email = ''"],
  ["UPDATE over_staging SET email = ''"],
  ["INSERT INTO staging_customers SELECT 1, '', '', '', '' ON CONFLICT (id) DO UPDATE SET email = ''"],
  ["TRUNCATE staging_customers"],
  ["TRUNCATE parents CASCADE"],
  ["DELETE FROM parents"],
  ["DROP TABLE staging_customers CASCADE"],
  ["DROP VIEW base CASCADE"],
  ["ALTER TABLE staging_customers DROP COLUMN email CASCADE"],
  ["ALTER TABLE staging_customers ALTER COLUMN email TYPE text USING ''"],
  ["EXECUTE gone(1)"],
  ["EXPLAIN ANALYZE DELETE FROM staging_customers"],
  ["DO 'BEGIN DELETE FROM staging_customers; END'"],
  ["SELECT 1; DELETE FROM staging_customers"],
  ["BEGIN", "SAVEPOINT a", "DELETE FROM staging_customers"],
  ["BEGIN", "ALTER TABLE staging_customers RENAME TO harmless", "DROP TABLE harmless"],
  [
    "BEGIN",
    "DECLARE c CURSOR FOR SELECT * FROM staging_customers",
    "FETCH c",
    "DELETE FROM staging_customers WHERE CURRENT OF c",
  ],
] as const;

for (const way of ways) {
  test(`held: ${way.join("; ")}`, async () => {
    const { client, notices } = stage().actors.load;
    const before = notices.length;
    let last = "";
    for (const text of way) last = await told(client, text);
    await client.query("ROLLBACK");
    assert.equal(last, "42501");
    assert.ok(way.length > 1 || notices.slice(before).some(({ message }) => message.startsWith("Held by Throughline")));
  });
}
