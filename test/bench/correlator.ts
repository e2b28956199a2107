/**
 * P8: records a second that the correlator reads from the log's own bytes and folds on one core, at 10, 100 and 1,000
 * chain rules; how long an intent waits for its answer with the window full, and the longest pause; what a live partial
 * chain costs. Speeds are per second of CPU (user and system, garbage collection included), slices of the sizes interleaved.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { limits } from "../../schemas/limits.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { crowd, FrameReader, Frames, Stream, startMs } from "./correlator-stream.ts";
import { type Bench, type Figure, median, quantile } from "./figures.ts";

const sizes = [10, 100, 1_000] as const;
const rounds = 8;
const commandsPerSlice = 5_000;
const liveChains = 1_000_000;
const askers = 2_000;

const step = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;

const chain = (index: number, first: string, last: string) =>
  `title: Chain ${index}\nname: chain${index}\ncorrelation:\n  type: temporal_ordered\n  rules: [${first}, copy, ${last}]\n` +
  `  timespan: ${1 + (index % 24)}h\nx-chain:\n  links:\n    - { from: ${first}, to: copy, by: [actor, task] }\n    - { from: copy, to: ${last}, by: [task, actor] }\n` +
  `  distinct: { field: account, min: ${2 + (index % 2)} }\n  gate: { action: hold, approvers: [owners] }\n`;

const shared = [
  step("read", "{ operation: read, tags: pii }"),
  step("copy", "{ operation: transform, tags: pii }"),
  step("destroy", "{ destroys: true }"),
];

/** Every fifth rule is about its own tables, the others share steps, as rule sets do. */
export function usualRules(count: number): string {
  const documents = [...shared];
  for (let index = 0; index < count; index += 1) {
    const own = index % 5 === 0;
    if (own) documents.push(step(`own${index}`, `{ destroys: true, resource|contains: ".t${index % 400}_" }`));
    documents.push(chain(index, "read", own ? `own${index}` : "destroy"));
  }
  return documents.join("---\n");
}

/** The worst: every rule has a first step of its own, and each of them matches every read of what is tagged. */
function matchingRules(count: number): string {
  const documents = [...shared];
  for (let index = 0; index < count; index += 1) {
    documents.push(step(`own${index}`, `{ operation: read, tags: [pii, none${index}] }`));
    documents.push(chain(index, `own${index}`, "destroy"));
  }
  return documents.join("---\n");
}

export function correlatorWith(rules: string): Correlator {
  const correlator = createCorrelator({ limits: { ...limits, stepsKeptMax: 2 * liveChains }, emit: () => {} });
  correlator.goLive();
  const files = {
    "rules/bench.yml": rules,
    "catalog.yaml": '[{ resource: "orders/public.*_pii", tags: [pii] }]',
  };
  const data = { digest: "", engine: engineVersion, files };
  correlator.fold({
    type: "policy.changed",
    id: "p",
    atMs: startMs,
    source: "gateway/g",
    role: "gateway",
    subject: {},
    data,
  });
  if (correlator.problem !== null) throw new Error(correlator.problem);
  return correlator;
}

/** Of the process so far, all threads: garbage is collected on others as well. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

interface Side {
  readonly correlator: Correlator;
  readonly stream: Stream;
  readonly frames: Frames;
  readonly reader: FrameReader;
  readonly speeds: number[];
}

function sideWith(rules: string): Side {
  const parts = { stream: new Stream(), frames: new Frames(), reader: new FrameReader(), speeds: [] };
  return { correlator: correlatorWith(rules), ...parts };
}

/** One slice, from bytes. @param fold what is done with each record */
function slice({ stream, frames, reader, speeds }: Side, fold: Correlator["fold"]): void {
  const bytes = frames.bytesOf(Array.from({ length: commandsPerSlice }, () => stream.next()).flat());
  let records = 0;
  const before = cpuSeconds();
  reader.each(bytes, (entry) => {
    records += 1;
    fold(entry);
  });
  speeds.push(records / (cpuSeconds() - before));
}

