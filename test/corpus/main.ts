/**
 * `make corpus`: plays the labelled corpus through the real reader, gate and correlator, and prints what was held.
 *
 *     --seed=N --chains=N   another corpus; a chain comes with 10,000 everyday commands at least
 *     --companies=N         how many logs they are spread over, each of 36 days
 *     --quick               108 chains of up to nine days in two companies
 *     --library             under the rules that are shipped (false holds of each, no recall: they mean other chains)
 *     --out=FILE.ndjson     writes the events as plain events with their labels instead (of the first company)
 *
 * Ends with 1 when a target of DETECTION §5 is missed.
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { corpusEvents } from "./events.ts";
import { figuresOf, merged, reportOf, type Tally } from "./tally.ts";
import type { Job } from "./worker.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    chains: { type: "string" },
    out: { type: "string" },
    companies: { type: "string", default: "4" },
    quick: { type: "boolean", default: false },
    library: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const companies = values.quick ? 2 : Number(values.companies);
const chains = Math.ceil(Number(values.chains ?? (values.quick ? 108 : 1_008)) / companies);
/** A chain may take 30 days, and nine of the twelve. */
const size = { days: values.quick ? 12 : 36, chains, commands: chains * 10_000 };

if (values.out !== undefined) await write(values.out);
else await play();

async function play(): Promise<void> {
  const startedMs = Date.now();
  const queue: Job[] = Array.from({ length: companies }, (_, index) => ({
    seed: seed * 1_000 + index,
    library: values.library,
    ...size,
  }));
  const tallies: Tally[] = [];
  const work = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) tallies.push(await inWorker(job));
  };
  await Promise.all(Array.from({ length: Math.min(companies, availableParallelism()) }, work));
  const all = merged(tallies);
  for (const line of reportOf(all)) console.log(line);
  const { strong, weak, falseHolds, falseHoldsPer100k } = figuresOf(all);
  console.log(
    `\n${all.asked} commands had to ask, ${falseHolds} were held falsely, ${all.early} steps of chains were held before the last one; ${Math.round((Date.now() - startedMs) / 1_000)} s`,
  );
  console.log(
    `corpus: strong=${strong.toFixed(3)} weak=${weak.toFixed(2)} false_holds_per_100k=${falseHoldsPer100k.toFixed(1)} chains=${all.endings.length} commands=${all.commands} seed=${seed}`,
  );
  if (!values.library && (strong < 1 || weak < 0.95 || falseHoldsPer100k > 1)) process.exitCode = 1;
}

async function inWorker(job: Job): Promise<Tally> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: 6_000 },
  });
  const [tally] = (await once(worker, "message")) as [Tally];
  return tally;
}

async function write(file: string): Promise<void> {
  const out = createWriteStream(file);
  for await (const { event, label } of corpusEvents(seed * 1_000, size)) {
    const line = `${JSON.stringify({ ...event, ...(label === null ? {} : { label }) })}\n`;
    if (!out.write(line)) await once(out, "drain");
  }
  out.end();
  await once(out, "finish");
}
