/**
 * Runs of one pipeline inside one of its windows, recognised from the commands of its accounts in log order (DETECTION §2.9).
 * A run begins with the first declared step; each further command is the same step again, as often as declared, or the next
 * one, or a deviation: what nobody declared ends the exemption of that run. Worked out from the start at every question, from
 * what counts then, so that a command that was rolled back is as if it had never been.
 */
import type { Pipeline, PipelineStep } from "../../infra/rules/pipeline.ts";
import { deed, isHarmless, misfit, overrun } from "./pipeline-fit.ts";
import { ranAs } from "./ran.ts";
import { isLive, type Step } from "./step.ts";

export interface Run {
  readonly startedMs: number;
  /** Commands that are its steps. */
  readonly commands: Set<string>;
  /** Place of its latest step, and how often that has been. */
  place: number;
  times: number;
  /** Why nothing of it is exempt, a sentence without its end; null when nothing differs. */
  deviation: string | null;
  /** Place of a step that has not finished; null when all have. */
  running: number | null;
}

export class Runs {
  readonly #pipeline: Pipeline;
  #runs = 0;
  #run: Run | null = null;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** The latest. */
  get run(): Run | null {
    return this.#run;
  }

  /** The next command, in log order. @returns why it is no step of the run; null when it is */
  take(step: Step): string | null {
    // What a COMMIT makes lasting stood here when it ran.
    if (!isLive(step) || step.commit) return null;
    const run = this.#run;
    if (run === null || run.deviation !== null || this.#isOver(run, step)) return this.#begin(step);
    const { steps } = this.#pipeline;
    const [here, next] = [steps[run.place], steps[run.place + 1]];
    if (here && run.times < here.timesMax && this.#fits(here, step)) return this.#join(run, run.place, here, step);
    const differs = next === undefined ? "" : misfit(this.#pipeline, next, step);
    if (next !== undefined && differs === null) return this.#join(run, run.place + 1, next, step);
    const what = differs || `did ${deed(step)} after the last step`;
    if (isHarmless(step)) return `${this.#who(step)} ${what}`;
    if (this.#isFirst(step) && this.#runs < this.#pipeline.runsMax) return this.#begin(step);
    run.deviation = this.#deviation(run, step, what);
    return run.deviation;
  }

  /** A command that did not take the run's next step, said as exactly as is known. */
  #deviation({ place }: Run, step: Step, what: string): string {
    if (this.#isFirst(step)) return `step 1 began again after step ${place + 1}, declared ${this.#often()}`;
    const earlier = this.#pipeline.steps.findIndex((one) => this.#fits(one, step));
    if (earlier !== -1) return `step ${earlier + 1} came after step ${place + 1}, which is out of order`;
    const { account = "somebody" } = step.subject;
    const { steps } = this.#pipeline;
    const number = Math.min(place + 2, steps.length);
    const declared = steps[number - 1];
    if (declared === undefined || place + 1 === steps.length) return `${account} ${what}`;
    const tells = declared.account === account ? `step ${number}` : account;
    return account === declared.account ? `${tells} ${what}` : `${account} did ${deed(step)} between its steps`;
  }

  #begin(step: Step): string | null {
    const [first] = this.#pipeline.steps;
    if (first === undefined) return "it has no steps";
    const differs = misfit(this.#pipeline, first, step);
    const run = this.#run;
    if (differs !== null) {
      if (run === null) return `no run has begun: ${this.#who(step)} ${differs}`;
      if (run.deviation !== null) return run.deviation;
      return this.#isComplete(run)
        ? `the run was complete before ${this.#who(step)} did ${deed(step)}`
        : `the run is older than ${this.#pipeline.text.longest}`;
    }
    if (this.#runs >= this.#pipeline.runsMax) return `it began again, declared ${this.#often()}`;
    this.#runs += 1;
    this.#run = { startedMs: step.atMs, commands: new Set(), place: 0, times: 0, deviation: null, running: null };
    return this.#join(this.#run, 0, first, step);
  }

  #join(run: Run, place: number, declared: PipelineStep, step: Step): null {
    run.times = place === run.place ? run.times + 1 : 1;
    run.place = place;
    run.commands.add(step.command);
    const over = overrun(declared, step);
    if (over !== null) run.deviation = `step ${place + 1} ${over}`;
    if (ranAs(step).rows === "running") run.running = place;
    return null;
  }

  #isOver(run: Run, step: Step): boolean {
    return this.#isComplete(run) || step.atMs - run.startedMs > this.#pipeline.longestMs;
  }

  #isComplete({ place, times }: Run): boolean {
    const last = this.#pipeline.steps.length - 1;
    return place === last && times >= (this.#pipeline.steps[last]?.timesMax ?? 0);
  }

  #isFirst(step: Step): boolean {
    const [first] = this.#pipeline.steps;
    return first !== undefined && this.#fits(first, step);
  }

  #fits(declared: PipelineStep, step: Step): boolean {
    return misfit(this.#pipeline, declared, step) === null;
  }

  #often(): string {
    const { runsMax } = this.#pipeline;
    return runsMax === 1 ? "once in a window" : `${runsMax} times in a window`;
  }

  #who({ subject }: Step): string {
    return subject.account ?? "somebody";
  }
}
