/** Names, roles, definitions of the session, bounds, and the catalog as it changes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ResourceUri } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { NameContext } from "../../services/gateway/effects/reader.ts";
import { createReader } from "../../services/gateway/postgres/read-target.ts";
import { summary } from "./summary.ts";
import { names, openWorld, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.end());

const read = (sql: string, context: Partial<NameContext> = {}) => world.reader.read(sql, { ...names, ...context });
const uri = (text: string) => text as ResourceUri;

test("a name means what search_path and role make of it", () => {
  const first = { searchPath: ["other", "public"] };
  assert.equal(
    summary(read("SELECT x FROM customers", first)),
    "read orders/other.customers#x> | shows orders/other.customers#x",
  );
  assert.equal(
    summary(read("SELECT x FROM customers", { ...first, role: "extract" })),
    summary(read("SELECT x FROM customers", first)),
  );
  // loader may not use the schema, so PostgreSQL skips it.
  assert.equal(
    summary(read("SELECT id FROM customers", { ...first, role: "loader" })),
    "read customers#id> | shows customers#id",
  );
  assert.match(summary(read("SELECT id FROM customers", { searchPath: [] })), /^opaque/);
  assert.match(summary(read("SELECT 1", { role: "stranger" })), /^opaque: a role/);
});

test("a new table goes to the first schema that exists", () => {
  assert.equal(
    summary(read("CREATE TABLE n (a int)", { searchPath: ["$user", "missing", "other"] })),
    "define >orders/other.n | changes definitions",
  );
  assert.equal(
    summary(read("CREATE TABLE n (a int)", { searchPath: ["pg_temp", "public"] })),
    "define >orders/pg_temp.n | changes definitions",
  );
  assert.match(summary(read("CREATE TABLE n (a int)", { searchPath: ["missing"] })), /^opaque/);
});

test("a name that the session has defined itself is opaque, in every spelling, and others are not", () => {
  const pending = { definesPending: true, pending: [uri("orders/pg_temp.staging")] };
  assert.match(summary(read("SELECT email FROM staging", pending)), /^opaque: a name that this session/);
  assert.match(summary(read('SELECT email FROM "staging"', pending)), /^opaque/);
  assert.match(summary(read("INSERT INTO staging SELECT id FROM customers", pending)), /^opaque/);
  assert.equal(read("SELECT email FROM public.staging", pending).opaque, null);
  assert.equal(read("SELECT email FROM customers", pending).opaque, null);
  assert.match(summary(read("SELECT email FROM pg_temp.customers", pending)), /^opaque/);
  const renamed = { definesPending: true, pending: [uri("orders/public.notes"), uri("orders/public.clients")] };
  assert.match(summary(read("SELECT * FROM public.notes", renamed)), /^opaque/);
  assert.match(summary(read("SELECT * FROM clients", renamed)), /^opaque/);
});

test("what the session has defined, not known: every name of a table is opaque, PostgreSQL's own are not", () => {
  const pending = { definesPending: true };
  assert.match(summary(read("SELECT email FROM customers", pending)), /^opaque/);
  assert.equal(read("SELECT relname FROM pg_catalog.pg_class", pending).opaque, null);
  assert.equal(read("SELECT 1", pending).opaque, null);
  const function_ = { definesPending: true, pending: [uri("orders/pg_function.upper")] };
  assert.match(summary(read("SELECT upper('x')", function_)), /^opaque/);
});

test("a text over the bound is opaque, whatever it is: 9 MB of comment in front of DROP TABLE", () => {
  const comment = `/*${"x".repeat(9 * 1024 * 1024)}*/ DROP TABLE customers`;
  const reading = read(comment);
  assert.equal(reading.opaque, "longer than is read");
  assert.ok(reading.effects.some((effect) => effect.destroys && effect.writes.includes(uri("orders"))));
  const under = `/*${"x".repeat(limits.parsedTextBytesMax - 100)}*/ DROP TABLE customers`;
  assert.equal(summary(read(under)), "define >customers ! †customers | changes definitions");
});

const deep: readonly [string, (depth: number) => string][] = [
  ["brackets", (n) => `SELECT ${"(".repeat(n)}1${")".repeat(n)}`],
  ["subqueries", (n) => `SELECT ${"(SELECT ".repeat(n)}1${")".repeat(n)}`],
  ["NOT", (n) => `SELECT ${"NOT ".repeat(n)}true`],
  ["sums", (n) => `SELECT 1${"+1".repeat(n)}`],
  ["casts", (n) => `SELECT 1${"::int".repeat(n)}`],
  ["CASE", (n) => `SELECT ${"CASE WHEN true THEN ".repeat(n)}1${" END".repeat(n)}`],
  ["UNION", (n) => `SELECT 1${" UNION SELECT 1".repeat(n)}`],
  ["joins", (n) => `SELECT 1 FROM notes a${" CROSS JOIN notes".repeat(n)}`],
  ["arrays", (n) => `SELECT ${"ARRAY[".repeat(n)}1${"]".repeat(n)}`],
  ["a quote in a comment", (n) => `SELECT /* ' */ ${"(".repeat(n)}1${")".repeat(n)} /* ' */`],
  ["a quote in a nested comment", (n) => `SELECT /* /* x */ ' */ ${"(".repeat(n)}1${")".repeat(n)}`],
  ["a quote in a line comment", (n) => `SELECT 1+--'\n${"(".repeat(n)}1${")".repeat(n)}`],
];

