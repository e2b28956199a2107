/**
 * Which pipelines are in force, what their accounts have done inside the window that is open, and whether a step belongs to a
 * run without deviation (DETECTION §2.9). By the log alone: windows are those of the log's time, and a pipeline counts from
 * the first window that begins when it is in force already, so that nobody declares what he is in the middle of.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { loadAccepted, loadPipelines, mayAccept, type Pipeline } from "../../infra/rules/pipeline.ts";
import type { ChainRule } from "../../infra/rules/rule-set.ts";
import { windowAt } from "../../infra/rules/schedule.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import type { PipelineText } from "../../schemas/pipeline.ts";
import type { Clusters } from "./cluster.ts";
import type { Output } from "./outputs.ts";
import { type Run, Runs } from "./pipeline-run.ts";
import { endedWindow, type WindowEnd, windowEnd } from "./pipeline-window.ts";
import { type Held, type KeptProposals, Proposals } from "./proposals.ts";
import { isLive, ownCommand, type Step } from "./step.ts";

const nothing: readonly never[] = [];
const minuteMs = 60_000;
/** Windows that ended longer ago than this, while nothing was heard, are not told. */
const minutesLookedBack = 1_440;

interface State {
  readonly pipeline: Pipeline;
  readonly sinceMs: number;
  /** Of one that was accepted: the rule that it was accepted for. */
  readonly rule: string | null;
  /** Of the window that `steps` are in; null before the first. */
  startedMs: number | null;
  /** Commands of its accounts inside it, in log order; null = more than can be followed. */
  steps: Step[] | null;
  /** When the window began whose end has not been told; null while there is none. */
  openMs: number | null;
  /** What came of that one, where commands of the next came before its end was told. */
  end: WindowEnd | null;
}

/** `run` is null where the step is in none; then `why` says it, as a sentence without its end. */
export interface Verdict {
  readonly run: Run | null;
  readonly why: string;
}

export interface KeptPipelines {
  readonly states: readonly {
    readonly text: PipelineText;
    readonly sinceMs: number;
    readonly rule: string | null;
    readonly startedMs: number | null;
    readonly steps: readonly Step[] | null;
    readonly openMs: number | null;
    readonly end: WindowEnd | null;
  }[];
  readonly minute: number | null;
  readonly proposals: KeptProposals;
}

export class Pipelines {
  #states = new Map<string, State>();
  readonly #proposals = new Proposals();
  /** The same by account, and the names of those accepted by rule: most commands and rules concern none. */
  #byAccount = new Map<string, State[]>();
  #byRule = new Map<string, string[]>();
  /** Up to which windows have been opened and ended; null before the first tick. */
  #minute: number | null = null;
  /** The window of the minute asked last. */
  readonly #windows = new WeakMap<State, { readonly minute: number; readonly startedMs: number | null }>();

  /** Those of the files in force from this moment on, and what was accepted and is not among them; what stays goes on. */
  load(pipelines: readonly Pipeline[], nowMs: number): void {
    const before = this.#states;
    this.#states = new Map([...before].filter(([, { rule }]) => rule !== null));
    for (const pipeline of pipelines) {
      const known = before.get(pipeline.name);
      const same = known?.rule === null && known.pipeline.digest === pipeline.digest ? known : null;
      this.#states.set(pipeline.name, same ?? begun(pipeline, null, nowMs));
    }
    this.#sort();
  }

