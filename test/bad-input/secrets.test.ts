/**
 * Promise 7 over everything that lies in the data folder after work that carried values in every way a client can:
 * results, literals, bound values, comments, COPY data, definitions, errors that quote values, passwords, tokens. Clear
 * text of commands stands in the store's one table of it and nowhere else; what only came back stands nowhere.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createClient } from "@clickhouse/client";
import { createChdbConnection } from "chdb/connection";
import type pg from "pg";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import { connect, type Grant, granted } from "../demo/cast.ts";
import { type Stage, setStage } from "../demo/play.ts";
import { startWorld, type World } from "../demo/world.ts";

/** In every value that a client sends; nothing else has it. */
const mark = "vq17";
/** In every password that a client sends in a statement. */
const word = "pw93";

let folder: string;
let world: World;
let stage: Stage;
/** Name → what must stand nowhere at all. */
const secrets = new Map<string, string>();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-secrets-"));
  world = await startWorld({ folder, holdSeconds: 1 });
  stage = await setStage(world);
  const grant = await granted(stage.players.load, "load", "values in every way");
  const { client, end } = await connect(grant, stage.schema);
  for (const text of statements) await client.query(text).catch(() => {});
  await bound(client);
  await copied(client);
  await end();
  await heldAsLastStep();
  await wrongLogins(grant);
  const sessions = await sessionIds();
  await world.stop();
  await collect(grant, sessions);
});
after(() => rm(folder, { recursive: true }));

const statements = [
  "SELECT * FROM customers",
  `SELECT id FROM regions WHERE region = '${mark}a@example.com'`,
  `SELECT count(*) FROM customers WHERE email = '${mark}b@example.com'`,
  `SELECT 1 /* ${mark}c@example.com */ -- ${mark}d`,
  `INSERT INTO regions VALUES ('${mark}e', 'once'), ('${mark}e', 'twice')`,
  `INSERT INTO customers VALUES (1, '${mark}f', '${mark}g@example.com', '4000${mark}', 'north')`,
  `SELECT '${mark}h'::int`,
  `SELEC '${mark}i'`,
  `SET application_name = 'plain'; SET search_path = "${mark}-no-such-schema"; RESET search_path`,
  `NOTIFY somebody, '${mark}j'`,
  `CREATE TABLE kept (value text DEFAULT '${mark}k' CHECK (value <> '${mark}l'))`,
  `INSERT INTO kept VALUES ('${mark}l')`,
  `CREATE VIEW seen AS SELECT * FROM regions WHERE manager <> '${mark}m'`,
  "SELECT * FROM seen",
  `CREATE FUNCTION told() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'told ${mark}n'; END $$`,
  "SELECT told()",
  `DO $$ BEGIN RAISE NOTICE '${mark}o'; END $$`,
  `COMMENT ON TABLE kept IS '${mark}p'`,
  `SELECT '${mark}q${"q".repeat(20_000)}'`,
  `PREPARE plan AS SELECT * FROM regions WHERE region = '${mark}r'`,
  "EXECUTE plan",
  `ALTER ROLE load PASSWORD '${word}a'`,
  `CREATE ROLE other LOGIN PASSWORD $$${word}b$$`,
  `SELECT 'host=elsewhere password=${word}c'`,
  "RESET ROLE",
];

async function bound(client: pg.Client): Promise<void> {
  await client.query("SELECT $1::text", [`${mark}1`]);
  await client.query({ name: "named", text: "SELECT * FROM regions WHERE region = $1", values: [`${mark}2`] });
  await client.query("INSERT INTO regions VALUES ($1, 'x')", [`${mark}3`]).catch(() => {});
  await client.query("INSERT INTO regions VALUES ($1, 'x')", [`${mark}3`]).catch(() => {});
  await client.query("SELECT $1::int", [`${mark}4`]).catch(() => {});
}

/** COPY FROM STDIN by hand: node-postgres itself answers it with a failure. */
async function copied(client: pg.Client): Promise<void> {
  for (const line of [`${mark}5\tcopied\n`, `${mark}6\tcopied\n${mark}6\ttwice\n`]) {
    await new Promise<void>((done) => {
      const ignore = () => {};
      const submittable = {
        submit: (connection: { query(text: string): void }) => connection.query("COPY regions FROM STDIN"),
        handleCopyInResponse(connection: { sendCopyFromChunk(bytes: Buffer): void; endCopyFrom(): void }) {
          connection.sendCopyFromChunk(Buffer.from(line));
          connection.endCopyFrom();
        },
        handleRowDescription: ignore,
        handleDataRow: ignore,
        handleCommandComplete: ignore,
        handleError: () => done(),
        handleReadyForQuery: () => done(),
      };
      client.query(submittable as unknown as pg.Submittable);
    });
  }
}

async function heldAsLastStep(): Promise<void> {
  const { extract, transform, load } = stage.actors;
  await extract.client.query("SELECT * FROM customers");
  await transform.client.query("INSERT INTO staging_customers SELECT * FROM customers");
  await load.client.query(`DELETE FROM customers WHERE email = '${mark}s@example.com'`).catch(() => {});
}

