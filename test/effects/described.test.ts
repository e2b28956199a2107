/** Functions that catalog.yaml describes: what a command that runs them does, and when a summary does not hold. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { FunctionSummary } from "../../schemas/function-summary.ts";
import type { NameContext } from "../../services/gateway/effects/reader.ts";
import { createCatalogLoader } from "../../services/gateway/postgres/catalog.ts";
import { Definitions } from "../../services/gateway/postgres/definitions.ts";
import { createReader, type TargetReader } from "../../services/gateway/postgres/read-target.ts";
import { summary } from "./summary.ts";
import { names, openWorld, type World } from "./world.ts";

const fixed = "SET search_path = public, pg_temp";
const schema = `
  CREATE TABLE report (region text, total numeric);
  CREATE TABLE trail (id int, who text);
  CREATE TABLE watched (id int, t text);
  CREATE TABLE ruled2 (id int);
  CREATE FUNCTION refresh_report(int) RETURNS void LANGUAGE sql ${fixed}
    AS $$ INSERT INTO report SELECT region, $1 FROM customers $$;
  CREATE FUNCTION refresh_report(text) RETURNS void LANGUAGE sql ${fixed} AS $$ SELECT $$;
  CREATE FUNCTION mailof(int) RETURNS text STABLE LANGUAGE sql ${fixed} AS $$ SELECT email FROM customers WHERE id = $1 $$;
  CREATE FUNCTION allowed(text) RETURNS bool STABLE LANGUAGE sql ${fixed} AS $$ SELECT EXISTS (SELECT FROM notes WHERE body = $1) $$;
  CREATE FUNCTION loose() RETURNS void LANGUAGE sql AS $$ INSERT INTO report SELECT region, 1 FROM customers $$;
  CREATE FUNCTION atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM customers; END;
  CREATE FUNCTION anything(anyelement) RETURNS bool LANGUAGE sql ${fixed} AS $$ SELECT $1 = $1 $$;
  CREATE FUNCTION writes_stable() RETURNS int STABLE LANGUAGE sql ${fixed} AS $$ SELECT 1 $$;
  CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql ${fixed} AS $$ BEGIN INSERT INTO trail VALUES (NEW.id); RETURN NEW; END $$;
  CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql ${fixed} AS $$ BEGIN NEW.t := mailof(NEW.id); RETURN NEW; END $$;
  CREATE PROCEDURE wipe() LANGUAGE sql ${fixed} AS $$ TRUNCATE report $$;
  CREATE TRIGGER watch AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();
  CREATE VIEW shown AS SELECT id, mailof(id) AS mail FROM staging;
  CREATE VIEW refreshing AS SELECT refresh_report(id) IS NULL AS done FROM staging;
  CREATE MATERIALIZED VIEW refreshed AS SELECT refresh_report(id) IS NULL AS done FROM staging WITH NO DATA;
  CREATE TABLE guarded (id int, who text);
  ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
  CREATE POLICY p ON guarded USING (allowed(who));
  CREATE TABLE mailed (id int, t text DEFAULT mailof(1));`;

let world: World;
let reader: TargetReader;
let stated: readonly FunctionSummary[] = [];
interface Failing {
  readonly function: string;
  readonly why: string;
  readonly digest: string;
}
let failing: readonly Failing[] = [];
const failed = (): readonly Failing[] => failing;
const digests = new Map<string, string>();
const uri = (name: string) => `orders/public.${name}`;
const read = (sql: string, context: Partial<NameContext> = {}) => reader.read(sql, { ...names, ...context });
const meaning = (sql: string) => summary(read(sql));

/** A summary of the function as it is now. */
function of(name: string, reads: readonly string[], writes: readonly string[], more: Partial<FunctionSummary> = {}) {
  const digest = digests.get(uri(name));
  assert.ok(digest, name);
  return { function: uri(name), digest, reads: reads.map(uri), writes: writes.map(uri), ...more };
}

before(async () => {
  world = await openWorld();
  await world.client.query(schema);
  reader = await createReader({
    ...{ target: "orders", account: world.account, now: Date.now },
    summaries: () => stated,
    voided: (summaries) => {
      failing = summaries;
    },
  });
  for (const { function: name, digest } of reader.functions()) digests.set(name, digest);
});
after(async () => {
  try {
    await reader.close();
  } finally {
    await world.end();
  }
});
beforeEach(() => {
  stated = [];
});

