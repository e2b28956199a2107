/**
 * `make chaos`: two gateways, two correlators, projector and api, a real PostgreSQL and a real Kafka; clients run chains
 * across both gateways while a seeded schedule kills, stops, cuts and fills. Afterwards everything that is promised is
 * counted. The last line is the result; exit 1 when a count is not 0.
 *
 *   --seconds=240   how long the clients run        --chains=N   or until so many completing steps were asked
 *   --seed=S        the schedule and the chains     --workers=N  clients at a time     --calm  nothing is broken
 *   --keep          leaves what it was judged by    --naive[=NAME]  naive designs instead, which must be seen (naive.ts)
 */
import { parseArgs } from "node:util";
import { type Findings, judge } from "./judge.ts";
import { type Naive, naiveCopy, naives } from "./naive.ts";
import { type NightOptions, runNight } from "./night.ts";

const args = process.argv.slice(2).map((arg) => (arg === "--naive" ? "--naive=" : arg));
const { values } = parseArgs({
  args,
  options: {
    seconds: { type: "string" },
    chains: { type: "string" },
    seed: { type: "string" },
    workers: { type: "string", default: "24" },
    calm: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    naive: { type: "string" },
  },
});
const startedMs = Date.now();
const secondsMax = { whole: 240, naive: 40 };

function options(seconds: number): NightOptions {
  return {
    seconds: values.seconds === undefined ? seconds : Number(values.seconds),
    chains: values.chains === undefined ? Number.POSITIVE_INFINITY : Number(values.chains),
    seed: values.seed === undefined ? startedMs % 1_000_000 : Number(values.seed),
    workers: Number(values.workers),
    calm: values.calm,
    keep: values.keep,
    say(line) {
      console.log(`chaos ${String(Math.round((Date.now() - startedMs) / 1000)).padStart(3)} s: ${line}`);
    },
  };
}

async function whole(): Promise<number> {
  const given = options(secondsMax.whole);
  given.say(`seed ${given.seed}, ${given.seconds} s`);
  const { evidence, failed } = await runNight(given);
  const findings = judge(evidence);
  return report({ ...findings, besides: [...findings.besides, ...failed] }, given.seed);
}

/** @returns whether the judge saw what is missing */
async function isSeen(naive: Naive): Promise<boolean> {
  const given = options(secondsMax.naive);
  given.say(`${naive.name}: ${naive.what}`);
  const copy = naiveCopy(naive);
  try {
    const { evidence } = await runNight({ ...given, main: copy.main });
    const findings = judge(evidence);
    report(findings, given.seed);
    return naive.seen.some((count) => findings[count].length > 0);
  } finally {
    copy.remove();
  }
}

async function allNaive(wanted: string): Promise<number> {
  const unseen: string[] = [];
  for (const naive of naives.filter(({ name }) => wanted === "" || name === wanted))
    if (!(await isSeen(naive))) unseen.push(naive.name);
  console.log(unseen.length === 0 ? "chaos: every naive design was seen" : `chaos: not seen: ${unseen.join(", ")}`);
  return unseen.length === 0 ? 0 : 1;
}

function report(findings: Findings, seed: number): number {
  const { unapproved, unrecorded, lost, duplicates, gaps, besides } = findings;
  const wrong = { unapproved, unrecorded, lost, duplicates, gaps, besides };
  for (const [name, lines] of Object.entries(wrong)) {
    for (const line of lines.slice(0, 10)) console.error(`  ${name}: ${line}`);
    if (lines.length > 10) console.error(`  ${name}: … and ${lines.length - 10} more`);
  }
  console.log(
    `chaos: chains=${findings.chains} unapproved=${unapproved.length} unrecorded=${unrecorded.length} lost=${lost.length} duplicates=${duplicates.length} gaps=${gaps.length} seed=${seed}`,
  );
  return Object.values(wrong).some((lines) => lines.length > 0) ? 1 : 0;
}

process.exitCode = await (values.naive === undefined ? whole() : allNaive(values.naive));