  #sort(): void {
    this.#byAccount = new Map();
    this.#byRule = new Map();
    for (const [name, state] of this.#states) {
      for (const account of state.pipeline.accounts)
        this.#byAccount.set(account, [...(this.#byAccount.get(account) ?? []), state]);
      if (state.rule !== null) this.#byRule.set(state.rule, [...(this.#byRule.get(state.rule) ?? []), name]);
    }
  }

  /** A command was held for these. */
  held(completions: readonly Held[]): void {
    this.#proposals.held(completions);
  }

  /** Every record. @returns a proposal that it leads to, windows that are over */
  fold(entry: Entry, clusters: Clusters): readonly Output[] {
    if (entry.type === "clock.ticked") return this.#tick(Math.floor(entry.atMs / minuteMs));
    if (entry.type === "pipeline.accepted") this.#accept(entry, clusters);
    else if (entry.type === "pipeline.withdrawn") this.#withdraw(entry.data.pipeline);
    const proposal = this.#proposals.fold(entry);
    return proposal === null ? nothing : [proposal];
  }

  /** Windows begin and end with a minute; a newer one ends an older. */
  #tick(now: number): readonly Output[] {
    if (now === this.#minute || this.#states.size === 0) return nothing;
    const ended: Output[] = [];
    const first = Math.max((this.#minute ?? now - 1) + 1, now - minutesLookedBack);
    this.#minute = now;
    for (let minute = first; minute <= now; minute += 1)
      for (const state of this.#states.values()) {
        const [nowMs, { pipeline, openMs }] = [minute * minuteMs, state];
        const begins = pipeline.schedule.startsAt(minute);
        if (openMs !== null && (begins || nowMs >= openMs + pipeline.windowMs)) {
          const end = state.end ?? windowEnd(pipeline, state.startedMs === openMs ? state.steps : []);
          ended.push(endedWindow(pipeline, openMs, nowMs, end));
          [state.openMs, state.end] = [null, null];
        }
        if (begins && nowMs >= state.sinceMs) state.openMs = nowMs;
      }
    return ended;
  }

  /** Whoever says it: nothing that exempts himself, and nothing in place of what the files declare. */
  #accept({ data, atMs }: Extract<Entry, { type: "pipeline.accepted" }>, clusters: Clusters): void {
    if (this.#states.get(data.pipeline)?.rule === null) return;
    const pipeline = acceptedOf(data);
    if (pipeline === null || !mayAccept(pipeline, data.by, (identity) => clusters.membersOf(identity))) return;
    this.#states.set(pipeline.name, begun(pipeline, data.rule, atMs));
    this.#sort();
  }

  #withdraw(name: string): void {
    if (this.#states.get(name)?.rule !== null) this.#states.delete(name);
    this.#sort();
  }

  /** A command that counts from now on. */
  add(step: Step): void {
    if (!isLive(step)) return;
    for (const state of this.#byAccount.get(step.subject.account ?? "") ?? []) {
      if (!isAbout(state.pipeline, step)) continue;
      const startedMs = this.#windowOf(state, step.atMs);
      if (startedMs === null) continue;
      if (startedMs !== state.startedMs) {
        if (state.openMs !== null && state.openMs === state.startedMs)
          state.end = windowEnd(state.pipeline, state.steps);
        [state.startedMs, state.steps] = [startedMs, []];
      }
      if (state.steps === null) continue;
      if (state.steps.length >= limits.pipelineCommandsMax) state.steps = null;
      else insert(state.steps, step);
    }
  }

  /** Pipelines that a rule leaves out. */
  of({ unless, name }: ChainRule): readonly string[] {
    const accepted = this.#byRule.get(name);
    return accepted === undefined ? unless : [...unless, ...accepted];
  }

  /** Whether a step belongs to a run of this pipeline that has not deviated; asked of the latest step there is. */
  judge(name: string, last: Step): Verdict {
    const state = this.#states.get(name);
    if (state === undefined) return { run: null, why: "it is not declared" };
    const { pipeline } = state;
    const startedMs = this.#windowOf(state, last.atMs);
    const { cron, for: length } = pipeline.text.window;
    if (startedMs === null) return { run: null, why: `outside its schedule, ${cron} UTC for ${length}` };
    const steps = startedMs === state.startedMs ? state.steps : [];
    if (steps === null) return { run: null, why: "its accounts did more in this window than can be followed" };
    const runs = new Runs(pipeline);
    for (const step of steps) if (step.at < last.at) runs.take(step);
    if (last.commit) return committed(runs.run, last, pipeline);
    const unfinished = runs.run?.running ?? null;
    if (!isAbout(pipeline, last))
      return { run: null, why: `${last.subject.account ?? "somebody"} is no account of it` };
    const why = runs.take(last);
    const { run } = runs;
    if (why !== null || run === null) return { run: null, why: why ?? "no run has begun" };
    if (run.deviation !== null) return { run: null, why: run.deviation };
    if (unfinished !== null && run.commands.size > 1) return { run: null, why: running(unfinished) };
    return { run, why: "" };
  }

  #windowOf(state: State, atMs: number): number | null {
    const { pipeline, sinceMs } = state;
    const minute = Math.floor(atMs / minuteMs);
    const known = this.#windows.get(state);
    const startedMs = known?.minute === minute ? known.startedMs : windowAt(pipeline.schedule, atMs, pipeline.windowMs);
    // Windows of whole minutes begin and end with one.
    if (pipeline.windowMs % minuteMs === 0) this.#windows.set(state, { minute, startedMs });
    return startedMs !== null && startedMs >= sinceMs ? startedMs : null;
  }

  kept(): KeptPipelines {
    const states = [...this.#states.values()].map(({ pipeline, steps, ...rest }) => ({
      ...{ text: pipeline.text, ...rest },
      steps: steps === null ? null : [...steps],
    }));
    return { states, minute: this.#minute, proposals: this.#proposals.kept() };
  }

  /** Into an empty one. */
  restore({ states, minute, proposals }: KeptPipelines): void {
    this.#proposals.restore(proposals);
    this.#minute = minute;
    const pipelines = loadPipelines(JSON.stringify(states.map(({ text }) => text)), "pipelines.yaml");
    for (const [at, { text: _, steps, ...rest }] of states.entries()) {
      const pipeline = pipelines[at];
      if (pipeline === undefined) continue;
      this.#states.set(pipeline.name, { pipeline, ...rest, steps: steps === null ? null : [...steps] });
    }
    this.#sort();
  }
}

