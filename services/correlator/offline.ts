/**
 * `throughline rules run`: rules over any file of plain events, without a gateway (DETECTION §7). The same matching as
 * live; here a command is over when its line is read, so what did not last never counts.
 */
import { type Catalog, createCatalog, parseCatalog } from "../../infra/catalog.ts";
import { touches } from "../../infra/rules/field.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { RuleSet } from "../../infra/rules/rule-set.ts";
import type { RuleFile } from "../../infra/rules/source.ts";
import { limits } from "../../schemas/limits.ts";
import type { Firing } from "../../schemas/rule.ts";
import { type Asking, answerFor } from "./answer.ts";
import { createClusters, createTasks } from "./cluster.ts";
import { Lineage } from "./lineage.ts";
import { readPlain } from "./plain.ts";
import { endingsOf } from "./shape.ts";
import { isLive, resources, type Step } from "./step.ts";
import { Steps } from "./steps.ts";

export interface Run {
  /** In the order that decides between firings at one event. */
  readonly rules: readonly RuleFile[];
  readonly catalog: { readonly name: string; readonly text: string } | null;
  /** JSON lines; empty ones are skipped. */
  readonly events: AsyncIterable<string> | Iterable<string>;
  readonly warn?: (warning: string) => void;
}

/** @throws ThroughlineError `rule.invalid`, `rule.unsupported`, `catalog.invalid`, `request.invalid` */
export async function* runRules({ rules, catalog, events, warn }: Run): AsyncGenerator<Firing> {
  const tags = catalog === null ? createCatalog([]) : parseCatalog(catalog.text, catalog.name);
  const offline = new Offline(loadRules(rules), tags);
  let number = 0;
  for await (const text of events) {
    number += 1;
    if (text.trim() !== "") yield* offline.take(text, number, warn ?? (() => {}));
  }
}

/** Lines between two looks at what has left every window. */
const sweepLinesEvery = 1_024;

class Offline {
  readonly #rules: RuleSet;
  readonly #lineage: Lineage;
  readonly #steps = new Steps(limits);
  readonly #clusters = createClusters();
  readonly #tasks = createTasks();
  readonly #asking: Asking;
  readonly #ids = new Set<string>();
  #at = 0;
  #nowMs = Number.NEGATIVE_INFINITY;

  constructor(rules: RuleSet, catalog: Catalog) {
    this.#rules = rules;
    this.#lineage = new Lineage(catalog);
    this.#steps.reload(rules, () => {});
    const evidence = { lineage: this.#lineage, clusters: this.#clusters, tasks: this.#tasks };
    this.#asking = {
      steps: this.#steps,
      evidence,
      endings: endingsOf(rules.rules),
      looksMax: Number.POSITIVE_INFINITY,
    };
  }

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
    const step: Step = { ...read, atMs: this.#nowMs };
    this.#know(step, parentTask);
    if (!isLive(step)) return [];
    return this.#fire(step);
  }

  #know({ subject }: Step, parentTask: string | null): void {
    if (subject.identity !== undefined && subject.onbehalfof !== undefined)
      this.#clusters.merge([subject.identity, ...subject.onbehalfof.split(" ")]);
    if (subject.task !== undefined && parentTask !== null) this.#tasks.learn(subject.task, parentTask);
  }

  #fire(step: Step): Firing[] {
    step.lineage = this.#lineage.taggedNow(resources(step, "touches")).members;
    for (const effect of step.effects) effect.tags = this.#lineage.taggedNow(touches(effect.effect)).tags;
    this.#steps.match(step);
    const { enforced, observed } = answerFor(this.#asking, step);
    this.#lineage.add(step);
    this.#lineage.last(step, step.at + 1);
    this.#steps.add(step, false);
    if (this.#at % sweepLinesEvery === 0) this.#steps.drop(step.atMs - this.#rules.timespanMsMax);
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
