/**
 * Random nights against a second definition: letters and an expression for the runs, every triple of events for the chains.
 * What the letters cannot say (COMMIT, opaque commands, several windows' lineage) stands in the tests beside this.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PipelineText } from "../../schemas/pipeline.ts";
import { type Dice, seeded } from "../correlator/dice.ts";
import { night, report } from "./night.ts";

const nights = Number(process.env.PIPELINE_CASES ?? 400);
const rowsMax = 1000;
const longestMs = 600_000;
const timespanMs = 86_400_000;
const dayMs = 86_400_000;
const [windowStartMs, windowMs] = [2 * 3_600_000, 2 * 3_600_000];

const pipeline: PipelineText = {
  ...report,
  longest: "10m",
  steps: report.steps.map((step, at) => (at === 1 ? { ...step, times: { max: 2 } } : step)),
};

const detection = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;
const rules = [
  detection("r", "{ operation: read }"),
  detection("t", "{ operation: transform }"),
  detection("d", "{ destroys: true }"),
  `title: random
name: random
correlation: { type: temporal_ordered, rules: [r, t, d], timespan: 24h }
x-chain:
  distinct: { field: account, min: 2 }
  unless: { pipeline: nightly-report }
  gate: { action: hold, approvers: [x] }
`,
].join("---\n");

/** What a line is to the pipeline (1 2 3: its steps; x: another command of its accounts; h: harmless; -: others), and to the rule. */
const lines = [
  {
    letter: "1",
    step: "r",
    account: "report",
    text: "read orders/public.customers identity=svc-report fingerprint=aaaa",
  },
  {
    letter: "2",
    step: "t",
    account: "report",
    text: "transform orders/public.customers -> orders/public.report identity=svc-report fingerprint=bbbb",
  },
  { letter: "3", step: "d", account: "clean", text: "delete orders/public.report identity=svc-clean fingerprint=cccc" },
  { letter: "x", step: "d", account: "clean", text: "delete orders/public.report identity=svc-clean fingerprint=dddd" },
  {
    letter: "x",
    step: "t",
    account: "report",
    text: "transform orders/public.customers -> orders/public.report identity=eve fingerprint=bbbb",
  },
  {
    letter: "x",
    step: "r",
    account: "report",
    text: "read orders/public.customers identity=svc-report fingerprint=eeee",
  },
  { letter: "h", step: "r", account: "report", text: "read orders/public.misc identity=svc-report fingerprint=ffff" },
  { letter: "-", step: "r", account: "bob", text: "read orders/public.customers identity=bob" },
  {
    letter: "-",
    step: "t",
    account: "bob",
    text: "transform orders/public.customers -> orders/public.report identity=bob",
  },
  { letter: "-", step: "d", account: "bob", text: "delete orders/public.report identity=bob" },
] as const;

interface Event {
  readonly kind: (typeof lines)[number];
  readonly atMs: number;
  readonly rows: number;
}

const windowOf = (atMs: number) => {
  const inDay = atMs % dayMs;
  return inDay >= windowStartMs && inDay < windowStartMs + windowMs ? Math.floor(atMs / dayMs) : null;
};

/** Events of the one run that the last event belongs to; null when it belongs to none, or that has deviated. */
function runOf(history: readonly Event[], last: Event): readonly Event[] | null {
  const window = windowOf(last.atMs);
  if (window === null) return null;
  const own = [...history, last].filter(
    ({ kind, atMs }) => windowOf(atMs) === window && kind.letter !== "-" && kind.letter !== "h",
  );
  const first = own.findIndex(({ kind }) => kind.letter === "1");
  if (first === -1) return null;
  const rest = own.slice(first);
  const soon = rest.filter(({ atMs }) => atMs - rest[0]!.atMs <= longestMs);
  const letters = soon.map(({ kind }) => kind.letter).join("");
  const length = /^1(2(2?3)?|22)?/.exec(letters)![0].length;
  const run = soon.slice(0, length);
  const complete = run.at(-1)!.kind.letter === "3";
  if (!complete && soon.length > length) return null;
  // How many rows the last one will have is not known yet.
  if (run.some((event) => event !== last && event.rows > rowsMax)) return null;
  return run.includes(last) ? run : null;
}

/** The latest chain that is not exempt, compared from its last step backwards. */
function chainOf(history: readonly Event[], last: Event, run = runOf(history, last)): readonly Event[] | null {
  if (last.kind.step !== "d") return null;
  const recent = history.filter(({ atMs }) => last.atMs - atMs <= timespanMs);
  for (const [at, t] of [...recent.entries()].reverse())
    for (const r of recent.slice(0, at).reverse()) {
      if (t.kind.step !== "t" || r.kind.step !== "r") continue;
      if (new Set([r, t, last].map(({ kind }) => kind.account)).size < 2) continue;
      if (run === null || !run.includes(t)) return [r, t, last];
    }
  return null;
}

function randomNights(dice: Dice): Event[] {
  const events: Event[] = [];
  let atMs = windowStartMs - dice(2) * 1_000_000;
  let next = 0;
  for (let count = 6 + dice(20); count > 0; count -= 1) {
    // Often what the pipeline would do, so that there are runs to disturb.
    const kind = dice(3) > 0 ? lines[next % 3]! : lines[dice(lines.length)]!;
    if (kind.letter === String((next % 3) + 1)) next += 1;
    if (dice(6) === 0) next = 0;
    events.push({ kind, atMs, rows: dice(12) === 0 ? rowsMax + 1 : dice(rowsMax) });
    atMs += 1 + dice(dice(8) === 0 ? 7_200_000 : 200_000);
    if (dice(10) === 0) [atMs, next] = [(Math.floor(atMs / dayMs) + 1) * dayMs + windowStartMs + dice(1_000), 0];
  }
  return events;
}

test(`runs and exemptions agree with a second definition on ${nights} random streams`, () => {
  let [found, spared] = [0, 0];
  for (let seed = 1; seed <= nights; seed += 1) {
    const events = randomNights(seeded(seed));
    const { run, outputs } = night([pipeline], rules);
    const zeroMs = Date.UTC(2026, 0, 1);
    for (const [at, event] of events.entries()) {
      const { kind, atMs, rows } = event;
      const before = outputs.length;
      run(`${atMs}ms ${kind.account} ${kind.text} rows=${rows} address=10.2.0.1`);
      const completed = outputs
        .slice(before)
        .find((one) => one.type === "chain.completed" && one.data.rule === "random");
      const chain =
        completed?.type === "chain.completed" ? completed.data.chain.steps.map((one) => one.atMs - zeroMs) : null;
      const expected = chainOf(events.slice(0, at), event)?.map((one) => one.atMs) ?? null;
      assert.deepEqual(chain, expected, `seed ${seed}, event ${at}: ${events.map((one) => one.kind.letter).join("")}`);
      if (expected !== null) found += 1;
      else if (chainOf(events.slice(0, at), event, null) !== null) spared += 1;
    }
  }
  assert.ok(found > nights && spared > nights / 8, `${found} chains, ${spared} exempt: too few to mean anything`);
});
