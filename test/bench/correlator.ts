/**
 * P8: records a second that the correlator folds, at 10, 100 and 1,000 chain rules, from ready entries; and how long one
 * intent waits for its answer at 100 rules with the window full. The stream: 200 accounts, mostly reads of untagged
 * tables, some of tagged ones, copies by 40 pipelines, and deletes that ask. Slices of the three sizes are interleaved.
 */
import type { Entry } from "../../infra/log/entry.ts";
import type { Effect, Operation, ResourceUri } from "../../schemas/command.ts";
import { limits } from "../../schemas/limits.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { seeded } from "../correlator/dice.ts";
import { type Bench, type Figure, median, quantile } from "./figures.ts";

const sizes = [10, 100, 1_000] as const;
const rounds = 3;
const commandsPerSlice = 5_000;
const startMs = Date.UTC(2026, 0, 1);

/** Every fifth rule is about its own tables, the others share steps, as rule sets do. */
function rulesText(count: number): string {
  const step = (name: string, selection: string) =>
    `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;
  const documents = [
    step("read", "{ operation: read, tags: pii }"),
    step("copy", "{ operation: transform, tags: pii }"),
    step("destroy", "{ destroys: true }"),
  ];
  for (let index = 0; index < count; index += 1) {
    const own = index % 5 === 0;
    if (own) documents.push(step(`own${index}`, `{ destroys: true, resource|contains: ".t${index % 400}_" }`));
    documents.push(
      `title: Chain ${index}\nname: chain${index}\ncorrelation:\n  type: temporal_ordered\n  rules: [read, copy, ${own ? `own${index}` : "destroy"}]\n` +
        `  timespan: ${1 + (index % 24)}h\nx-chain:\n  links:\n    - { from: read, to: copy, by: [actor, task] }\n    - { from: copy, to: ${own ? `own${index}` : "destroy"}, by: [task, actor] }\n` +
        `  distinct: { field: account, min: ${2 + (index % 2)} }\n  gate: { action: hold, approvers: [owners] }\n`,
    );
  }
  return documents.join("---\n");
}

export class Stream {
  readonly #dice = seeded(2_026);
  #count = 0;
  #atMs = startMs;

  /** One command's records: asked when it deletes, decided, finished. */
  next(): Entry[] {
    const dice = this.#dice;
    this.#count += 1;
    this.#atMs += dice(20);
    const account = dice(200);
    const what = dice(100);
    const table = dice(400);
    const tagged = `orders/public.t${table}_pii` as ResourceUri;
    const plain = `orders/public.t${table}_plain` as ResourceUri;
    // Pipelines copy the same tables to the same places, over and over.
    const copied = `orders/public.t${table % 40}_pii` as ResourceUri;
    const copy = `orders/public.t${table % 40}_copy` as ResourceUri;
    const effect =
      what < 85
        ? effectOf("read", plain, plain)
        : what < 93
          ? effectOf("read", tagged, plain)
          : what < 98
            ? effectOf("transform", copied, copy)
            : effectOf("delete", plain, dice(2) === 0 ? plain : copy);
    const subject = {
      session: `s${account}`,
      command: `c${this.#count}`,
      identity: `https://id.example|${account}`,
      account: `a${account}`,
      task: `t${account}`,
      target: "orders",
    };
    const facts = {
      kind: "query",
      effects: [effect],
      opaque: null,
      undoable: true,
      transaction: { kind: "none" as const },
    };
    const envelope = { atMs: this.#atMs, source: "gateway/g", role: "gateway" as const, subject };
    const late = {
      outcome: "ok" as const,
      rows: 1,
      bytes: 100,
      tag: "",
      code: null,
      durationUs: 100,
      shown: true,
      undone: [],
      lasted: [subject.command],
    };
    const decided: Entry = {
      ...envelope,
      type: "command.decided",
      id: `d${this.#count}`,
      data: { ...facts, ruling: "allow", approval: null, intent: null },
    };
    const finished: Entry = { ...envelope, type: "command.finished", id: `f${this.#count}`, data: late };
    const asked: Entry = {
      ...envelope,
      type: "command.intended",
      id: `i${this.#count}`,
      data: { ...facts, commits: [] },
    };
    return effect.destroys ? [asked, decided, finished] : [decided, finished];
  }
}

function effectOf(operation: Operation, from: ResourceUri, to: ResourceUri): Effect {
  const destroys = operation === "delete";
  return { operation, reads: destroys ? [] : [from], writes: operation === "read" ? [] : [to], ends: [], destroys };
}

export function correlatorWith(count: number): Correlator {
  const correlator = createCorrelator({ limits, emit: () => {} });
  correlator.goLive();
  const files = {
    "rules/bench.yml": rulesText(count),
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

function foldSlice(correlator: Correlator, records: readonly Entry[]): number {
  const before = process.hrtime.bigint();
  for (const record of records) correlator.fold(record);
  return records.length / (Number(process.hrtime.bigint() - before) / 1e9);
}

async function run(): Promise<Figure[]> {
  const sides = sizes.map((size) => ({
    size,
    correlator: correlatorWith(size),
    stream: new Stream(),
    speeds: [] as number[],
  }));
  for (let round = 0; round < rounds + 1; round += 1) {
    for (const side of sides) {
      const records = Array.from({ length: commandsPerSlice }, () => side.stream.next()).flat();
      const speed = foldSlice(side.correlator, records);
      if (round > 0) side.speeds.push(speed);
    }
  }
  const figures = sides.map(({ size, speeds }) => ({
    name: `P8.rules${size}`,
    value: Math.round(median(speeds)),
    text: `records/s folded on one core at ${size} rules, from entries`,
  }));
  const middle = sides[1];
  return middle === undefined ? figures : [...figures, ...waits(middle.correlator, middle.stream)];
}

function waits(correlator: Correlator, stream: Stream): Figure[] {
  const waitsUs: number[] = [];
  for (let index = 0; index < commandsPerSlice; index += 1) {
    for (const record of stream.next()) {
      const before = process.hrtime.bigint();
      correlator.fold(record);
      if (record.type === "command.intended") waitsUs.push(Number(process.hrtime.bigint() - before) / 1000);
    }
  }
  const figure = (q: number) => ({
    name: `P8.answer_p${q * 100}`,
    value: Math.round(quantile(waitsUs, q) * 10) / 10,
    text: "µs from an intent to its answer at 100 rules, window full",
  });
  return [0.5, 0.99].map(figure);
}

export const correlatorBench: Bench = { names: ["P8"], run };
