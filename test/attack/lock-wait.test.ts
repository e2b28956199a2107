/** Whoever holds a lock decides when a copy of somebody else runs: what it takes along then is tagged all the same. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "../demo/cast.ts";
import { direct } from "../demo/database.ts";
import { type Attack, attack, told } from "./stage.ts";

let running: Attack | undefined;
const stage = () => running?.stage ?? assert.fail("the world is not there");

before(async () => {
  running = await attack();
  const { load } = stage().actors;
  for (const text of [
    "CREATE TABLE harmless (LIKE customers)",
    "CREATE TABLE outbox (LIKE customers)",
    "GRANT SELECT, INSERT ON harmless, outbox TO transform",
    "GRANT SELECT ON outbox TO extract",
  ])
    await load.client.query(text);
});
after(() => running?.end());

test("a copy that waits for LOCK TABLE carries the tags of what its holder puts there meanwhile", async () => {
  const { load, transform, extract } = stage().actors;
  await load.client.query("BEGIN");
  await load.client.query("LOCK TABLE harmless IN ACCESS EXCLUSIVE MODE");
  const copied = told(transform.client, "INSERT INTO outbox SELECT * FROM harmless");
  await eventually("the copy waits at the target", () =>
    direct(stage().world.postgres, "orders", async (owner) => {
      const waiting =
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO outbox%'";
      return (await owner.query(waiting)).rowCount === 1;
    }),
  );
  await load.client.query("INSERT INTO harmless SELECT * FROM customers");
  await load.client.query("COMMIT");
  await copied;
  const count = await direct(stage().world.postgres, "orders", async (owner) => {
    const found = await owner.query(`SELECT count(*) AS rows FROM ${stage().schema}.outbox`);
    return Number(found.rows[0]?.rows);
  });
  assert.ok(count > 0, "the data has come over");
  const rows = await told(extract.client, "SELECT email, card FROM outbox ORDER BY id LIMIT 3");
  assert.match(rows, /\[\[/);
  assert.doesNotMatch(rows, /person\d+@example|4000\d{6}/);
});
