/**
 * `make simulate`: plays with many seeds. ARGS: --seed=N the first, --runs=N, --seconds=N of virtual time, --bug=NAME plants
 * one; --all goes on after a broken promise and shrinks nothing. Prints a line per play; the first broken promise is shrunk, printed with the command that plays it again, exit 1.
 */
import { parseArgs } from "node:util";
import { type Bug, bugs } from "./bugs.ts";
import { randomPlan } from "./plan.ts";
import { playOut } from "./play.ts";
import { history, shrink } from "./shrink.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "200" },
    seconds: { type: "string", default: "30" },
    all: { type: "boolean", default: false },
    bug: { type: "string", multiple: true, default: [] },
  },
});
const [first, runs, seconds] = [Number(values.seed), Number(values.runs), Number(values.seconds)];
const planted = bugs.filter((bug: Bug) => values.bug.includes(bug));
console.log(`simulate: seed=${first} runs=${runs} seconds=${seconds}${planted.map((bug) => ` bug=${bug}`).join("")}`);

let broken = 0;
const sum = { facts: 0, steps: 0, held: 0, used: 0 };
for (let seed = first; seed < first + runs; seed += 1) {
  const plan = randomPlan(seed, seconds);
  const outcome = await playOut(plan, planted);
  for (const name of ["facts", "steps", "held", "used"] as const) sum[name] += outcome[name];
  const { facts, steps, held, used, breaches, digest } = outcome;
  const what = `acts=${plan.acts.length} faults=${plan.faults.length} steps=${steps} effects=${facts} held=${held} used=${used}`;
  console.log(`seed=${seed} ${what} broken=${breaches.length} ${digest}`);
  const [breach] = breaches;
  if (breach === undefined) continue;
  if (values.all) {
    broken += 1;
    for (const { promise, what } of breaches.slice(0, 3)) console.log(`  promise ${promise}: ${what}`);
    continue;
  }
  const small = await shrink(plan, breach.promise, planted);
  console.log(`\npromise ${breach.promise} is broken; the fewest acts and faults that still break it:\n`);
  console.log(history(small.plan, small.outcome));
  const args = [`--seed=${seed}`, "--runs=1", `--seconds=${seconds}`, ...planted.map((bug) => `--bug=${bug}`)];
  console.log(`\nmake simulate ARGS="${args.join(" ")}"`);
  process.exit(1);
}
const figures = Object.entries(sum).map(([name, value]) => `${name}=${value}`);
console.log(`simulate: plays=${runs} ${figures.join(" ")} broken=${broken} seed=${first}`);
process.exitCode = broken > 0 ? 1 : 0;