async function wrongLogins(grant: Grant): Promise<void> {
  await connect({ ...grant, secret: `${word}-guessed` }, stage.schema).catch(() => {});
  await fetch(`${world.api}/api/me`, { headers: { authorization: `Bearer ${word}.guessed.token` } });
  await fetch(`${world.api}/login/callback?code=${word}code&state=${word}state`, { redirect: "manual" });
}

async function sessionIds(): Promise<string[]> {
  const { body } = await stage.players.ivan.api("GET", "/api/sessions?limit=100");
  return (body.sessions as { session: string }[]).map(({ session }) => session);
}

async function collect(grant: Grant, sessions: readonly string[]): Promise<void> {
  for (const [kind, named] of Object.entries(world.secrets))
    for (const [name, secret] of Object.entries<string>(typeof named === "string" ? { "": named } : named))
      secrets.set(`${kind} ${name}`, secret);
  secrets.set("grant", grant.secret);
  secrets.set("password in a statement", word);
  secrets.set("e-mails that came back", "@example.com");
  const keys = await openKeys(join(folder, "throughline"));
  for (const session of sessions) {
    const key = Buffer.from((await keys.get(session)) ?? []);
    assert.equal(key.length, 32);
    for (const how of ["base64", "hex", "latin1"] as const) secrets.set(`key of ${session}, ${how}`, key.toString(how));
  }
  await keys.close();
}

/** Every file of the product's data folder and its processes' output, but the store's table of clear text. */
async function* lying(): AsyncGenerator<{ name: string; bytes: string }> {
  const data = join(folder, "throughline");
  const sql = await readFile(join(data, "store", "metadata", "default", "texts.sql"), "utf8");
  const texts = /UUID '([0-9a-f-]+)'/.exec(sql)?.[1];
  assert.ok(texts, "where the store keeps clear text");
  const names = await readdir(data, { recursive: true });
  assert.ok(names.some((name) => name.includes(texts)));
  const files = names
    .filter((name) => !name.includes(texts) && !/data.default.texts/.test(name))
    .map((name) => join(data, name));
  for (const path of [...files, join(folder, "gateway.log"), join(folder, "store.log")])
    if ((await stat(path)).isFile()) yield { name: path, bytes: await readFile(path, "latin1") };
}

/** What the engine gives for a table: its files are compressed. */
async function tables(): Promise<Map<string, string>> {
  const connection = createChdbConnection({ path: join(folder, "throughline", "store") });
  const client = createClient({ connection: connection as never });
  const ask = async (query: string): Promise<string> => (await client.query({ query, format: "JSONEachRow" })).text();
  const names = (await ask("SHOW TABLES"))
    .trimEnd()
    .split("\n")
    .map((line: string) => (JSON.parse(line) as { name: string }).name);
  const found = new Map<string, string>();
  for (const name of names) found.set(name, await ask(`SELECT * FROM ${name}`));
  await client.close();
  return found;
}

test("no file of the data folder and no process's output has a secret or a value in the clear", async () => {
  let files = 0;
  for await (const { name, bytes } of lying()) {
    files += 1;
    assert.ok(!bytes.includes(mark), `a client's value stands in ${name}`);
    for (const [what, secret] of secrets) assert.ok(!bytes.includes(secret), `${what} stands in ${name}`);
    if (name.endsWith("0001.log")) assert.ok(bytes.includes("staging_customers"), "the log can be searched like this");
  }
  assert.ok(files > 20);
  assert.ok(secrets.size > 20);
});

test("other users of the machine may open neither the keys, nor the log, nor the store with its clear text", async () => {
  for (const name of ["keys", "log", "store"]) {
    const { mode } = await stat(join(folder, "throughline", name));
    assert.equal(mode & 0o077, 0, `${name} is ${(mode & 0o777).toString(8)}`);
  }
});

test("in the store only the table of clear text has what clients wrote, and it has no password and no result", async () => {
  const found = await tables();
  for (const name of ["events", "axes", "texts", "identities"]) assert.ok(found.has(name), name);
  for (const [name, rows] of found) {
    if (name === "texts") assert.ok(rows.includes(`${mark}a@example.com`), "the table of clear text has it");
    else assert.ok(!rows.includes(mark), `a client's value stands in ${name}: ${around(rows, mark)}`);
    for (const [what, secret] of secrets) {
      const typed = name === "texts" && what === "e-mails that came back";
      assert.ok(typed || !rows.includes(secret), `${what} stands in ${name}: ${around(rows, secret)}`);
    }
    assert.doesNotMatch(rows, /person\d+@example|eyJ[A-Za-z0-9_-]{20}/);
  }
});

function around(text: string, found: string): string {
  const at = text.indexOf(found);
  return text.slice(Math.max(0, at - 300), at + 60);
}
