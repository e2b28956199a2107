/** What is read of a text against what PostgreSQL itself says of it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type pg from "pg";
import { query } from "./queries.ts";
import { statements } from "./statements.ts";
import { names, openWorld, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.end());

/** @returns the result columns as PostgreSQL describes them, or null when it refuses the text */
async function describe(sql: string): Promise<readonly pg.FieldDef[] | null> {
  await world.client.query("BEGIN");
  try {
    return (await world.client.query({ text: sql, rowMode: "array" })).fields;
  } catch {
    return null;
  } finally {
    await world.client.query("ROLLBACK");
  }
}

/** Each result column that PostgreSQL takes from a table must be one that the reading shows at that very place. */
async function agrees(sql: string): Promise<boolean> {
  const reading = world.reader.read(sql, names);
  const fields = await describe(sql);
  if (fields === null || reading.opaque !== null) return false;
  const columns = reading.outputs.at(-1) ?? [];
  const placed = columns.length === fields.length;
  if (!placed) for (const uri of reading.shows) assert.ok(reading.reveals.includes(uri), `${sql}: ${uri} has no place`);
  for (const [index, field] of fields.entries()) {
    const told = world.reader.sourcesOf(field.tableID, field.columnID);
    assert.notEqual(told, null, sql);
    for (const uri of told ?? []) {
      const known = reading.reveals.includes(uri) || (placed && columns[index]?.includes(uri));
      assert.ok(known, `${sql}: column ${index + 1} is ${uri}, read as ${columns[index]?.join(",")}`);
    }
  }
  return placed;
}

test("PostgreSQL finds no column in a result that the reading has not at that place", async () => {
  let checked = 0;
  await fc.assert(
    fc.asyncProperty(query, async (sql) => {
      if (await agrees(sql)) checked += 1;
    }),
    { numRuns: 1500 },
  );
  assert.ok(checked > 700, `only ${checked} of the queries were valid`);
});

// ONLY is left out: RowDescription does not tell it, so what a column number means includes the children.
test("the table's own SELECTs agree with PostgreSQL, place by place", async () => {
  let checked = 0;
  for (const { sql } of statements()) {
    if (
      /^(SELECT|WITH|TABLE|VALUES)[^;]*$/.test(sql) &&
      !/pg_(terminate|sleep|advisory)|ONLY/.test(sql) &&
      (await agrees(sql))
    )
      checked += 1;
  }
  assert.ok(checked > 60, `only ${checked}`);
});

test("random queries are all read: none of them is opaque when PostgreSQL accepts it", async () => {
  await fc.assert(
    fc.asyncProperty(query, async (sql) => {
      const reading = world.reader.read(sql, names);
      if (reading.opaque !== null) assert.equal(await describe(sql), null, `${sql}: ${reading.opaque}`);
    }),
    { numRuns: 500 },
  );
});
