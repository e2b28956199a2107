/** The real PostgreSQL, real clients, the real reader; only the gate is the test's. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import pg from "pg";
import { type Postgres, startPostgres } from "../../infra/deploy/postgres.ts";
import type { Command, CommandId, ResourceUri } from "../../schemas/command.ts";
import { allowed } from "../../schemas/verdict.ts";
import { Definitions } from "../../services/gateway/postgres/definitions.ts";
import { proxy, proxyBounds } from "../../services/gateway/postgres/proxy.ts";
import { createReader, type TargetReader } from "../../services/gateway/postgres/read-target.ts";
import { passwordFile, World } from "../entry/world.ts";
import { block, FakeGate, FakeHeld, hold, uri } from "./doubles.ts";

let folder = "";
let database: Postgres;
let reader: TargetReader | undefined;
let world: World | undefined;
let gate: FakeGate;
const clients: pg.Client[] = [];
const definitions = new Definitions();
const email = uri("orders/public.customers#email");

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "proxy-"));
  database = await startPostgres({
    folder: join(folder, "postgres"),
    settings: { fsync: "off", log_statement: "all" },
  });
  const admin = await direct();
  await admin.query(`CREATE TABLE customers (id int PRIMARY KEY, name text, email text);
    INSERT INTO customers SELECT i, 'name ' || i, 'person' || i || '@example.com' FROM generate_series(1, 1000) i;
    CREATE TABLE t (id serial PRIMARY KEY, v text UNIQUE)`);
  const { superuser: user, password, port } = database;
  reader = await createReader({
    target: "orders",
    now: Date.now,
    account: { host: "127.0.0.1", port, database: "postgres", user, password, tls: "disable" },
  });
  const used = reader;
  world = await World.start({
    target: {
      address: `127.0.0.1:${port}`,
      database: "postgres",
      accounts: { loader: { user, passwordFile: await passwordFile(folder, password) } },
    },
    serve: (wire) =>
      proxy(wire, {
        gate,
        reader: used,
        definitions,
        now: () => performance.now(),
        nextCommandId: () => `c${++commands}` as CommandId,
        tagsOf: (resource: ResourceUri) => (resource === email ? ["pii", "pii.email"] : []),
        bounds: proxyBounds,
      }),
  });
});
let commands = 0;

beforeEach(() => {
  gate = new FakeGate();
});

after(async () => {
  for (const client of clients) await client.end().catch(() => undefined);
  await world?.stop();
  await reader?.close();
  await database.stop();
  await rm(folder, { recursive: true });
});

async function direct(): Promise<pg.Client> {
  const { superuser: user, password, port } = database;
  return opened({ host: "127.0.0.1", port, user, password, database: "postgres" });
}

async function opened(options: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(options);
  client.on("error", () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}

function through(): Promise<pg.Client> {
  const { user, secret } = world!.grant();
  return opened({ host: "127.0.0.1", port: world!.entry.port, user, password: secret, database: "orders" });
}

const masking = (command: Command) =>
  command.reading.shows.includes(email)
    ? { ...allowed, ruling: "mask" as const, because: ["pii"], masks: [email] }
    : allowed;
const judged = (text: string) =>
  gate.judged.filter(({ command }) => command.text === text).map(({ command }) => command);
const finished = (text: string) => gate.done.filter((done) => done.text === text).map(({ outcome }) => outcome);

test("simple, extended and prepared commands answer as they do without the gateway", async () => {
  const client = await through();
  assert.deepEqual((await client.query("SELECT 1 AS one, 'a' AS a")).rows, [{ one: 1, a: "a" }]);
  assert.deepEqual((await client.query("SELECT $1::int + 1 AS two", [1])).rows, [{ two: 2 }]);
  for (let i = 0; i < 3; i++) {
    const { rows } = await client.query({
      name: "p",
      text: "SELECT name FROM customers WHERE id = $1",
      values: [i + 1],
    });
    assert.deepEqual(rows, [{ name: `name ${i + 1}` }]);
  }
  assert.equal((await client.query("SELECT * FROM customers")).rowCount, 1000);
  assert.deepEqual(
    judged("SELECT name FROM customers WHERE id = $1").map(({ parameters }) => parameters),
    [["1"], ["2"], ["3"]],
  );
  assert.equal(finished("SELECT * FROM customers")[0]?.rows, 1000);
});

test("a transaction: COMMIT is a Command with what it makes lasting", async () => {
  const client = await through();
  for (const text of [
    "BEGIN",
    "INSERT INTO t (v) VALUES ('a')",
    "SAVEPOINT s",
    "DELETE FROM t",
    "ROLLBACK TO s",
    "COMMIT",
  ]) {
    await client.query(text);
  }
  const commit = gate.judged.at(-1)!;
  const insert = judged("INSERT INTO t (v) VALUES ('a')")[0]!;
  assert.deepEqual([...new Set(commit.commits.map(({ command }) => command))], [insert.id]);
  assert.ok(
    commit.command.reading.effects.some((effect) => effect.writes.some((w) => w.startsWith("orders/public.t"))),
  );
  assert.deepEqual(finished("COMMIT")[0]?.lasted, [insert.id]);
  assert.deepEqual(finished("ROLLBACK TO s")[0]?.undone, [judged("DELETE FROM t")[0]!.id]);
});

test("refused: the transaction fails as the target's own would, a savepoint rescues it, the statement never arrived", async () => {
  gate.verdict = (command) => (command.text.includes("DELETE") ? block : allowed);
  const client = await through();
  await client.query("DELETE FROM t WHERE false").then(
    () => assert.fail(),
    (error) => assert.deepEqual([error.code, error.severity, error.message], ["42501", "ERROR", block.sentence]),
  );
  await client.query("SELECT 1");
  await client.query("BEGIN");
  await client.query("SAVEPOINT s");
  await assert.rejects(client.query("DELETE FROM t WHERE id = $1", [1]), { code: "42501" });
  await assert.rejects(client.query("SELECT 1"), { code: "25P02" });
  await client.query("ROLLBACK TO s");
  await client.query("SELECT 1");
  await client.query("COMMIT");
  assert.ok(!/(statement|execute [^:]*): DELETE FROM t WHERE (false|id)/.test(await readFile(database.log, "utf8")));
});

test("masked: simple, extended, prepared and executed again, cursor; NULL stays; the gateway's Describe is not seen", async () => {
  gate.verdict = masking;
  const client = await through();
  const one = "SELECT id, email FROM customers WHERE id = 1";
  assert.deepEqual((await client.query(one)).rows, [{ id: 1, email: "•••@•••" }]);
  const values = { text: "SELECT id, email FROM customers WHERE id = $1", values: [2] };
  assert.deepEqual((await client.query(values)).rows, [{ id: 2, email: "•••@•••" }]);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual((await client.query({ ...values, name: "m" })).rows, [{ id: 2, email: "•••@•••" }]);
  }
  await client.query("BEGIN");
  await client.query("DECLARE c CURSOR FOR SELECT email FROM customers ORDER BY id");
  assert.deepEqual((await client.query("FETCH 2 FROM c")).rows, [{ email: "•••@•••" }, { email: "•••@•••" }]);
  await client.query("ROLLBACK");
  await client.query("PREPARE q AS SELECT email FROM customers WHERE id = 3");
  assert.deepEqual((await client.query("EXECUTE q")).rows, [{ email: "•••@•••" }]);
  assert.ok(gate.maskCounts.flat().every(({ resource, tag }) => resource === email && tag === "pii.email"));
});

test("binary results of masked columns are refused, others pass", async () => {
  gate.verdict = masking;
  const client = await through();
  const binary = { values: [1], binary: true } as const;
  await assert.rejects(
    client.query({ text: "SELECT email FROM customers WHERE id = $1", ...binary } as unknown as pg.QueryConfig),
    {
      code: "42501",
    },
  );
  const { rows } = await client.query({
    text: "SELECT id FROM customers WHERE id = $1",
    ...binary,
  } as unknown as pg.QueryConfig);
  assert.deepEqual(rows, [{ id: 1 }]);
});

test("held until approved, cancelled by the client's own CancelRequest", async () => {
  gate.verdict = (command) => (command.text.startsWith("TRUNCATE") ? hold : allowed);
  gate.nextHeld = new FakeHeld("wait");
  const client = await through();
  const notices: string[] = [];
  const told = new Promise<void>((resolve) =>
    client.on("notice", (notice) => {
      notices.push(notice.message ?? "");
      resolve();
    }),
  );
  const truncating = client.query("TRUNCATE t");
  await told;
  assert.match(notices[0]!, /^Held by Throughline/);
  const waiting = gate.nextHeld;
  gate.verdict = () => allowed;
  waiting.answer("approved");
  assert.equal((await truncating).command, "TRUNCATE");
  gate.verdict = (command) => (command.text.startsWith("DROP") ? hold : allowed);
  gate.nextHeld = new FakeHeld("wait");
  const { user, secret } = world!.grant();
  const url = { ...process.env, PGPASSWORD: secret, PGSSLMODE: "disable" };
  const address = ["-h", "127.0.0.1", "-p", String(world!.entry.port), "-U", user, "-d", "orders"];
  const child = execFile("psql", [...address, "-X", "-c", "DROP TABLE t"], { env: url });
  let said = "";
  child.stderr?.on("data", (text: string) => {
    said += text;
    if (said.includes("Held by Throughline") && !child.killed) child.kill("SIGINT");
  });
  await new Promise((resolve) => child.on("close", resolve));
  assert.match(said, /canceling statement due to user request/);
  await client.query("SELECT 1");
});

test("psql: \\d, COPY both ways, a failing statement, FETCH_COUNT", async () => {
  const { user, secret } = world!.grant();
  const env = { ...process.env, PGPASSWORD: secret, PGSSLMODE: "disable" };
  const script = `\\d t
\\copy t (v) from pstdin
one
two
\\.
\\copy t (v) to pstdout
SELECT nonsense;
\\set FETCH_COUNT 7
SELECT count(*) FROM (SELECT 1 FROM customers) x;
SELECT id FROM customers ORDER BY id LIMIT 20;
`;
  const address = ["-h", "127.0.0.1", "-p", String(world!.entry.port), "-U", user, "-d", "orders"];
  const run = promisify(execFile)("psql", [...address, "-X", "-At"], { env });
  run.child.stdin?.end(script);
  const { stdout, stderr } = await run;
  for (const line of ["COPY 2", "one", "two", "1000", "20"])
    assert.ok(stdout.split("\n").includes(line), `${line}: ${stdout}`);
  assert.match(stderr, /nonsense/);
});

test("role and search_path are followed, whichever way they are set", async () => {
  const client = await through();
  await client.query("CREATE SCHEMA other; CREATE TABLE other.t (v text); CREATE ROLE someone");
  await client.query("SET search_path = other");
  await client.query("SELECT v FROM t");
  assert.deepEqual(judged("SELECT v FROM t")[0]?.reading.effects[0]?.reads, ["orders/other.t"]);
  await client.query("BEGIN");
  await client.query("SET LOCAL search_path = public");
  await client.query("SELECT v FROM t");
  assert.ok(judged("SELECT v FROM t")[1]?.reading.effects[0]?.reads[0]?.startsWith("orders/public.t"));
  await client.query("ROLLBACK");
  await client.query("DO $$ BEGIN PERFORM set_config('search_path', 'public', false); END $$");
  await client.query("SELECT v FROM t");
  assert.ok(judged("SELECT v FROM t")[2]?.reading.effects[0]?.reads[0]?.startsWith("orders/public.t"));
});

test("errors: the failed command is reported undone, in a transaction what came before at its end", async () => {
  const client = await through();
  await client.query("INSERT INTO t (v) VALUES ('dup')");
  await assert.rejects(client.query("INSERT INTO t (v) VALUES ('dup')"), { code: "23505" });
  await client.query("SELECT 1"); // the driver rejects at the error; what lasted is known at ReadyForQuery, a packet later
  const [first, second] = judged("INSERT INTO t (v) VALUES ('dup')");
  const outcomes = finished("INSERT INTO t (v) VALUES ('dup')");
  assert.deepEqual(outcomes[0]?.lasted, [first!.id]);
  assert.deepEqual([outcomes[1]?.outcome, outcomes[1]?.code, outcomes[1]?.undone], ["error", "23505", [second!.id]]);
});