for (const [name, make] of deep) {
  test(`nesting over the bound is opaque before the parser sees it: ${name}`, () => {
    assert.equal(read(make(400)).opaque, null);
    assert.equal(read(make(20_000)).opaque, "nested deeper than is read");
  });
}

test("long but flat texts are read: many rows, many conditions, long strings", () => {
  const rows = Array.from({ length: 3000 }, (_, index) => `(${index} + 1, 'a + b (c')`).join(", ");
  assert.equal(read(`INSERT INTO notes VALUES ${rows}`).opaque, null);
  const conditions = Array.from({ length: 1000 }, (_, index) => `id = ${index}`).join(" OR ");
  assert.equal(read(`SELECT id FROM notes WHERE ${conditions}`).opaque, null);
  assert.equal(read(`SELECT '${"+(".repeat(10_000)}'`).opaque, null);
  assert.equal(read(`SELECT $x$${"+(".repeat(10_000)}$x$`).opaque, null);
});

test("bytes that the grammar would not see the way the target does are opaque", () => {
  assert.equal(read("SELECT 1\0; DROP TABLE customers").opaque, "not valid text");
  assert.equal(read("SELECT '\ud800'").opaque, "not valid text");
  assert.equal(read("SELECT '\ufffd'").opaque, "not valid text");
});

test("an effect over the limit names schemas, and flows are left out rather than cut", async () => {
  const small = await createReader({
    target: "orders",
    account: world.account,
    now: Date.now,
    limits: { ...limits, effectResourcesMax: 4 },
  });
  const reading = small.read(
    "INSERT INTO staging SELECT c.id, c.name, n.body FROM customers c, notes n, orders o, visits v, people p",
    names,
  );
  assert.deepEqual(reading.effects[0]?.reads, ["orders/public"]);
  assert.equal(reading.opaque, null);
  await small.close();
});

test("PREPARE and DECLARE hand out the statement inside as it was written", () => {
  const inner = (sql: string) => read(sql).handle?.text;
  assert.equal(inner('PREPARE "as" (int, text) AS /* é */ SELECT $1 AS "as"'), '/* é */ SELECT $1 AS "as"');
  assert.equal(inner("DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1 FOR UPDATE"), "SELECT 1 FOR UPDATE");
  assert.deepEqual(read("EXECUTE p (1, 'a', NULL, true, 2.5)").handle?.parameters, ["1", "a", null, "true", "2.5"]);
  assert.equal(read("EXECUTE p (1 + 1)").handle?.parameters, null);
  assert.equal(read("PREPARE a AS SELECT 1; EXECUTE a").handle, undefined);
});

test("who can read what follows grants, columns, owners and superusers", () => {
  const { reader } = world;
  assert.equal(reader.canRead("extract", uri("orders/public.customers#email")), true);
  assert.equal(reader.canRead("extract", uri("orders/public.staging")), false);
  assert.equal(reader.canRead("loader", uri("orders/public.staging#id")), true);
  assert.equal(reader.canRead("loader", uri("orders/public.staging#email")), false);
  assert.equal(reader.canRead("loader", uri("orders/public.staging")), true);
  assert.equal(reader.canRead("nobody", uri("orders")), false);
  assert.equal(reader.canRead("postgres", uri("orders/public.notes")), true);
  assert.equal(reader.canRead("stranger", uri("orders/public.notes")), true);
  assert.deepEqual(read("DO $$ BEGIN END $$", { role: "nobody" }).reveals, []);
});

