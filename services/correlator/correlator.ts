/**
 * The correlator: folds the log, record by record, into steps, lineage and clusters, and answers intents (DETECTION §2, §3).
 *
 * Pure: state and outputs depend on the log alone; time, ids, rules and catalog come in through entries. Replay and live
 * run the same path: every output is made again at its place; during replay it is compared with what the log holds, and
 * what a crash left out is emitted once, when replay ends. It decides what to answer, never what the gateway does with it.
 *
 * Where the log's policy was put there by another engine, this one says nothing and takes what it hears: answers and tags
 * as they are recorded, whether it would have made them or not. Its own begin at the next `policy.changed` of its own.
 * In the same way it folds, from the first step, under a policy that waits to take over (regimes.ts); then it begins there.
 */
import { type Catalog, createCatalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import type { RuleSet } from "../../infra/rules/rule-set.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData } from "../../schemas/event-data.ts";
import type { Ruling } from "../../schemas/verdict.ts";
import { acquaint } from "./acquaint.ts";
import { Alarms } from "./alarms.ts";
import { type Answer, answerFor } from "./answer.ts";
import { approvalStep } from "./approval-step.ts";
import type { Asking } from "./asking.ts";
import { createClusters, createTasks } from "./cluster.ts";
import type { EntryOf } from "./commands.ts";
import { ContentEvidence } from "./content.ts";
import { digestOf, Trace } from "./digest.ts";
import { factsOf } from "./edges.ts";
import { engineVersion } from "./engine.ts";
import { hash } from "./evidence.ts";
import { excludedFor } from "./excluded.ts";
import { fromLines, toLines } from "./graph.ts";
import { Horizon } from "./horizon.ts";
import { type Kept, workedOutAgain } from "./kept.ts";
import { LateFirings } from "./late-firings.ts";
import { Lineage } from "./lineage.ts";
import { isOutput, type Output, Outputs } from "./outputs.ts";
import type { CorrelatorParts } from "./parts.ts";
import { Pipelines } from "./pipelines.ts";
import type { Refold } from "./refold.ts";
import { Regime, type Ruled } from "./regime.ts";
import { expectOwn, Regimes } from "./regimes.ts";
import { Repeats } from "./repeats.ts";
import { evictionOf, saidOf } from "./said.ts";
import { type Endings, endingsOf } from "./shape.ts";
import type { Step } from "./step.ts";
import { Steps } from "./steps.ts";
import { tellAnswer } from "./tell.ts";
import { Timeline } from "./timeline.ts";
import { Told } from "./told.ts";

export interface Correlator {
  /** Every record in log order, replayed or live. @throws ThroughlineError `log.digest_differs` */
  fold(entry: Entry): void;
  /** Replay is over: emits what a crash left out; from now on outputs are emitted as they are made. */
  goLive(): void;
  /** This replica has fallen behind: what it makes is kept back until goLive, since another one has probably said it. */
  fallBehind(): void;
  /** Whether what follows from what it has folded has been said: not in a replay, behind, without room, or under another engine. */
  readonly speaks: boolean;
  /** Of the whole state. */
  digest(): string;
  /** Everything that later answers depend on, as lines, at the place up to which it has folded. */
  keep(): Iterable<string>;
  /** Into a correlator that has folded nothing. @throws ThroughlineError when this release did not write it */
  restore(lines: Iterable<string>): void;
  readonly rules: RuleSet | null;
  /** Why the last `policy.changed` was not taken over; null when it was, or waits. */
  readonly problem: string | null;
  /** What waits for the log to be folded under it: whoever runs this reads the log to it, from the first step. */
  readonly refold: Refold | null;
  /** What is to be said now, as `rules.switched`; null when nothing is. */
  readonly announcement: EventData["rules.switched"] | null;
  /** False for a `rules.switched` that must not be folded before `refold` has joined. */
  isReadyFor(entry: Entry): boolean;
  tagsOf(resource: string): readonly string[];
}

/** @param last for a log from its first step: the last policy that it was folded again for (`LastSwitch`) */
export function createCorrelator(parts: CorrelatorParts, last: Ruled | null = null): Correlator {
  const outputs = new Outputs(parts.emit, parts.source ?? null);
  return new Regimes((ahead) => new Fold(parts, outputs, ahead), outputs, parts.limits, last);
}

class Fold {
  readonly #parts: CorrelatorParts;
  readonly #steps: Steps;
  readonly #lineage: Lineage;
  readonly #timeline: Timeline;
  readonly #content = new ContentEvidence();
  readonly #clusters = createClusters();
  readonly #tasks = createTasks();
  readonly #told = new Told();
  readonly #pipelines = new Pipelines();
  readonly #late = new LateFirings();
  readonly #horizon = new Horizon();
  #catalog: Catalog = createCatalog([]);
  #rules: RuleSet | null = null;
  #endings: Endings = endingsOf([]);
  #at = 0;
  #folded = 0;
  readonly regime: Regime;
  /** What it is to take over under; null once it did. */
  ahead: Ruled | null;
  #switchedMs = Number.NEGATIVE_INFINITY;
  readonly #repeats = new Repeats();
  readonly #outputs: Outputs;
  /** Whether the policy in force was put into the log by an engine of this version (before the first one: yes). */
  #own = true;
  /** Until it speaks: intents by id whose answer has not been heard, and places that may have tags nobody told. */
  readonly #asked = new Map<string, Step>();
  readonly #untold = new Set<string>();
  readonly #alarms = new Alarms();
  readonly #trace = new Trace();

  constructor(parts: CorrelatorParts, outputs: Outputs, ahead: Ruled | null) {
    this.#parts = parts;
    this.#outputs = outputs;
    this.regime = new Regime(parts.load);
    this.ahead = ahead;
    this.#own = ahead === null;
    this.#steps = new Steps(parts.limits);
    this.#lineage = new Lineage(this.#catalog, parts.limits.lineageLooksMax);
    this.#timeline = new Timeline(this.#steps, this.#lineage, this.#content, this.#trace);
    if (ahead !== null) this.#takeOver(ahead.rules, ahead.catalog);
  }

  get rules(): RuleSet | null {
    return this.#rules;
  }

  get own(): boolean {
    return this.#own;
  }

  tagsOf(resource: string): readonly string[] {
    return this.#lineage.tagged(resource).tags;
  }

  fold(entry: Entry): void {
    if (this.#repeats.has(entry)) return;
    this.#at += 1;
    this.#trace.entry(entry);
    if (!isOutput(entry)) this.#take(entry);
    else if (this.#own) this.#check(entry);
    else this.#hear(entry);
    if (this.#at % this.#parts.limits.sweepRecordsEvery === 0) this.#sweep(entry.atMs);
    if (this.ahead === null) for (const eviction of this.#steps.evictions()) this.#say(evictionOf(eviction, this.#at));
    this.#count();
    if (this.ahead === null) this.#outputs.flush();
  }

  /** What is recorded must be what this makes; what others made under the rules before, and said late, is theirs. */
  #check(entry: Entry): void {
    const isLate = entry.atMs - this.#switchedMs <= this.#parts.limits.switchGraceMs;
    if (entry.type === "command.answered") this.#hear(entry);
    if (this.#outputs.claim(entry, isLate) || isLate) return;
    this.#say(this.#alarms.contest(entry));
  }

  /** Forgets what no window reaches any more. */
  #sweep(nowMs: number): void {
    const beforeMs = nowMs - (this.#rules?.timespanMsMax ?? 0);
    this.#steps.drop(beforeMs);
    this.#timeline.drop(beforeMs);
    this.#late.drop(beforeMs);
    const horizon = this.#horizon.pass(this.#at, nowMs, beforeMs);
    this.#lineage.forget(horizon, this.#timeline.oldest(horizon), this.#parts.limits);
  }

  digest(): string {
    return digestOf({
      position: this.#at,
      rules: this.#rules?.version ?? "",
      catalog: this.#catalog.version,
      steps: this.#steps.all,
      facts: [factsOf(this.#lineage), this.#timeline.facts(), this.#clusters.facts(), this.#tasks.facts()],
    });
  }

  keep(): Iterable<string> {
    expectOwn(this.ahead);
    const kept: Kept = {
      ...{ engine: engineVersion, at: this.#at, folded: this.#folded, switchedMs: this.#switchedMs },
      ...{ told: this.#told.kept(), asked: this.#asked, untold: this.#untold },
      ...{ repeats: this.#repeats.kept(), regime: this.regime.kept() },
      ...{ steps: this.#steps.kept(), lineage: this.#lineage.kept(), timeline: this.#timeline.kept() },
      ...{ pipelines: this.#pipelines.kept(), content: this.#content.kept(), late: this.#late.kept() },
      ...{ clusters: this.#clusters.kept(), tasks: this.#tasks.kept() },
      ...{ horizon: this.#horizon.kept(), alarms: this.#alarms.kept(), trace: this.#trace.kept() },
      outputs: this.#outputs.kept(),
    };
    return toLines(kept, workedOutAgain);
  }

  /** Into an empty one. */
  restore(lines: Iterable<string>): void {
    const kept = fromLines(lines) as Kept;
    if (kept.engine !== engineVersion || this.#at > 0) throw new ThroughlineError("internal.bug", "not to be restored");
    this.regime.restore(kept.regime);
    const { inForce } = this.regime;
    this.#catalog = inForce?.catalog ?? this.#catalog;
    this.#lineage.restore(kept.lineage, this.#catalog);
    if (inForce !== null) {
      this.#rules = inForce.rules;
      this.#endings = endingsOf(inForce.rules.rules);
      this.#steps.reload(inForce.rules, () => {});
    }
    this.#steps.restore(kept.steps);
    this.#timeline.restore(kept.timeline);
    this.#content.restore(kept.content);
    this.#pipelines.restore(kept.pipelines);
    this.#late.restore(kept.late);
    this.#clusters.restore(kept.clusters);
    for (const [task, parent] of kept.tasks) this.#tasks.learn(task, parent);
    this.#horizon.restore(kept.horizon);
    this.#alarms.restore(kept.alarms);
    this.#trace.restore(kept.trace);
    this.#outputs.restore(kept.outputs);
    this.#told.restore(kept.told);
    for (const [intent, step] of kept.asked) this.#asked.set(intent, step);
    for (const resource of kept.untold) this.#untold.add(resource);
    this.#repeats.restore(kept.repeats);
    [this.#at, this.#folded, this.#own] = [kept.at, kept.folded, this.regime.own];
    this.#switchedMs = kept.switchedMs;
  }

  #take(entry: Entry): void {
    const taken = this.regime.take(entry);
    for (const output of this.#pipelines.fold(entry, this.#clusters)) this.#say(output);
    if (entry.type === "command.decided") this.#decide(entry);
    else if (entry.type === "command.finished") this.#finish(entry);
    else if (entry.type === "command.intended") this.#intend(entry);
    else if (entry.type === "policy.changed" || entry.type === "rules.switched") this.#rule(entry, taken);
    else if (entry.type === "content.shown" || entry.type === "content.brought") this.#timeline.content(entry);
    else if (entry.type === "session.closed") this.#close(entry);
    else if (entry.type === "service.started") this.#restart(entry);
    else if (entry.type === "clock.ticked") this.#say(this.#alarms.tick(entry, this.#parts.limits.clockJumpMsMax));
    else if (entry.type === "resource.untagged") this.#untag(entry);
    else if (entry.type === "approval.asked" || entry.type === "approval.answered") this.#notice(entry);
    else acquaint(entry, this.#clusters, this.#tasks);
  }

  /** What another engine said is as it is: its answer counts, and so do the tags it told. */
  #hear(entry: Entry): void {
    if (entry.type === "command.answered") {
      const step = this.#asked.get(entry.data.intent);
      this.#asked.delete(entry.data.intent);
      if (step !== undefined && entry.data.ruling === "allow") this.#allow(step);
    } else if (entry.type === "resource.tagged") {
      const { resource, tags } = entry.data;
      this.#told.hear(resource, tags, this.#catalog);
      // What this very engine said of it under other rules, this fold sees for itself.
      if (!this.regime.own) this.#timeline.hear(entry, this.#at);
    }
  }

  /** Only what the engine in force makes enters the log. */
  #say(output: Output | null): void {
    if (!this.#own || output === null) return;
    this.#trace.note(output.id);
    this.#outputs.add(output);
  }

  #restart({ role, source }: EntryOf<"service.started">): void {
    this.#alarms.restarted();
    if (role !== "gateway") return;
    for (const [intent, step] of this.#asked) if (step.source === source) this.#asked.delete(intent);
    this.#timeline.restart(source, this.#at);
    this.#content.restart(source);
  }

  #untag({ data: { resource, tags } }: EntryOf<"resource.untagged">): void {
    this.#told.forget(resource);
    this.#lineage.untag(resource, tags, this.#at);
  }

  #intend(entry: EntryOf<"command.intended">): void {
    if (this.#timeline.isForeign(entry)) return;
    const step = this.#timeline.intend(entry, this.#at);
    if (!this.#own) {
      this.#asked.set(entry.id, step);
      return;
    }
    const answer = this.#answer(step);
    const data = { intent: entry.id, ...tellAnswer(answer, excludedFor(this.#asking(), step, answer.enforced)) };
    if (this.#rules === null) Object.assign(data, { ruling: "hold", sentence: "No rules have been loaded." });
    const { ruling } = data;
    const id = hash(["answered", this.#version, data]);
    this.#say({ type: "command.answered", subject: entry.subject, data, id });
    if (ruling === "hold") this.#pipelines.held(answer.enforced);
    if (ruling === "allow") this.#allow(step);
    this.#complete(step, answer, ruling);
  }

  #finish(entry: EntryOf<"command.finished">): void {
    const step = this.#timeline.finish(entry, this.#at);
    this.#content.finish(entry);
    if (!this.#own || this.#rules === null || step === null) return;
    for (const output of this.#late.finished(this.#asking(), this.#rules, step)) this.#say(output);
  }

  #close(entry: EntryOf<"session.closed">): void {
    this.#timeline.close(entry, this.#at);
    this.#content.close(entry);
  }

  #decide(entry: EntryOf<"command.decided">): void {
    this.#asked.delete(entry.data.intent ?? "");
    const { step, isUnasked } = this.#timeline.decide(entry, this.#at);
    if (step === null) return;
    // Judged as things were before it: what it brings comes after.
    const mayEnd = isUnasked && this.#own && step.hits.some((hit) => this.#endings.has(hit));
    const answer = mayEnd ? this.#answer(step) : null;
    this.#allow(step);
    if (answer !== null) this.#complete(step, answer, "allow");
  }

  /** It counts from now on. */
  #allow(step: Step): void {
    this.#tell(step, this.#timeline.allow(step));
    this.#pipelines.add(step);
  }

  /** Approvals are steps of their own: who asks with one account and answers with another makes a chain. */
  #notice(entry: EntryOf<"approval.asked" | "approval.answered">): void {
    const step = approvalStep(entry, this.#at);
    this.#steps.match(step);
    if (step.hits.length === 0) return;
    if (this.#own) this.#complete(step, this.#answer(step), "allow");
    this.#steps.add(step, false);
  }

  #answer(step: Step): Answer {
    return answerFor(this.#asking(), step);
  }

  #asking(): Asking {
    const evidence = { lineage: this.#lineage, clusters: this.#clusters, tasks: this.#tasks };
    const looksMax = this.#parts.limits.chainLooksMax;
    return { steps: this.#steps, evidence, endings: this.#endings, looksMax, pipelines: this.#pipelines };
  }

  #complete(step: Step, answer: Answer, ruling: Ruling): void {
    this.#late.note(step, answer);
    for (const output of saidOf(step, answer, ruling)) this.#say(output);
  }

  /** Tags that came to a place by travel for the first time. */
  #tell(by: Pick<Step, "id" | "subject">, gained: readonly string[]): void {
    for (const resource of gained)
      if (this.#own) this.#say(this.#told.tell(by, resource, this.#lineage, this.#catalog));
      else this.#untold.add(resource);
  }

  /** @param taken what takes over at this record */
  #rule(entry: EntryOf<"policy.changed" | "rules.switched">, taken: Ruled | null): void {
    if (taken !== null) this.#pipelines.load(taken.pipelines, entry.atMs);
    const isBegun = taken !== null && taken.policy === this.ahead?.policy && entry.type === "rules.switched";
    if (isBegun) {
      this.ahead = null;
      this.#switchedMs = entry.atMs;
    }
    this.#own = this.regime.own && this.ahead === null;
    if (this.ahead !== null) return;
    if (taken !== null) this.#takeOver(taken.rules, taken.catalog);
    if (this.#own && (isBegun || entry.type === "policy.changed")) this.#begin(entry.id);
  }

  /** From here on it speaks for itself: first about tags that it sees and nobody has told. */
  #begin(id: string): void {
    const untold = [...this.#untold].sort();
    this.#untold.clear();
    this.#tell({ id, subject: {} }, untold);
  }

  #takeOver(rules: RuleSet, catalog: Catalog): void {
    const retagged = catalog.version !== this.#catalog.version;
    this.#catalog = catalog;
    if (retagged) this.#lineage.retag(catalog);
    if (!retagged && rules.version === this.#rules?.version) return;
    this.#trace.note(`rules ${rules.version} ${catalog.version}`);
    this.#rules = rules;
    this.#endings = endingsOf(rules.rules);
    this.#steps.reload(rules, (step) => {
      if (retagged) this.#timeline.tag(step);
    });
  }

  get #version(): string {
    return this.#rules?.version ?? "";
  }

  #count(): void {
    this.#folded += 1;
    if (this.#folded % this.#parts.limits.digestRecordsEvery !== 0) return;
    const data = { folded: this.#folded, digest: this.#trace.digest() };
    this.#say({ type: "correlator.digested", subject: {}, data, id: hash(["digest", this.#folded]) });
  }
}