function speedOf({ speeds }: Side): number {
  return median(speeds.slice(2));
}

function speeds(): Figure[] {
  const usual = sizes.map((size) => sideWith(usualRules(size)));
  const worst = [10, 1_000].map((size) => sideWith(matchingRules(size)));
  const reading = sideWith(usualRules(10));
  for (let round = 0; round < rounds + 2; round += 1) {
    for (const side of [...usual, ...worst]) slice(side, (entry) => side.correlator.fold(entry));
    slice(reading, () => {});
  }
  const text = (size: number) =>
    `records/s of CPU from the log's bytes, folded at ${size} rules (goal 1,000,000 at 100)`;
  const ratio = (sides: readonly Side[]) => Math.round((100 * speedOf(sides[0]!)) / speedOf(sides.at(-1)!)) / 100;
  return [
    ...usual.map((side, at) => ({
      name: `P8.rules${sizes[at]}`,
      value: Math.round(speedOf(side)),
      text: text(sizes[at]!),
    })),
    { name: "P8.cost_1000_to_10", value: ratio(usual), text: "what a record costs at 1,000 rules / at 10 (goal < 2)" },
    {
      name: "P8.worst_1000_to_10",
      value: ratio(worst),
      text: "the same where every rule's first step matches what any does",
    },
    {
      name: "P8.reading",
      value: Math.round(speedOf(reading)),
      text: "records/s of CPU that are read from bytes and not folded",
    },
    ...answers("P8.full", usual[1]!, "at 100 rules, window full"),
  ];
}

function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1_000;
}

/** From an intent to its answer, and the longest single record of all. */
function answers(name: string, { correlator, stream }: Side, where: string): Figure[] {
  const waitsUs: number[] = [];
  let longestUs = 0;
  while (waitsUs.length < askers) {
    for (const record of stream.next()) {
      const before = nowUs();
      correlator.fold(record);
      const us = nowUs() - before;
      longestUs = Math.max(longestUs, us);
      if (record.type === "command.intended") waitsUs.push(us);
    }
  }
  const wait = (q: number) => ({
    name: `${name}_answer_p${q * 100}_us`,
    value: Math.round(10 * quantile(waitsUs, q)) / 10,
    text: `µs from an intent to its answer ${where} (goal p99 20)`,
  });
  const text = `ms, the longest that one record took ${where}`;
  return [
    ...[0.5, 0.99, 0.999].map(wait),
    { name: `${name}_longest_ms`, value: Math.round(longestUs / 100) / 10, text },
  ];
}

/** A million people, each of whom has done the first step of a chain. */
function live(): Figure[] {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const side = sideWith(usualRules(100));
  slice(side, (entry) => side.correlator.fold(entry));
  collect();
  const empty = process.memoryUsage().heapUsed;
  let longestMs = 0;
  for (let index = 0; index < liveChains; index += 1) {
    for (const record of crowd(index)) {
      const before = nowUs();
      side.correlator.fold(record);
      longestMs = Math.max(longestMs, (nowUs() - before) / 1_000);
    }
  }
  collect();
  const bytes = (process.memoryUsage().heapUsed - empty) / liveChains;
  side.speeds.length = 0;
  side.stream.continueAfter(startMs + liveChains);
  for (let round = 0; round < 5; round += 1) slice(side, (entry) => side.correlator.fold(entry));
  const where = `with ${liveChains} live chains`;
  return [
    { name: "P8.live_bytes", value: Math.round(bytes), text: "bytes of heap per live partial chain (goal 128)" },
    {
      name: "P8.live_longest_ms",
      value: Math.round(longestMs),
      text: "ms, the longest that one record took while they came",
    },
    {
      name: "P8.live_rules100",
      value: Math.round(speedOf(side)),
      text: `records/s of CPU from the log's bytes ${where}`,
    },
    ...answers("P8.live", side, where),
  ];
}

export const correlatorBench: Bench = {
  names: ["P8"],
  async run() {
    return [...speeds(), ...live()];
  },
};
