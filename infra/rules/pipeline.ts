/**
 * `pipelines.yaml` → pipelines as they are recognised. Refuses, with file, line and key, what it could not hold anybody to:
 * a mistake here would exempt what nobody meant.
 */
import { createHash } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { type PipelineStepText, type PipelineText, pipelinesSchema } from "../../schemas/pipeline.ts";
import { findings } from "../../schemas/shape.ts";
import { isInNetwork, parseNetwork } from "../pattern/network.ts";
import { parseYaml } from "../yaml.ts";
import { durationMs } from "./chain-rule.ts";
import type { RuleSet } from "./rule-set.ts";
import { parseSchedule, type Schedule } from "./schedule.ts";

export interface PipelineStep {
  readonly identities: ReadonlySet<string>;
  readonly account: string;
  readonly role: string;
  readonly operations: ReadonlySet<string>;
  readonly fingerprints: ReadonlySet<string>;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly destroys: boolean;
  readonly rowsMax: number;
  readonly timesMax: number;
}

export interface Pipeline {
  readonly name: string;
  /** Hex, of what it says, not of its spelling. */
  readonly digest: string;
  readonly steps: readonly PipelineStep[];
  readonly accounts: ReadonlySet<string>;
  readonly identities: ReadonlySet<string>;
  readonly targets: ReadonlySet<string>;
  readonly schedule: Schedule;
  readonly windowMs: number;
  readonly longestMs: number;
  readonly runsMax: number;
  /** @param address without its port */
  readonly isFrom: (address: string) => boolean;
  /** As it was written. */
  readonly text: PipelineText;
}

type Complain = (path: readonly (string | number)[], message: string) => ThroughlineError;

/** @throws ThroughlineError `pipeline.invalid` with `file:line: key: what` */
export function loadPipelines(text: string, file: string): readonly Pipeline[] {
  if (Buffer.byteLength(text) > limits.ruleFileBytesMax)
    throw new ThroughlineError("pipeline.invalid", `${file}:1: larger than ${limits.ruleFileBytesMax} bytes`);
  const parsed = parseYaml(text, file, "pipeline.invalid");
  const value = parsed.value ?? [];
  const wrong: Complain = (path, message) =>
    new ThroughlineError("pipeline.invalid", `${file}:${parsed.at(path).line}: ${path.join(".")}: ${message}`);
  const [first] = findings(pipelinesSchema, value);
  if (first !== undefined)
    throw wrong(
      first.path.map((key) => (/^[0-9]+$/.test(key) ? Number(key) : key)),
      first.known.length > 0 ? `${first.message}; known here: ${first.known.join(", ")}` : first.message,
    );
  const pipelines = (value as PipelineText[]).map((one, at) =>
    compile(one, (path, what) => wrong([at, ...path], what)),
  );
  const names = new Set<string>();
  for (const [at, { name }] of pipelines.entries()) {
    if (names.has(name)) throw wrong([at, "name"], `"${name}" is declared twice`);
    names.add(name);
  }
  return pipelines;
}

/** @returns the one that somebody accepts, as `pipeline.accepted` says it. @throws ThroughlineError `pipeline.invalid` */
export function loadAccepted({ pipeline: name, text }: { readonly pipeline: string; readonly text: string }): Pipeline {
  const [pipeline, ...more] = loadPipelines(text, name);
  if (pipeline === undefined || more.length > 0)
    throw new ThroughlineError("pipeline.invalid", `${name}: one pipeline is accepted at a time`);
  if (pipeline.name === name) return pipeline;
  throw new ThroughlineError("pipeline.invalid", `${name}: its declaration is called ${pipeline.name}`);
}

/** Nobody accepts what exempts himself. @param linked everybody who is the same human as one of these */
export function mayAccept(
  { identities }: Pipeline,
  by: string,
  linked: (identity: string) => readonly string[],
): boolean {
  const own = new Set(linked(by));
  return ![...identities].some((identity) => linked(identity).some((one) => own.has(one)));
}

