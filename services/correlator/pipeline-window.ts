/** What came of a window in which a pipeline may run, once it is over: for people, and for the alert that it did not run. */
import type { Pipeline } from "../../infra/rules/pipeline.ts";
import { limits } from "../../schemas/limits.ts";
import { hash } from "./evidence.ts";
import type { Output } from "./outputs.ts";
import { isHarmless } from "./pipeline-fit.ts";
import { type Run, Runs } from "./pipeline-run.ts";
import { isLive, type Step } from "./step.ts";

export type WindowEnd = Pick<
  Extract<Output, { type: "pipeline.ran" }>["data"],
  "outcome" | "runs" | "commands" | "why"
>;

/** @param steps commands of its accounts inside the window, in log order; null = more than can be followed */
export function windowEnd(pipeline: Pipeline, steps: readonly Step[] | null): WindowEnd {
  if (steps === null)
    return {
      outcome: "unknown",
      runs: 0,
      commands: limits.pipelineCommandsMax,
      why: "more commands than are followed",
    };
  const runs = new Runs(pipeline);
  const seen = new Set<Run>();
  let stranger: string | null = null;
  for (const step of steps) {
    const why = runs.take(step);
    if (runs.run !== null) seen.add(runs.run);
    if (why !== null && !isHarmless(step)) stranger ??= why;
  }
  const count = pipeline.steps.length;
  const complete = [...seen].filter(({ place, deviation }) => place === count - 1 && deviation === null).length;
  const deviation = [...seen].find((run) => run.deviation !== null)?.deviation ?? stranger;
  const about = { runs: complete, commands: steps.filter((step) => isLive(step) && !step.commit).length };
  if (seen.size === 0) return { outcome: "missed", ...about, why: stranger ?? "no command of its accounts was seen" };
  if (deviation !== null) return { outcome: "deviated", ...about, why: deviation };
  if (complete > 0) return { outcome: "ran", ...about, why: "" };
  const place = Math.max(...[...seen].map((run) => run.place));
  return { outcome: "unfinished", ...about, why: `it stopped after step ${place + 1} of ${count}` };
}

export function endedWindow({ name, digest }: Pipeline, startedMs: number, endedMs: number, end: WindowEnd): Output {
  const id = hash(["ran", name, digest, startedMs]);
  return { type: "pipeline.ran", subject: {}, data: { pipeline: name, startedMs, endedMs, ...end }, id };
}
