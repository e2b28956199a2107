/** How a database comes to this version's schema, whose it is, and what it looks like on a cluster. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { openStore } from "../../infra/store/clickhouse.ts";
import { type Engine, openEngine } from "../../infra/store/engine.ts";
import { clustered, migrations, prepareDatabase, prepareTables, schemaStatements } from "../../infra/store/tables.ts";
import { memoryLog } from "./memory-log.ts";
import { correlator, decide, effect, openSession } from "./night.ts";
import { encodePosition, startServer } from "./server.ts";

const server = await startServer();
const engines: Engine[] = [];
after(async () => {
  for (const engine of engines) await engine.close();
  await server.close();
});

async function database(name: string): Promise<Engine> {
  const { url = "" } = server.config("any").store?.server ?? {};
  const at = { url, user: "projector", password: "s3cret'" };
  const outside = openEngine({ ...at, database: "default" });
  await prepareDatabase(outside, name, undefined);
  await outside.close();
  const engine = openEngine({ ...at, database: name });
  engines.push(engine);
  return engine;
}

const shapeOf = (engine: Engine) =>
  engine.ask(
    "SELECT table, name, type, default_expression FROM system.columns WHERE database = currentDatabase() ORDER BY table, name",
  );
const settingsOf = (engine: Engine) =>
  engine.ask<{ name: string; full: string }>(
    "SELECT name, engine_full AS full FROM system.tables WHERE database = currentDatabase() ORDER BY name",
  );

/** A store as version 1 made it, with an output of the correlator in it. */
async function versionOne(name: string, tenant = "test"): Promise<Engine> {
  const engine = await database(name);
  const text = await readFile(join(import.meta.dirname, "tables-1.sql"), "utf8");
  for (const statement of text.split(/^--$/m)) await engine.command(statement);
  const log = memoryLog(() => 1_700_000_000_000, tenant);
  openSession(log, "extract", "s1");
  decide(log, "extract", "s1", "c1", [effect("read", ["orders/public.customers"], [])]);
  log.say(correlator, { type: "clock.ticked", id: "abcdefabcdefabcd", subject: {}, data: {} });
  for (const { position, envelope, type, source, stream } of log.records) {
    const row = { position: encodePosition(position), id: envelope.id, type, source, stream, tenant };
    await engine.command(
      "INSERT INTO events (position, id, type, source, stream, tenant, session, at, data) SELECT {position:String}, {id:String}, {type:String}, {source:String}, {stream:String}, {tenant:String}, 's1', now64(3), '{}'",
      row,
    );
    await engine.command("INSERT INTO axes (axis, value, position) SELECT 'session', 's1', {position:String}", row);
  }
  return engine;
}

describe("the tables of the store", () => {
  test("a store of version 1 gets what is new, and keeps its rows", async () => {
    const [old, fresh] = [await versionOne("old"), await database("fresh")];
    await prepareTables(fresh, { tenant: "test" });
    const store = await openStore(old, { tenant: "test", encodePosition });
    assert.deepEqual(await shapeOf(old), await shapeOf(fresh));
    const withoutGranules = (tables: { full: string }[]) =>
      tables.map((table) => ({
        ...table,
        full: [...table.full.split(/ SETTINGS |, /)]
          .filter((s) => !/^index_gran|^old_parts|^min_comp/.test(s))
          .toSorted(),
      }));
    assert.deepEqual(withoutGranules(await settingsOf(old)), withoutGranules(await settingsOf(fresh)));
    assert.equal((await store.timeline({ session: "s1" }, 10)).length, 3);
    assert.equal(await store.writtenUpTo(), encodePosition(3));
    const outputs = await old.ask("SELECT value, position FROM axes WHERE axis = 'output'");
    assert.deepEqual(outputs, [{ value: "abcdefabcdefabcd", position: encodePosition(3) }]);
  });

  test("each change is recorded and made once", async () => {
    const engine = await database("once");
    await prepareTables(engine, { tenant: "test" });
    const before = server.statements.length;
    await prepareTables(engine, { tenant: "test" });
    assert.deepEqual(
      server.statements.slice(before).filter((line) => /: (ALTER|INSERT)/.test(line)),
      [],
    );
    const rows = await engine.ask<{ number: number }>("SELECT number FROM migrations ORDER BY number");
    assert.deepEqual(
      rows.map(({ number }) => number),
      migrations.map(({ number }) => number),
    );
  });

  test("two processes that start together on an old store both find it whole", async () => {
    const engine = await versionOne("together");
    const second = await database("together");
    await Promise.all([prepareTables(engine, { tenant: "test" }), prepareTables(second, { tenant: "test" })]);
    assert.deepEqual(await shapeOf(engine), await shapeOf(await database("fresh")));
    assert.equal((await engine.ask("SELECT id FROM events")).length, 3);
  });

  test("a store of a newer version is refused and left as it is", async () => {
    const engine = await database("newer");
    await prepareTables(engine, { tenant: "test" });
    await engine.command("INSERT INTO migrations (number, name) SELECT 99, 'from the future'");
    const before = server.statements.length;
    await assert.rejects(prepareTables(engine, { tenant: "test" }), { code: "store.newer" });
    assert.ok(server.statements.slice(before).every((line) => /: SELECT/.test(line)));
  });

  test("a store of version 1 of another tenant is refused", async () => {
    const engine = await versionOne("foreign", "somebody");
    await assert.rejects(prepareTables(engine, { tenant: "test" }), { code: "store.foreign" });
  });

  test("on a cluster every statement runs everywhere and every table is replicated", async () => {
    const statements = [...(await schemaStatements()), ...migrations.flatMap((one) => one.statements)];
    for (const statement of statements) {
      const text = clustered(statement, "main");
      assert.doesNotMatch(text, /non_replicated/);
      if (/^(CREATE|ALTER)/.test(statement))
        assert.match(text, /^(CREATE TABLE IF NOT EXISTS|ALTER TABLE) \w+ ON CLUSTER 'main'\s/);
      if (/^CREATE/.test(statement))
        assert.match(text, /ENGINE = Replicated\w+\('\/clickhouse\/tables\/\{uuid\}\/\{shard\}', '\{replica\}'/);
      assert.doesNotMatch(text, /SETTINGS\s*$|,\s*$/);
    }
    const [identities = ""] = statements.filter((text) => text.includes("EXISTS identities"));
    assert.match(clustered(identities, "main"), /ReplicatedReplacingMergeTree\('[^']+', '\{replica\}', at\)/);
    assert.equal(clustered(identities, undefined), identities);
  });
});
