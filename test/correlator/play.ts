/** Scenes in the notation of inline tests, played into a live correlator whose outputs are kept and folded back. */
import type { Entry } from "../../infra/log/entry.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { readScene } from "../../services/correlator/scene.ts";
import { Stage } from "../../services/correlator/stage.ts";

export const catalog = JSON.stringify([{ resource: "orders/public.customers#email", tags: ["pii.email"] }]);

const step = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;

export const steps = [
  step("pii_read", "{ operation: read, tags: pii }"),
  step("pii_transform", "{ operation: transform, tags: pii }"),
  step("destructive", "{ destroys: true }"),
  step("announced", "{ operation: execute }"),
].join("---\n");

/** @param chain lines under `x-chain:`; @param correlation lines under `correlation:` beyond the usual ones */
export const chainRule = (chain: string, correlation = "", name = "chain") =>
  `title: A chain\nname: ${name}\ncorrelation:\n  type: temporal_ordered\n  rules: [pii_read, pii_transform, destructive]\n  timespan: 24h\n${indent(correlation)}x-chain:\n${indent(chain)}`;

const indent = (text: string) =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => `  ${line}\n`)
    .join("");

export const usual = `
links:
  - { from: pii_read, to: pii_transform, by: [lineage, actor, task] }
  - { from: pii_transform, to: destructive, by: [flow, lineage] }
distinct: { field: account, min: 2 }
gate: { action: hold, approvers: [data-owners] }
`;

export interface Played {
  readonly correlator: Correlator;
  readonly entries: Entry[];
  readonly outputs: Output[];
  readonly stage: Stage;
  fold(entry: Entry): void;
  run(scene: string): void;
  /** Asks with one line. @returns the answer */
  ask(line: string): Extract<Output, { type: "command.answered" }>["data"];
}

export function play(rules: string, options: { limits?: Partial<Limits>; catalog?: string } = {}): Played {
  const entries: Entry[] = [];
  const outputs: Output[] = [];
  let atMs = 0;
  const fold = (entry: Entry) => {
    atMs = Math.max(atMs, entry.atMs);
    entries.push(entry);
    correlator.fold(entry);
  };
  const correlator = createCorrelator({
    limits: { ...limits, ...options.limits },
    emit(output) {
      outputs.push(output);
      fold({ ...output, atMs, source: "correlator/c", role: "correlator" } as Entry);
    },
  });
  correlator.goLive();
  const stage = new Stage(fold);
  stage.load({ "rules/steps.yml": steps, "rules/z.yml": rules, "catalog.yaml": options.catalog ?? catalog });
  if (correlator.problem !== null) throw new Error(correlator.problem);
  return {
    correlator,
    entries,
    outputs,
    stage,
    fold,
    run(scene) {
      for (const line of readScene(scene)) stage.run(line);
    },
    ask(line) {
      for (const one of readScene(line)) stage.ask(one);
      const answer = outputs.findLast((output) => output.type === "command.answered");
      if (answer?.type !== "command.answered") throw new Error("no answer");
      return answer.data;
    },
  };
}