test("a described function does what its summary says, wherever it is called; without a summary it is opaque", () => {
  assert.match(meaning("SELECT mailof(1)"), /^opaque: a function whose body is not known \(public\.mailof\)$/);
  stated = [
    of("mailof(integer)", ["customers#email"], []),
    of("refresh_report(integer)", ["customers#region"], ["report"], { returns: [], destroys: false }),
    of("refresh_report(text)", [], []),
  ];
  assert.equal(meaning("SELECT mailof(1)"), "read customers#email> | reveals customers#email");
  assert.equal(
    meaning("INSERT INTO staging (email) SELECT public.mailof(1)"),
    "transform customers#email>staging {customers#email>staging#email} + read customers#email>",
  );
  assert.equal(
    meaning("SELECT refresh_report(1)"),
    "transform customers#region>report | changes search_path role settings | lasting",
  );
  assert.match(meaning("SELECT 1 FROM notes WHERE body = mailof(id)"), /reveals customers#email,notes#body,notes#id$/);
});

test("arguments go where the function writes, beside what it reads", () => {
  stated = [
    of("refresh_report(integer)", ["customers#region"], ["report#region", "report#total"], {
      ...{ returns: [], destroys: false, flows: [[uri("customers#region"), uri("report#region")]] },
    }),
    of("refresh_report(text)", [], []),
  ];
  assert.equal(
    meaning("SELECT refresh_report(id) FROM staging"),
    "transform customers#region,staging#id>report#region,report#total {staging#id>report#region staging#id>report#total customers#region>report#region} + read staging#id> | reveals staging#id | changes search_path role settings | lasting",
  );
});

test("what a called function moves is moved before and after what the rest of the text does", () => {
  stated = [
    of("refresh_report(integer)", ["customers#region"], ["report"], { returns: [], destroys: false }),
    of("refresh_report(text)", [], []),
  ];
  const moves = (sql: string) => read(sql).effects.filter(({ operation }) => operation === "transform").length;
  assert.equal(moves("INSERT INTO notes (body) SELECT refresh_report(1)::text FROM report"), 2);
  const [first, second] = read("INSERT INTO notes (body) SELECT region || refresh_report(1)::text FROM report").effects;
  assert.deepEqual([first?.writes, second?.writes], [[uri("report")], [uri("notes")]]);
  const both = read("INSERT INTO customers (region) SELECT region || refresh_report(1)::text FROM report").effects;
  assert.deepEqual(
    both.map(({ writes }) => writes[0]),
    [uri("report"), uri("customers"), uri("report")],
  );
});

test("what a function writes is not lost behind a view, a refresh, a cursor or an EXPLAIN that runs", () => {
  stated = [
    of("refresh_report(integer)", ["customers#region"], ["report"], { returns: [], destroys: false }),
    of("refresh_report(text)", [], []),
  ];
  const writes = "transform customers#region,staging#id>report";
  for (const sql of [
    "SELECT done FROM refreshing",
    "SELECT count(*) FROM refreshing",
    "REFRESH MATERIALIZED VIEW refreshed",
    "DECLARE c CURSOR FOR SELECT done FROM refreshing",
    "EXPLAIN ANALYZE SELECT done FROM refreshing",
    "COPY (SELECT done FROM refreshing) TO STDOUT",
    "CREATE TABLE made_of AS SELECT done::text FROM refreshing",
    "WITH w AS (SELECT refresh_report(id) FROM staging) SELECT 1",
    "SELECT 1 FROM notes ORDER BY (SELECT refresh_report(id)::text FROM staging LIMIT 1)",
    "SELECT * FROM staging s, LATERAL refresh_report(s.id)",
    "SELECT count(*) FILTER (WHERE refresh_report(id) IS NULL) FROM staging",
    "DELETE FROM notes USING staging s WHERE refresh_report(s.id) IS NULL",
    "INSERT INTO notes (id) VALUES (1) ON CONFLICT DO NOTHING RETURNING (SELECT refresh_report(id)::text FROM staging)",
    "MERGE INTO notes USING staging s ON true WHEN MATCHED AND refresh_report(s.id) IS NULL THEN DO NOTHING",
  ])
    assert.ok(meaning(sql).includes(writes), `${sql}: ${meaning(sql)}`);
  assert.equal(meaning("EXPLAIN SELECT done FROM refreshing").includes(writes), false, "nothing runs");
});

test("what is said to destroy counts as removal too, and what is emptied ends", () => {
  stated = [of("wipe()", [], ["report"], { ends: [uri("report")] })];
  assert.equal(
    meaning("CALL wipe()"),
    "write >report ! + delete >report ! †report | changes search_path role settings | lasting",
  );
  assert.match(meaning("CALL nosuch()"), /^opaque/);
});

test("every overload that the name could mean must be described", () => {
  stated = [of("refresh_report(integer)", ["customers#region"], ["report"])];
  assert.match(meaning("SELECT refresh_report(1)"), /^opaque: .*refresh_report/);
  assert.match(meaning('SELECT "public"."refresh_report"(1)'), /^opaque/);
});

test("a view, a policy and a trigger that call it do what it does; a default and an operator may not", () => {
  stated = [
    of("mailof(integer)", ["customers#email"], []),
    of("allowed(text)", ["notes#body"], [], { returns: [] }),
    of("note()", [], ["trail"], { destroys: false }),
  ];
  assert.match(meaning("SELECT mail FROM shown"), /^read customers#email,.*reveals customers#email/);
  assert.match(meaning("SELECT id FROM guarded"), /read .*notes#body/);
  assert.equal(meaning("INSERT INTO watched VALUES (1, 'x')"), "write >watched + transform watched>trail | lasting");
  assert.match(
    meaning("INSERT INTO mailed VALUES (1)"),
    /^opaque: .*mailof\): its summary does not hold where it stands/,
  );
  assert.match(meaning("SELECT 1 WHERE 'a' === 'b'"), /^opaque/);
});

test("a trigger behind what a described function writes is followed: one that nobody read makes it opaque", async () => {
  const refresh = () => of("refresh_report(integer)", ["customers#region"], ["watched"], { destroys: false });
  stated = [refresh(), of("refresh_report(text)", [], [])];
  assert.match(meaning("SELECT refresh_report(1)"), /^opaque: .*\(public\.note\)/);
  stated = [...stated, of("note()", [], ["trail"], { destroys: false })];
  assert.match(meaning("SELECT refresh_report(1)"), /transform watched>trail/);
  await world.client.query("CREATE TRIGGER fill BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION fill()");
  await reader.refresh(true);
  assert.match(meaning("SELECT refresh_report(1)"), /^opaque: .*\(public\.fill\)/);
  stated = [...stated, of("fill()", ["customers#email"], [])];
  assert.match(meaning("SELECT refresh_report(1)"), /transform customers#email>watched/);
});

test("another body, owner, setting or rights is another function, and its digest is told", async () => {
  stated = [of("mailof(integer)", ["customers#email"], [])];
  assert.equal(read("SELECT mailof(1)").opaque, null);
  assert.deepEqual(failed(), []);
  const body =
    "RETURNS text STABLE LANGUAGE sql SET search_path = public, pg_temp AS $$ SELECT email FROM customers WHERE id = $1 $$";
  const changes = [
    "CREATE OR REPLACE FUNCTION mailof(int) RETURNS text STABLE LANGUAGE sql SET search_path = public, pg_temp AS $$ SELECT card FROM customers WHERE id = $1 $$",
    "ALTER FUNCTION mailof(int) OWNER TO loader",
    "ALTER FUNCTION mailof(int) SECURITY DEFINER",
    "ALTER FUNCTION mailof(int) SET work_mem = '1MB'",
    "ALTER FUNCTION mailof(int) VOLATILE",
  ];
  for (const change of changes) {
    await world.client.query(change);
    await reader.refresh(true);
    assert.match(meaning("SELECT mailof(1)"), /^opaque: .*mailof\): it is not what was described/, change);
    assert.deepEqual(
      failed().map((one) => one.function),
      [uri("mailof(integer)")],
    );
    assert.notEqual(failed()[0]?.digest, digests.get(uri("mailof(integer)")));
    await world.client.query(`ALTER FUNCTION mailof(int) OWNER TO postgres`);
    await world.client.query(`ALTER FUNCTION mailof(int) RESET ALL`);
    await world.client.query(`CREATE OR REPLACE FUNCTION mailof(int) ${body}`);
    await world.client.query(`ALTER FUNCTION mailof(int) SECURITY INVOKER`);
    await reader.refresh(true);
    assert.equal(read("SELECT mailof(1)").opaque, null, "as it was described");
  }
  await world.client.query("GRANT EXECUTE ON FUNCTION mailof(int) TO nobody");
  await reader.refresh(true);
  assert.equal(read("SELECT mailof(1)").opaque, null, "who may call it changes nothing of what it does");
});

test("a summary holds only where callers cannot change what the body means, and names what is there", async () => {
  const why = (one: FunctionSummary): string => {
    stated = [one];
    read("SELECT 1");
    return failing.map((found) => found.why).join();
  };
  assert.match(why(of("loose()", ["customers"], ["report"])), /search_path/);
  assert.equal(why(of("atomic()", ["customers"], [])), "");
  assert.match(why(of("anything(anyelement)", [], [])), /any type/);
  assert.match(why(of("writes_stable()", [], ["report"])), /not VOLATILE/);
  assert.match(why(of("mailof(integer)", ["costumers"], [])), /names orders\/public\.costumers/);
  assert.match(why({ ...of("mailof(integer)", [], []), writes: ["orders"] }), /not VOLATILE|names orders/);
  for (const [path, holds] of [
    ["public, pg_temp", true],
    ["public", false],
    ["pg_temp, public", false],
    ['"$user", pg_temp', false],
    ["'public, pg_temp'", false],
    ["''", false],
    ['"Odd, name", pg_temp', true],
  ] as const) {
    await world.client.query(
      `CREATE OR REPLACE FUNCTION pathed() RETURNS int LANGUAGE sql SET search_path = ${path} AS 'SELECT 1'`,
    );
    await reader.refresh(true);
    const digest = reader.functions().find(({ function: name }) => name === uri("pathed()"))?.digest ?? "";
    assert.equal(why({ function: uri("pathed()"), digest, reads: [], writes: [] }) === "", holds, path);
  }
});

test("what the session itself has redefined is not what was described", () => {
  stated = [of("mailof(integer)", ["customers#email"], [])];
  const pending = { definesPending: true, pending: ["orders/pg_function.mailof" as never] };
  assert.match(summary(read("SELECT mailof(1)", pending)), /^opaque: a function that this session/);
  assert.match(summary(read("SELECT mailof(1)", { definesPending: true })), /^opaque/);
  for (const sql of [
    "ALTER FUNCTION f_any(text) RENAME TO mailof; SELECT mailof(1)",
    "DROP FUNCTION mailof(int); SELECT mailof(1)",
    "ALTER FUNCTION mailof(int) SECURITY DEFINER; SELECT mailof(1)",
    "ALTER FUNCTION other.mailof(int) SET SCHEMA public; SELECT mailof(1)",
  ])
    assert.match(meaning(sql), /^opaque/, sql);
});

test("a described function is not redefined while a session runs it, nor run while another redefines it", async () => {
  stated = [of("mailof(integer)", ["customers#email"], [])];
  const all = new Definitions(1);
  let underWay = [read("SELECT mailof(1)")];
  const caller = all.join({ underWay: () => underWay, searchPath: () => ["public"] });
  const definer = all.join({ underWay: () => [], searchPath: () => ["public"] });
  const replaces = read(
    "CREATE OR REPLACE FUNCTION mailof(int) RETURNS text LANGUAGE sql AS 'SELECT card FROM customers'",
  );
  const other = read("CREATE FUNCTION other_one() RETURNS text LANGUAGE sql AS 'SELECT card FROM customers'");
  assert.ok(replaces.opaque !== null);
  assert.equal(definer.mayDefine(other), null, "others may be defined");
  assert.equal(await definer.mayDefine(replaces), false);
  assert.equal(await definer.mayDefine(read("ALTER FUNCTION mailof(int) SECURITY DEFINER")), false);
  const [running] = underWay;
  underWay = [];
  assert.equal(definer.mayDefine(replaces), null);
  assert.ok(running);
  assert.equal(await caller.mayRead(running), false);
  definer.settled();
  assert.equal(caller.mayRead(running), null);
});

test("the digest does not depend on oids, and the same definition elsewhere has the same", async () => {
  await world.client.query("CREATE DATABASE twin");
  const loader = createCatalogLoader("orders", { ...world.account, database: "twin" });
  const { Client } = (await import("pg")).default;
  const { host, port, user, password } = world.account;
  const client = new Client({ host, port, user, password, database: "twin" });
  await client.connect();
  await client.query("CREATE TABLE padding (id int); CREATE TYPE mood AS ENUM ('x'); CREATE TABLE notes (body text)");
  await client.query(
    `CREATE FUNCTION allowed(text) RETURNS bool STABLE LANGUAGE sql ${fixed} AS $$ SELECT EXISTS (SELECT FROM notes WHERE body = $1) $$`,
  );
  const { functions } = await loader.load();
  const found = functions.find(({ name }) => name === "allowed");
  assert.equal(`sha256:${found?.code?.digest}`, digests.get(uri("allowed(text)")));
  await client.end();
  await loader.close();
});
