/**
 * `make run`: starts everything, plays the scenario against itself, then stays up until Ctrl-C.
 * `--once` ends after the play, with 0 only if every assertion held. `--psql` also plays the hold with Debian's psql.
 */
import { join } from "node:path";
import { granted, workload } from "./cast.ts";
import { setStage } from "./play.ts";
import { afterSteps } from "./play-after.ts";
import { chainSteps } from "./play-chain.ts";
import { psqlSteps } from "./play-psql.ts";
import { startWorld, type World } from "./world.ts";

const words = process.argv.slice(2);
const option = (name: string): string | undefined => words.find((word) => word.startsWith(`--${name}=`))?.split("=")[1];
const folder = option("data") ?? join(import.meta.dirname, "..", "..", "data", "demo");
const say = (line: string): void => console.log(line);

async function play(world: World): Promise<boolean> {
  const stage = await setStage(world);
  const steps = [...chainSteps, ...afterSteps, ...(words.includes("--psql") ? psqlSteps : [])];
  try {
    for (const step of steps) {
      const from = performance.now();
      await step.run(stage).catch((error: unknown) => {
        say(`  ✗ ${step.title}`);
        throw error;
      });
      say(`  ✓ ${step.title}  (${Math.round(performance.now() - from)} ms)`);
    }
    return true;
  } catch (error) {
    say(`\nThe play failed:\n${error instanceof Error ? error.stack : String(error)}`);
    say(`Logs: ${join(folder, "gateway.log")}, ${join(folder, "store.log")}, ${world.postgres.log}`);
    return false;
  } finally {
    await stage.leave();
  }
}

async function tell(world: World): Promise<void> {
  const grant = await granted(await workload(world, "load"), "load", "a look around");
  const line = `PGPASSWORD=${grant.secret} psql "host=${grant.host} port=${grant.port} dbname=${grant.database} user=${grant.user}"`;
  say(`
  console    ${world.api}          (log in as ana, olga or ivan)
  passwords  ${Object.entries(world.secrets.people)
    .map(([name, password]) => `${name}: ${password}`)
    .join("   ")}
  gateway    127.0.0.1:${world.ports.gateway}      PostgreSQL clients connect here
  target     127.0.0.1:${world.ports.postgres}      the real PostgreSQL 18 behind it; its log: ${world.postgres.log}
  data       ${folder}

  try it     ${line}
`);
}

const from = performance.now();
const world = await startWorld({ folder, say: (line) => say(`  ${line}`) });
say(`  up after ${((performance.now() - from) / 1000).toFixed(1)} s\n`);
const ended = new Promise((done) => {
  process.once("SIGINT", done);
  process.once("SIGTERM", done);
});
const held = await play(world);
if (words.includes("--once")) {
  await world.stop();
  say(held ? "\nplay: every step held" : "\nplay: FAILED");
  process.exit(held ? 0 : 1);
}
await tell(world);
say("  Ctrl-C stops it; the data stays.");
await ended;
await world.stop();
process.exit(0);
