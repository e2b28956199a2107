/** The heart of the scenario once more with Debian's psql, which knows nothing of us. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { eventually, granted, seenByTarget } from "./cast.ts";
import type { Stage, Step } from "./play.ts";
import { answer } from "./play-chain.ts";

export const psqlSteps: Step[] = [
  {
    title: "psql as load: DELETE waits with a NOTICE, Olga refuses, the session goes on",
    run: heldInPsql,
  },
];

async function heldInPsql(stage: Stage): Promise<void> {
  const { world, schema, players } = stage;
  const grant = await granted(players.load, "load", "psql of the play");
  const sql = `DELETE FROM reporting_customers /* ${schema} psql */`;
  const connection = `host=${grant.host} port=${grant.port} dbname=${grant.database} user=${grant.user} options=-csearch_path=${schema}`;
  const env = { PATH: process.env.PATH ?? "", PGPASSWORD: grant.secret, LANG: "C.UTF-8", PGCONNECT_TIMEOUT: "10" };
  const child = spawn(
    "psql",
    ["-X", "-v", "VERBOSITY=verbose", connection, "-c", sql, "-c", "SELECT 'still ' || 'here'"],
    { env },
  );
  let printed = "";
  child.stdout.on("data", (chunk) => (printed += chunk));
  child.stderr.on("data", (chunk) => (printed += chunk));
  const exited = new Promise((done) => child.once("exit", done));
  const approval = await eventually("psql's NOTICE", async () => /approvals\/([\w-]+)[^\w-]/.exec(printed)?.[1]);
  await eventually("Olga's answer", async () => (await answer(players.olga, approval, "refuse")) === 200);
  await exited;
  assert.match(printed, /NOTICE/);
  assert.match(printed, /ERROR: {2}42501/);
  assert.match(printed, /still here/);
  assert.equal(await seenByTarget(world, sql), 0);
}
