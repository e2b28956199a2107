/** One session tries to hold up the gateway for all the others. And what people's tools ask is never held or refused. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { granted } from "../demo/cast.ts";
import { type Attack, attack, told } from "./stage.ts";

let running: Attack | undefined;
const stage = () => running?.stage ?? assert.fail("the world is not there");
/** Far above what a busy machine needs for a question to SELECT 1, far below what these texts once took. */
const stallMsMax = 20_000;

before(async () => {
  running = await attack();
});
after(() => running?.end());

/** @returns milliseconds of the longest SELECT 1 of another session meanwhile */
async function stalled(...texts: readonly string[]): Promise<number> {
  const [attacker, other] = [stage().actors.load.client, stage().actors.extract.client];
  let worst = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      const began = performance.now();
      await other.query("SELECT 1");
      worst = Math.max(worst, performance.now() - began);
    }
  })();
  for (const text of texts) await told(attacker, text);
  over = true;
  await watching;
  return worst;
}

const times = (count: number, one: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => one(i)).join("");
const doubled = times(30, (i) => `, c${i + 1} AS (SELECT * FROM c${i} a, c${i} b)`);
const nested = Array.from({ length: 20 }).reduce<string>(
  (inner, _, i) => `WITH RECURSIVE q${i} AS (${inner} UNION SELECT a.x FROM q${i} a, q${i} b) SELECT x FROM q${i}`,
  "SELECT 1 AS x",
);
const united = times(30, (i) => `, c${i + 1} AS (SELECT x FROM c${i} UNION ALL SELECT x FROM c${i})`);

for (const [name, texts] of [
  ["a search_path of blanks", [`SELECT set_config('search_path', '${" ".repeat(200_000)}', true)`, "SELECT 1"]],
  ["comments in comments", ["/*".repeat(20_000)]],
  ["columns that double at every step", [`EXPLAIN WITH c0 AS (SELECT * FROM customers)${doubled} SELECT 1 FROM c30`]],
  ["origins that double at every step", [`EXPLAIN WITH c0 AS (SELECT id AS x FROM customers)${united} SELECT 1`]],
  ["recursive queries in recursive queries", [`EXPLAIN ${nested}`]],
  ["very many statements", ["SELECT 1;".repeat(50_000)]],
  ["very many definitions", [times(20_000, (i) => `CREATE TABLE t${i} (a int);`)]],
] as const) {
  test(`${name} do not hold up other sessions`, async () => {
    assert.ok((await stalled(...texts)) < stallMsMax);
  });
}

// Without \\l: psql 15 asks PostgreSQL 18 for a column that is gone, which is unknown here and an error there.
test("what psql asks to describe things is neither held nor refused", async () => {
  const { players, schema } = stage();
  const { host, port, user, secret, database } = await granted(players.ana, "analyst", "a look around");
  const connection = `host=${host} port=${port} dbname=${database} user=${user} options=-csearch_path=${schema}`;
  const asked = ["\\d", "\\dt+", "\\d+ customers", "\\d customer_regions", "\\dv", "\\di", "\\dn+", "\\df", "\\du"];
  const commands = [...asked, "\\dp", "\\dT", "\\ds", "\\conninfo", "\\sv customer_regions"].flatMap((one) => [
    "-c",
    one,
  ]);
  const env = { PATH: process.env.PATH ?? "", PGPASSWORD: secret, LANG: "C.UTF-8", PGCONNECT_TIMEOUT: "10" };
  const { stdout, stderr } = await promisify(execFile)("psql", ["-X", ...commands, connection], { env });
  assert.match(stdout, /customers/);
  assert.doesNotMatch(stderr, /ERROR|NOTICE/);
});