test("resolution changes with the role, the path and the definitions of what is touched, and with nothing else", async () => {
  const { client, reader } = world;
  const sql = "SELECT c2 FROM v_over";
  const before = read(sql).resolution;
  const unrelated = read("SELECT id FROM notes").resolution;
  assert.equal(read(`${sql} -- again`).resolution, before);
  assert.notEqual(read(sql, { role: "extract" }).resolution, before);
  assert.notEqual(read(sql, { searchPath: ["public", "other"] }).resolution, before);
  await client.query(
    "CREATE OR REPLACE VIEW v_customers AS SELECT id AS key, card AS contact, upper(name) AS shout FROM customers",
  );
  assert.equal(read(sql).resolution, before);
  reader.outdate();
  assert.equal(reader.stale, true);
  await reader.refresh();
  assert.equal(reader.stale, false);
  assert.notEqual(read(sql).resolution, before);
  assert.ok(read(sql).shows.includes(uri("orders/public.customers#card")));
  assert.equal(read("SELECT id FROM notes").resolution, unrelated);
});

test("a table that others made is unknown, asks for a fresh catalog, and is read with it", async () => {
  const { client, reader } = world;
  await client.query("CREATE TABLE fresh (id int, secret text)");
  const unknown = read("SELECT secret FROM fresh");
  assert.match(summary(unknown), /^opaque/);
  await reader.renewed(unknown);
  assert.equal(summary(read("SELECT secret FROM fresh")), "read fresh#secret> | shows fresh#secret");
  assert.ok(reader.resources().includes(uri("orders/public.fresh#secret")));
});

test("a name that stays unknown does not load the catalog again and again", async () => {
  const { reader } = world;
  read("SELECT * FROM never_there");
  await reader.refresh();
  read("SELECT * FROM never_there");
  assert.equal(reader.stale, false);
});

test("a repeated command is the same Reading; a trigger made meanwhile makes a new one", async () => {
  const { client, reader } = world;
  const sql = "INSERT INTO notes VALUES (1, 'x')";
  const first = read(sql);
  assert.equal(read(sql, { searchPath: [...names.searchPath] }), first);
  await reader.refresh(true);
  assert.equal(read(sql), first);
  await client.query("CREATE TRIGGER late BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION trg()");
  await reader.refresh(true);
  assert.match(summary(read(sql)), /^opaque: a function whose body is not known/);
  await client.query("DROP TRIGGER late ON notes");
  await reader.refresh(true);
  assert.equal(read(sql).opaque, null);
});

test("a column of a result is found by number: of a table, a view, a whole row, nothing", async () => {
  const { client, reader } = world;
  const oid = async (name: string) =>
    Number((await client.query("SELECT $1::regclass::oid AS oid", [name])).rows[0].oid);
  assert.deepEqual(reader.sourcesOf(await oid("staging"), 3), ["orders/public.staging#email"]);
  assert.ok(reader.sourcesOf(await oid("v_over"), 2)?.includes(uri("orders/public.customers#id")));
  assert.equal(reader.sourcesOf(await oid("staging"), 0)?.length, 3);
  assert.deepEqual(reader.sourcesOf(0, 0), []);
  assert.equal(reader.sourcesOf(999_999_999, 1), null);
  assert.equal(reader.sourcesOf(await oid("staging"), 99), null);
});

test("a target that is gone, or refuses the account, is a clear fault", async () => {
  const gone = createReader({ target: "orders", account: { ...world.account, port: 1 }, now: Date.now });
  await assert.rejects(gone, (error) => error instanceof ThroughlineError && error.code === "target.unreachable");
  const refused = createReader({ target: "orders", account: { ...world.account, password: "wrong" }, now: Date.now });
  await assert.rejects(refused, (error) => error instanceof ThroughlineError && error.code === "target.refused");
});

test("a fingerprint forgets constants and keeps the rest", () => {
  const print = (sql: string) => read(sql).fingerprint;
  assert.equal(print("SELECT id FROM notes WHERE id = 1"), print("select id from notes where id =   2"));
  assert.notEqual(print("SELECT id FROM notes"), print("SELECT body FROM notes"));
});