function begun(pipeline: Pipeline, rule: string | null, sinceMs: number): State {
  return { pipeline, rule, sinceMs, startedMs: null, steps: [], openMs: null, end: null };
}

/** @returns null for a text that this version cannot read */
function acceptedOf(data: { readonly pipeline: string; readonly text: string }): Pipeline | null {
  try {
    return loadAccepted(data);
  } catch (error) {
    if (error instanceof ThroughlineError) return null;
    throw error;
  }
}

/** Whether a step does more than read. */
export function doesMore({ opaque, effects }: Step): boolean {
  return opaque || effects.some(({ effect, withdrawn }) => !withdrawn && effect.operation !== "read");
}

/** A COMMIT belongs to a run by the commands that it makes lasting. */
export function belongs({ commands }: Run, step: Step): boolean {
  if (!step.commit) return commands.has(step.command);
  return step.effects.every(({ of, withdrawn }) => withdrawn || commands.has(of === ownCommand ? step.command : of));
}

function committed(run: Run | null, last: Step, { longestMs, text }: Pipeline): Verdict {
  if (run === null) return { run, why: "no run has begun" };
  if (run.deviation !== null) return { run: null, why: run.deviation };
  if (last.atMs - run.startedMs > longestMs) return { run: null, why: `the run is older than ${text.longest}` };
  if (run.running !== null) return { run: null, why: running(run.running) };
  return belongs(run, last) ? { run, why: "" } : { run: null, why: "it commits what is no step of the run" };
}

function running(place: number): string {
  return `step ${place + 1} has not finished, so its rows are not known`;
}

/** Whose commands a pipeline's runs are made of: those of its accounts on its targets, whoever uses them. */
function isAbout({ accounts, targets }: Pipeline, { subject: { account, target } }: Step): boolean {
  return account !== undefined && accounts.has(account) && (target === undefined || targets.has(target));
}

function insert(steps: Step[], step: Step): void {
  let place = steps.length;
  while (place > 0 && (steps[place - 1]?.at ?? 0) > step.at) place -= 1;
  steps.splice(place, 0, step);
}
