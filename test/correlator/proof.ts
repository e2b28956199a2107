/**
 * Engine, oracle and SQL on random input, for as long as one likes: `make test` minutes of it, `make bench` ten million cases.
 * A case is one answer that was compared. Prints its seed; at the first disagreement the smallest case found like it.
 *
 *     node test/correlator/proof.ts [--cases=N] [--seconds=S] [--sql=N] [--seed=N] [--workers=N]
 *     differential: cases=1000000 disagreements=0 seed=5 sql=10000
 *
 * Ends when both numbers of cases are reached or the seconds are over (then the numbers say how far it came), with
 * status 1 when there is a disagreement. `--round=N` plays one round again, alone.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { Disagreement } from "./disagreement.ts";
import { kindOf, playRound, seedOf, shrinkRound } from "./rounds.ts";
import { openHunter, sqlPlay } from "./sql-case.ts";

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "0" },
    seconds: { type: "string", default: "0" },
    sql: { type: "string", default: "0" },
    seed: { type: "string", default: `${Date.now() % 2 ** 31}` },
    workers: { type: "string", default: `${Math.min(availableParallelism(), 8)}` },
    round: { type: "string" },
  },
});

const seed = Number(values.seed);
const casesMin = Number(values.cases);
const sqlMin = Number(values.sql);
const untilMs =
  Number(values.seconds) === 0 ? Number.POSITIVE_INFINITY : performance.now() + 1_000 * Number(values.seconds);
const isOver = () => performance.now() > untilMs;
const progressMs = 60_000;

interface Told {
  readonly cases?: number;
  /** A round that came out wrong. */
  readonly wrong?: number;
}

const workers: Worker[] = [];
let cases = 0;
let sql = 0;
let wrong: number | null = null;

/** Rounds of one worker out of so many, until told to stop. */
function work(index: number, count: number): Promise<void> {
  const worker = new Worker(new URL("./proof-worker.ts", import.meta.url), { workerData: { seed, index, count } });
  workers.push(worker);
  return new Promise((resolve, reject) => {
    worker.on("message", (told: Told) => {
      cases += told.cases ?? 0;
      wrong ??= told.wrong ?? null;
      if (wrong !== null || isOver() || (cases >= casesMin && casesMin > 0))
        for (const one of workers) void one.terminate();
    });
    worker.on("error", reject);
    worker.on("exit", () => resolve());
  });
}

/** SQL runs in this thread: the engine of the store is one per process. @returns what came out wrong */
async function huntAll(): Promise<Disagreement | null> {
  if (sqlMin === 0) return null;
  const folder = await mkdtemp(join(tmpdir(), "throughline-proof-"));
  const engine = await openHunter(folder);
  try {
    for (let round = 0; sql < sqlMin && wrong === null && !isOver(); round += 1) {
      const played = await playRound(seedOf(seed, round), sqlPlay(engine));
      if (typeof played !== "number") return await shrinkRound(seedOf(seed, round), sqlPlay(engine));
      sql += played;
    }
    return null;
  } finally {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function report(found: Disagreement, what: string): void {
  console.log(`\n${what}; the smallest case found like it:\n\n${found.rules}\n`);
  for (const event of found.events) console.log(event);
  console.log(`\n${found.message}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  console.log(`differential: seed=${seed}`);
  if (values.round !== undefined) {
    const round = Number(values.round);
    const found = await shrinkRound(seedOf(seed, round), kindOf(round));
    if (found === null) console.log("no disagreement");
    else report(found, `round ${round}`);
    return;
  }
  const ticking = setInterval(() => console.log(`  cases=${cases} sql=${sql}`), progressMs);
  const count = Number(values.workers);
  const [inSql] = await Promise.all([huntAll(), ...Array.from({ length: count }, (_, index) => work(index, count))]);
  clearInterval(ticking);
  if (inSql !== null) report(inSql, "SQL differs");
  if (wrong !== null) {
    const found = await shrinkRound(seedOf(seed, wrong), kindOf(wrong));
    if (found !== null) report(found, `round ${wrong} differs (--seed=${seed} --round=${wrong} plays it again)`);
  }
  const bad = (inSql === null ? 0 : 1) + (wrong === null ? 0 : 1);
  console.log(`differential: cases=${cases} disagreements=${bad} seed=${seed} sql=${sql}`);
}

await main();
