/** Tables that a session has made and nobody else can see: read as theirs, for as long as nothing could hide behind them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Reading, ResourceUri } from "../../schemas/command.ts";
import { madeAfter } from "../../services/gateway/effects/made.ts";
import type { NameContext } from "../../services/gateway/effects/reader.ts";
import { Temporary } from "../../services/gateway/postgres/temporary.ts";
import { summary } from "./summary.ts";
import { names, openWorld, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.end());

const uri = (text: string) => text as ResourceUri;
const scratch = uri("orders/pg_temp.scratch");
const having = (pending: readonly ResourceUri[], made = pending): NameContext => ({
  ...names,
  definesPending: true,
  pending,
  made,
});
const read = (sql: string, context: NameContext = names) => world.reader.read(sql, context);

test("what goes through a temporary table stays connected, in one text and over several", () => {
  const one = read(
    "CREATE TEMP TABLE scratch AS SELECT email FROM customers; INSERT INTO notes (body) SELECT email FROM scratch",
  );
  assert.deepEqual(
    one.effects.filter(({ operation }) => operation === "transform").map(({ flows }) => flows),
    [
      [["orders/public.customers#email", "orders/pg_temp.scratch#email"]],
      [["orders/pg_temp.scratch", "orders/public.notes#body"]],
    ],
  );
  assert.deepEqual(read("CREATE TEMP TABLE scratch (a text, b int)").makes, [scratch]);
  const later = read("INSERT INTO notes (body) SELECT s.a FROM scratch s", having([scratch]));
  assert.equal(summary(later), "transform orders/pg_temp.scratch>notes {orders/pg_temp.scratch>notes#body}");
  assert.equal(read("SELECT a FROM pg_temp.scratch", having([scratch])).opaque, null);
});

test("a table of the open transaction can be read before it is committed", () => {
  const work = uri("orders/public.work");
  assert.equal(
    summary(read("INSERT INTO staging (email) SELECT x FROM work", having([work]))),
    "transform work>staging {work>staging#email}",
  );
  assert.match(summary(read("SELECT x FROM other.work", having([work]))), /^opaque: a relation/);
});

test("a name that could be anything else stays opaque", () => {
  const notes = uri("orders/pg_temp.notes");
  assert.match(summary(read("SELECT body FROM notes", having([notes]))), /^opaque/, "the catalog has one too");
  const two = having([uri("orders/public.scratch"), scratch], [scratch]);
  assert.match(summary(read("SELECT a FROM scratch", two)), /^opaque/, "a view of the same name, not committed");
  assert.match(summary(read("SELECT a FROM scratch", having([scratch], []))), /^opaque/, "made by who knows what");
  const wide = having([uri("orders"), scratch], [scratch]);
  assert.match(summary(read("SELECT a FROM pg_temp.scratch", { ...wide, pending: undefined } as never)), /^opaque/);
});

test("what could hide code makes the name opaque again, what cannot does not", () => {
  const after = (sql: string) => {
    const reading = read(sql, having([scratch]));
    return madeAfter([scratch], [scratch], { ...reading, makes: reading.makes ?? [] }).includes(scratch);
  };
  const kept = ["CREATE INDEX ON scratch (a)", "ANALYZE scratch", "INSERT INTO scratch SELECT 1", "DROP TABLE scratch"];
  for (const sql of [...kept, "CREATE TEMP TABLE scratch (b int)", "TRUNCATE scratch"])
    assert.equal(after(sql), true, sql);
  const trigger =
    "CREATE TRIGGER t BEFORE UPDATE ON scratch FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()";
  for (const sql of [trigger, "ALTER TABLE scratch ADD COLUMN b int", "ALTER TABLE scratch RENAME TO c"]) {
    assert.equal(after(sql), false, sql);
  }
  for (const sql of [
    "CREATE TEMP TABLE scratch (c checked)",
    "CREATE TEMP TABLE scratch (c int REFERENCES customers)",
    "CREATE TEMP TABLE scratch (LIKE customers)",
    "CREATE TEMP TABLE scratch () INHERITS (people)",
    "CREATE TEMP VIEW scratch AS SELECT 1",
  ]) {
    assert.equal(read(sql).makes, undefined, sql);
  }
  assert.match(summary(read("SELECT scratch.near FROM scratch", having([scratch]))), /^opaque: a function/);
});

test("DROP IF EXISTS before CREATE, as jobs do, hides nothing", () => {
  const reading = read(
    "DROP TABLE IF EXISTS scratch; CREATE TEMP TABLE scratch (a int); INSERT INTO scratch VALUES (1)",
  );
  assert.equal(reading.opaque, null);
  const dropped = read("DROP TABLE IF EXISTS scratch");
  assert.deepEqual(dropped.clears, [uri("orders/public.scratch"), scratch]);
});

test("temporary tables of one name are different tables in different sessions", () => {
  const [one, two] = [new Temporary("orders", "s-1"), new Temporary("orders", "s-2")];
  const reading = read("INSERT INTO notes (body) SELECT a FROM scratch", having([scratch]));
  const named: Reading = one.named(reading);
  assert.deepEqual(named.effects[0]?.reads, ["orders/pg_temp.scratch@s-1"]);
  assert.deepEqual(named.effects[0]?.flows, [["orders/pg_temp.scratch@s-1", "orders/public.notes#body"]]);
  assert.notDeepEqual(two.named(reading).effects, named.effects);
  assert.equal(one.bare(named), reading);
  assert.deepEqual(one.bare({ ...named }).effects, reading.effects, "also of what was made of it");
  const plain = read("SELECT 1 FROM notes");
  assert.equal(one.named(plain), plain);
  assert.deepEqual(one.named(read("CREATE TEMP TABLE scratch AS SELECT email FROM customers")).effects.at(-1)?.flows, [
    ["orders/public.customers#email", "orders/pg_temp.scratch@s-1#email"],
  ]);
});

test("code behind a type is found inside composite types, arrays and ranges too", async () => {
  await world.client.query(`CREATE TYPE pair AS (a int, c checked); CREATE TABLE boxed (id int, p pair);
    CREATE TABLE listed (id int, p pair[]); CREATE TYPE span AS RANGE (subtype = checked); CREATE TABLE spanned (s span);
    CREATE TYPE plain_pair AS (a int, b text); CREATE TABLE unboxed (p plain_pair)`);
  await world.reader.refresh(true);
  for (const table of ["boxed", "listed", "spanned"]) {
    assert.match(summary(read(`INSERT INTO ${table} SELECT * FROM ${table}`)), /^opaque: a function whose body/, table);
  }
  assert.match(summary(read("SELECT ROW(1, 'x')::pair")), /^opaque: a function/);
  assert.equal(read("INSERT INTO unboxed SELECT p FROM unboxed").opaque, null);
  assert.equal(read("CREATE TEMP TABLE scratch (p pair)").makes, undefined);
});
