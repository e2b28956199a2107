/**
 * `throughline rules run`: rules over any file of plain events, without a gateway (DETECTION §7). The same matching as
 * live; here a command is over when its line is read, so what did not last never counts, and what was worked out once
 * stays right.
 */
import { type Catalog, createCatalog, parseCatalog } from "../../infra/catalog.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { expectDeclared, loadPipelines, type Pipeline } from "../../infra/rules/pipeline.ts";
import type { ChainRule, RuleSet } from "../../infra/rules/rule-set.ts";
import type { RuleFile } from "../../infra/rules/source.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { Firing } from "../../schemas/rule.ts";
import { answerFor, settleFirings } from "./answer.ts";
import type { Asking } from "./asking.ts";
import { createClusters, createTasks } from "./cluster.ts";
import { makeStep } from "./compact.ts";
import { Firings } from "./firings.ts";
import { Horizon } from "./horizon.ts";
import { Lineage } from "./lineage.ts";
import { Pipelines } from "./pipelines.ts";
import { readPlain } from "./plain.ts";
import { endingsOf } from "./shape.ts";
import { isLive, resources, type Step } from "./step.ts";
import { Steps } from "./steps.ts";
import { Tallies } from "./tallies.ts";

export interface Run {
  /** In the order that decides between firings at one event. */
  readonly rules: readonly RuleFile[];
  readonly catalog: { readonly name: string; readonly text: string } | null;
  /** As `pipelines.yaml`: in force from the first line on. Null or absent: nothing is exempt. */
  readonly pipelines?: { readonly name: string; readonly text: string } | null;
  /** JSON lines; empty ones are skipped. */
  readonly events: AsyncIterable<string> | Iterable<string>;
  readonly warn?: (warning: string) => void;
}

/** @throws ThroughlineError `rule.invalid`, `rule.unsupported`, `catalog.invalid`, `pipeline.invalid`, `request.invalid` */
export async function* runRules(run: Run): AsyncGenerator<Firing> {
  const { rules, catalog, events, warn } = run;
  const tags = catalog === null ? createCatalog([]) : parseCatalog(catalog.text, catalog.name);
  const loaded = loadRules(rules, { logs: "any" });
  const offline = new Offline(loaded, tags, declaredFor(loaded, run));
  let number = 0;
  for await (const text of events) {
    number += 1;
    if (text.trim() !== "") yield* offline.take(text, number, warn ?? (() => {}));
  }
}

/** @throws ThroughlineError `pipeline.invalid`, and `rule.invalid` for a rule that names one nobody declared */
export function declaredFor(loaded: RuleSet, { pipelines, warn }: Run): readonly Pipeline[] {
  if (pipelines) {
    const declared = loadPipelines(pipelines.text, pipelines.name);
    expectDeclared(loaded, declared);
    return declared;
  }
  const exempting = loaded.rules.filter(({ unless }) => unless.length > 0).map(({ name }) => name);
  if (exempting.length > 0) warn?.(`nothing is exempt here, where no pipeline is declared: ${exempting.join(", ")}`);
  return [];
}

/** Lines between two looks at what has left every window. */
const sweepLinesEvery = 1_024;

/** One pass over one file. */
export class Offline {
  readonly #rules: RuleSet;
  readonly #lineage: Lineage;
  readonly #steps = new Steps({ ...limits, stepsKeptMax: limits.plainStepsKeptMax });
  readonly #clusters = createClusters();
  readonly #tasks = createTasks();
  readonly #pipelines = new Pipelines();
  readonly #memory = { firings: new Firings(), tallies: new Tallies() };
  readonly #asking: Asking;
  /** By detection: the correlation whose firings it stands for. */
  readonly #inner: ReadonlyMap<number, ChainRule>;
  readonly #ids = new Set<string>();
  readonly #horizon = new Horizon();
  #at = 0;
  #nowMs = Number.NEGATIVE_INFINITY;

  constructor(rules: RuleSet, catalog: Catalog, pipelines: readonly Pipeline[] = []) {
    this.#rules = rules;
    this.#lineage = new Lineage(catalog);
    this.#steps.reload(rules, () => {});
    this.#pipelines.load(pipelines, Number.NEGATIVE_INFINITY);
    this.#inner = new Map(rules.detections.flatMap(({ index, firing }) => (firing === null ? [] : [[index, firing]])));
    const evidence = { lineage: this.#lineage, clusters: this.#clusters, tasks: this.#tasks };
    this.#asking = {
      steps: this.#steps,
      evidence,
      endings: endingsOf(rules.rules),
      looksMax: Number.POSITIVE_INFINITY,
      memory: this.#memory,
      pipelines: this.#pipelines,
    };
  }

  /** @returns what fires at one line, in rule order. @throws ThroughlineError `request.invalid` */
  take(text: string, number: number, warn: (warning: string) => void): Firing[] {
    this.#at += 2;
    const { step: read, time, parentTask } = readPlain(text, number, this.#at);
    if (this.#ids.has(read.id)) {
      warn(`line ${number}: ${read.id} was read before and is left out`);
      return [];
    }
    this.#ids.add(read.id);
    if (time < this.#nowMs) warn(`line ${number}: its time is before the line before it and is read as that`);
    this.#nowMs = Math.max(this.#nowMs, time);
    const step = makeStep({ ...read, atMs: this.#nowMs });
    this.#know(step, parentTask);
    if (!isLive(step)) return [];
    const firings = this.#fire(step);
    if (this.#steps.size >= limits.plainStepsKeptMax)
      throw new ThroughlineError(
        "request.invalid",
        `line ${number}: more than ${limits.plainStepsKeptMax} events match inside the longest window; shorten timespans or split the file`,
      );
    return firings;
  }

  #know({ id, subject }: Step, parentTask: string | null): void {
    const linked = subject.identity !== undefined && subject.onbehalfof !== undefined;
    if (linked) this.#clusters.merge([subject.identity, ...subject.onbehalfof.split(" ")], id);
    const related = subject.task !== undefined && parentTask !== null;
    if (related) this.#tasks.learn(subject.task, parentTask);
    if (!linked && !related) return;
    this.#memory.tallies.forget();
  }

  /** Forgets what has left every window. */
  #sweep({ at, atMs }: Step): void {
    const beforeMs = atMs - this.#rules.timespanMsMax;
    this.#steps.drop(beforeMs);
    const horizon = this.#horizon.pass(at, atMs, beforeMs);
    this.#lineage.forget(horizon, horizon, { ...limits, originsPerResourceMax: Number.POSITIVE_INFINITY });
  }

  #fire(step: Step): Firing[] {
    step.lineage = this.#lineage.taggedNow(resources(step, "touches")).members;
    const tags = this.#lineage.tagsInOrder(step);
    for (const [index, effect] of step.effects.entries()) effect.tags = tags[index] ?? [];
    this.#steps.match(step);
    const inner = step.hits.flatMap((hit) => this.#inner.get(hit) ?? []);
    if (inner.length > 0) settleFirings(this.#asking, step, inner);
    const { enforced, observed } = answerFor(this.#asking, step);
    this.#lineage.put(step);
    this.#lineage.last(step, step.at + 1);
    if (step.hits.length > 0) this.#steps.add(step, false);
    this.#pipelines.add(step);
    if (this.#at % sweepLinesEvery === 0) this.#sweep(step);
    return [...enforced, ...observed]
      .sort((a, b) => a.rule.index - b.rule.index)
      .map(({ rule, chain, found }) => ({
        rule: rule.name,
        event: step.id,
        action: chain.action,
        chain: found.map(({ id }) => id),
      }));
  }
}