/** A rule that names a pipeline nobody declared would never be exempt, and nobody would know why. @throws ThroughlineError */
export function expectDeclared({ rules }: Pick<RuleSet, "rules">, pipelines: readonly Pipeline[]): void {
  const declared = new Set(pipelines.map(({ name }) => name));
  for (const { file, name, unless } of rules)
    for (const pipeline of unless)
      if (!declared.has(pipeline))
        throw new ThroughlineError(
          "rule.invalid",
          `${file}: ${name}: x-chain.unless: pipelines.yaml declares no "${pipeline}"; it has: ${[...declared].join(", ") || "none"}`,
        );
}

function compile(text: PipelineText, wrong: Complain): Pipeline {
  const steps = text.steps.map((step, at) => compileStep(step, (path, what) => wrong(["steps", at, ...path], what)));
  for (const [at, { fingerprints, account }] of steps.entries()) {
    const next = steps[at + 1];
    if (next?.account === account && [...fingerprints].some((one) => next.fingerprints.has(one)))
      throw wrong(["steps", at + 1, "fingerprint"], "is the step before's too: say how often by times there");
  }
  const places = steps.flatMap(({ reads, writes }) => [...reads, ...writes]);
  return {
    name: text.name,
    digest: createHash("sha256").update(JSON.stringify(text)).digest("hex"),
    steps,
    accounts: new Set(steps.map(({ account }) => account)),
    identities: new Set(steps.flatMap(({ identities }) => [...identities])),
    targets: new Set(places.map((place) => place.split("/")[0] ?? place)),
    schedule: told(() => parseSchedule(text.window.cron), wrong, ["window", "cron"]),
    windowMs: within(durationMs(text.window.for), wrong, ["window", "for"]),
    longestMs: within(durationMs(text.longest), wrong, ["longest"]),
    runsMax: text.runs?.max ?? 1,
    isFrom: addressesOf(text.addresses, wrong),
    text,
  };
}

function compileStep(step: PipelineStepText, wrong: Complain): PipelineStep {
  const [reads, writes] = [step.reads ?? [], step.writes ?? []];
  if (reads.length + writes.length === 0) throw wrong([], "says neither what it reads nor what it writes");
  for (const [key, places] of Object.entries({ reads, writes }))
    for (const [at, place] of places.entries())
      if (!/^[^\s/*]+\/[^\s/*]+$/.test(place))
        throw wrong([key, at], "is a resource such as orders/public.report; a pipeline is told of each, without *");
  const done = [step.operation].flat();
  return {
    identities: new Set([step.identity].flat()),
    account: step.account,
    role: step.role ?? step.account,
    operations: new Set(done),
    fingerprints: new Set([step.fingerprint].flat()),
    reads,
    writes,
    destroys: step.destroys ?? done.includes("delete"),
    rowsMax: step.rows.max,
    timesMax: step.times?.max ?? 1,
  };
}

function addressesOf(addresses: readonly string[], wrong: Complain): Pipeline["isFrom"] {
  const networks = addresses.map((one, at) => told(() => parseNetwork(one), wrong, ["addresses", at]));
  /** The address of the latest answer: a run asks thousands of times about the same. */
  let last: { readonly address: string; readonly is: boolean } | null = null;
  return (address) => {
    if (last?.address !== address) last = { address, is: networks.some((network) => isInNetwork(network, address)) };
    return last.is;
  };
}

function within(ms: number, wrong: Complain, path: readonly string[]): number {
  if (ms > limits.pipelineWindowMsMax) throw wrong(path, "at most 24h");
  return ms;
}

function told<T>(read: () => T, wrong: Complain, path: readonly (string | number)[]): T {
  try {
    return read();
  } catch (error) {
    throw wrong(path, error instanceof Error ? error.message : String(error));
  }
}
