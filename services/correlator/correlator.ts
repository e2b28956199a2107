/**
 * The correlator: folds the log, record by record, into steps, lineage and clusters, and answers intents (DETECTION §2, §3).
 *
 * Pure: state and outputs depend on the log alone; time, ids, rules and catalog come in through entries. Replay and live
 * run the same path: every output is made again at its place; during replay it is compared with what the log holds, and
 * what a crash left out is emitted once, when replay ends. It decides what to answer, never what the gateway does with it.
 *
 * Where the log's policy was put there by another engine, this one says nothing and takes what it hears: answers and tags
 * as they are recorded, whether it would have made them or not. Its own begin at the next `policy.changed` of its own.
 */
import { type Catalog, createCatalog, parseCatalog } from "../../infra/catalog.ts";
import type { Entry } from "../../infra/log/entry.ts";
import { Ids, outputKey } from "../../infra/log/ids.ts";
import { PolicyParts } from "../../infra/policy/packed.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { RuleSet } from "../../infra/rules/rule-set.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { catalogue } from "../../schemas/event.ts";
import type { BlockScope } from "../../schemas/event-data.ts";
import type { Identity, Task } from "../../schemas/identity.ts";
import type { Limits } from "../../schemas/limits.ts";
import type { Ruling } from "../../schemas/verdict.ts";
import { type Answer, answerFor, type Completion } from "./answer.ts";
import { approvalStep } from "./approval-step.ts";
import type { Asking } from "./asking.ts";
import { createClusters, createTasks } from "./cluster.ts";
import { ContentEvidence } from "./content.ts";
import { digestOf } from "./digest.ts";
import { engineVersion } from "./engine.ts";
import { hash } from "./evidence.ts";
import { excludedFor } from "./excluded.ts";
import { Horizon } from "./horizon.ts";
import { Lineage, type LineageLimits } from "./lineage.ts";
import { isOutput, type Output, Outputs } from "./outputs.ts";
import { type Endings, endingsOf } from "./shape.ts";
import type { Step } from "./step.ts";
import { type StepLimits, Steps } from "./steps.ts";
import { tellAnswer } from "./tell.ts";
import { type EntryOf, Timeline } from "./timeline.ts";

export type CorrelatorLimits = StepLimits &
  LineageLimits &
  Pick<Limits, "digestRecordsEvery" | "sweepRecordsEvery" | "chainLooksMax" | "clockJumpMsMax">;

export interface CorrelatorParts {
  /** Appends to the log; may fold the appended record before it returns. Never called during replay. */
  emit(draft: Output): void;
  readonly limits: CorrelatorLimits;
  /** Of many replicas: this one's. Absent, everything that a correlator said must be what this fold makes. */
  readonly source?: string;
  /** Instead of reading the rule files of each policy: rules that are read already. */
  readonly load?: typeof loadRules;
}

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
  readonly rules: RuleSet | null;
  /** Why the last `policy.changed` was not taken over; null when it was. */
  readonly problem: string | null;
  tagsOf(resource: string): readonly string[];
}

export function createCorrelator(parts: CorrelatorParts): Correlator {
  return new Fold(parts);
}

/** Ids remembered to drop duplicates; of outputs more, because a slow replica says them late. */
const idsKept = 100_000;
const outputIdsKept = 500_000;

class Fold implements Correlator {
  readonly #parts: CorrelatorParts;
  readonly #steps: Steps;
  readonly #lineage: Lineage;
  readonly #timeline: Timeline;
  readonly #content = new ContentEvidence();
  readonly #clusters = createClusters();
  readonly #tasks = createTasks();
  readonly #told = new Map<string, Set<string>>();
  readonly #horizon = new Horizon();
  #catalog: Catalog = createCatalog([]);
  #rules: RuleSet | null = null;
  #endings: Endings = endingsOf([]);
  #problem: string | null = null;
  #at = 0;
  #folded = 0;
  readonly #policy = new PolicyParts();
  readonly #ids = new Ids(idsKept);
  readonly #outputIds = new Ids(outputIdsKept);
  /** Of the latest tick in this run of the process. */
  #tickedMs: number | null = null;
  readonly #outputs: Outputs;
  /** Whether the policy in force was put into the log by an engine of this version (before the first one: yes). */
  #own = true;
  /** Under another engine: intents by id whose answer has not been heard, and places that may have tags nobody told. */
  readonly #asked = new Map<string, Step>();
  readonly #untold = new Set<string>();
  /** Source of another replica → hour in which an alert said that it differs. */
  readonly #contested = new Map<string, number>();

  constructor(parts: CorrelatorParts) {
    this.#parts = parts;
    this.#outputs = new Outputs(parts.emit, parts.source ?? null);
    this.#steps = new Steps(parts.limits);
    this.#lineage = new Lineage(this.#catalog);
    this.#timeline = new Timeline(this.#steps, this.#lineage, this.#content);
  }

  get rules(): RuleSet | null {
    return this.#rules;
  }

  get speaks(): boolean {
    return this.#own && this.#outputs.hasSaidAll;
  }

  get problem(): string | null {
    return this.#problem;
  }

  tagsOf(resource: string): readonly string[] {
    return this.#lineage.tagged(resource).tags;
  }

  fold(entry: Entry): void {
    // The other stream is not in every replica's order.
    if (catalogue[entry.type].stream !== "steps") return;
    if (isOutput(entry) ? this.#outputIds.has(outputKey(entry)) : this.#ids.has(entry.id)) return;
    this.#at += 1;
    if (!isOutput(entry)) this.#take(entry);
    else if (this.#own) this.#outputs.claim(entry) || this.#contest(entry);
    else this.#hear(entry);
    if (this.#at % this.#parts.limits.sweepRecordsEvery === 0) this.#sweep(entry.atMs);
    this.#count();
    this.#outputs.flush();
  }

  /** Forgets what no window reaches any more. */
  #sweep(nowMs: number): void {
    const beforeMs = nowMs - (this.#rules?.timespanMsMax ?? 0);
    this.#steps.drop(beforeMs);
    this.#timeline.drop(beforeMs);
    const horizon = this.#horizon.pass(this.#at, nowMs, beforeMs);
    this.#lineage.forget(horizon, this.#timeline.oldest(horizon), this.#parts.limits);
  }

  goLive(): void {
    this.#outputs.goLive();
  }

  fallBehind(): void {
    this.#outputs.fallBehind();
  }

  digest(): string {
    return digestOf({
      position: this.#at,
      rules: this.#rules?.version ?? "",
      catalog: this.#catalog.version,
      steps: this.#steps.all,
      facts: [this.#lineage.facts(), this.#timeline.facts(), this.#clusters.facts(), this.#tasks.facts()],
    });
  }

  #take(entry: Entry): void {
    if (entry.type === "command.decided") this.#decide(entry);
    else if (entry.type === "command.finished") this.#finish(entry);
    else if (entry.type === "command.intended") this.#intend(entry);
    else if (entry.type === "policy.changed" || entry.type === "policy.part") this.#propose(entry);
    else if (entry.type === "content.shown" || entry.type === "content.brought") this.#timeline.content(entry);
    else if (entry.type === "session.closed") this.#close(entry);
    else if (entry.type === "service.started") this.#restart(entry);
    else if (entry.type === "clock.ticked") this.#tick(entry);
    else if (entry.type === "grant.issued" || entry.type === "session.opened") this.#learn(entry.id, entry.data);
    else if (entry.type === "identity.linked") this.#link(entry);
    else if (entry.type === "identity.unlinked") this.#clusters.split(entry.data.identities, entry.data.links);
    else if (entry.type === "resource.untagged") this.#untag(entry);
    else if (entry.type === "approval.asked" || entry.type === "approval.answered") this.#notice(entry);
  }

  /** Another replica said what this fold does not make: one of the two is broken, or not ours. Said once an hour for each. */
  #contest({ id, type, source, atMs }: Entry): void {
    const hour = Math.floor(atMs / 3_600_000);
    if (this.#contested.get(source) === hour) return;
    this.#contested.set(source, hour);
    const alert = hash(["correlator.differs", source, hour]);
    const sentence = `${source} said ${type} ${id}, which the log does not give: it is broken, or somebody else has its key.`;
    const about = { alert, kind: "correlator.differs" as const, level: "critical", about: id };
    const data = { ...about, title: "A correlator says what others do not", sentence };
    this.#say({ type: "alert.raised", subject: {}, data, id: alert });
  }

  /** What another engine said is as it is: its answer counts, and so do the tags it told. */
  #hear(entry: Entry): void {
    if (entry.type === "command.answered") {
      const step = this.#asked.get(entry.data.intent);
      this.#asked.delete(entry.data.intent);
      if (step !== undefined && entry.data.ruling === "allow") this.#tell(step, this.#timeline.allow(step));
    } else if (entry.type === "resource.tagged") {
      const { resource, tags } = entry.data;
      const told = this.#told.get(resource) ?? new Set(this.#catalog.tagsOf(resource));
      this.#told.set(resource, new Set([...told, ...tags]));
      this.#timeline.hear(entry, this.#at);
    }
  }

  /** Only what the engine in force makes enters the log. */
  #say(output: Output): void {
    if (this.#own) this.#outputs.add(output);
  }

  #restart({ role, source }: EntryOf<"service.started">): void {
    this.#tickedMs = null;
    this.#asked.clear();
    if (role !== "gateway") return;
    this.#timeline.restart(source, this.#at);
    this.#content.restart(source);
  }

  /** Between two ticks of one run the clock must not jump: windows, holds and blocks are measured by it. */
  #tick({ id, atMs }: EntryOf<"clock.ticked">): void {
    const jumpMs = this.#tickedMs === null ? 0 : atMs - this.#tickedMs;
    this.#tickedMs = atMs;
    if (jumpMs <= this.#parts.limits.clockJumpMsMax) return;
    const alert = hash(["clock.jumped", id]);
    const sentence = `The log's time went forward by ${Math.round(jumpMs / 1000)} s at once; what had to happen in between is late.`;
    const data = { alert, kind: "clock.jumped" as const, level: "medium", title: "Clock jumped", sentence, about: id };
    this.#say({ type: "alert.raised", subject: {}, data, id: alert });
  }

  /** Who acts for whom, and which task belongs to which: as the api and the gateway signed it. */
  #learn(id: string, { identity, task }: { readonly identity: Identity; readonly task: Task }): void {
    this.#clusters.merge([identity.key, ...identity.onBehalfOf], id);
    this.#tasks.learn(task.id, task.parent);
  }

  #link({ id, data: { identities, strength } }: EntryOf<"identity.linked">): void {
    if (strength === "strong") this.#clusters.merge(identities, id);
    else this.#clusters.tie(identities, id);
  }

  #untag({ data: { resource, tags } }: EntryOf<"resource.untagged">): void {
    this.#told.delete(resource);
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
    this.#say({
      type: "command.answered",
      subject: entry.subject,
      data,
      id: hash(["answered", this.#version, data]),
    });
    if (ruling === "allow") this.#tell(step, this.#timeline.allow(step));
    this.#complete(step, answer, ruling);
  }

  #finish(entry: EntryOf<"command.finished">): void {
    this.#timeline.finish(entry, this.#at);
    this.#content.finish(entry);
  }

  #close(entry: EntryOf<"session.closed">): void {
    this.#timeline.close(entry, this.#at);
    this.#content.close(entry);
  }

  #decide(entry: EntryOf<"command.decided">): void {
    const { step, isUnasked } = this.#timeline.decide(entry, this.#at);
    if (step === null) return;
    // Judged as things were before it: what it brings comes after.
    const mayEnd = isUnasked && this.#own && step.hits.some((hit) => this.#endings.has(hit));
    const answer = mayEnd ? this.#answer(step) : null;
    this.#tell(step, this.#timeline.allow(step));
    if (answer !== null) this.#complete(step, answer, "allow");
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
    return { steps: this.#steps, evidence, endings: this.#endings, looksMax };
  }

  #complete(step: Step, answer: Answer, ruling: Ruling): void {
    const completions = [...answer.enforced, ...answer.observed].sort((a, b) => a.rule.index - b.rule.index);
    for (const { rule, chain } of completions) {
      const data = { rule: rule.name, chain, ruling };
      this.#say({
        type: "chain.completed",
        subject: step.subject,
        data,
        id: hash(["completed", chain.id, ruling]),
      });
    }
    for (const completion of answer.enforced) this.#block(step, completion);
  }

  /** A rule may place a standing block on whoever completed it, on strong evidence only. */
  #block(step: Step, { rule, chain }: Completion): void {
    const terms = rule.gate?.block ?? null;
    if (terms === null || chain.strength === "weak") return;
    const parts = terms.scope.map((field) => [field, step.subject[field]] as const);
    // A field that the event lacks would make the block wider than the rule says.
    if (parts.some(([, value]) => value === undefined)) return;
    const block = hash(["block", chain.id]);
    const data = {
      block,
      scope: Object.fromEntries(parts) as BlockScope,
      by: `rule ${rule.name}`,
      reason: chain.sentence,
      expiresAtMs: step.atMs + terms.forMs,
      approvers: [...(rule.gate?.approvers ?? [])],
    };
    this.#say({ type: "block.placed", subject: step.subject, data, id: block });
  }

  /** Tags that came to a place by travel for the first time. */
  #tell(by: Pick<Step, "id" | "subject">, gained: readonly string[]): void {
    for (const resource of gained) {
      if (!this.#own) this.#untold.add(resource);
      if (!this.#own) continue;
      const { tags, members } = this.#lineage.tagged(resource);
      const known = this.#told.get(resource) ?? new Set(this.#catalog.tagsOf(resource));
      const fresh = tags.filter((tag) => !known.has(tag));
      if (fresh.length === 0) continue;
      for (const tag of fresh) known.add(tag);
      this.#told.set(resource, known);
      const from = members.filter((member) => member !== resource).slice(0, 20);
      const data = { resource, tags: fresh, from, event: by.id };
      this.#say({ type: "resource.tagged", subject: by.subject, data, id: hash(["tagged", data]) });
    }
  }

  #propose(entry: EntryOf<"policy.changed" | "policy.part">): void {
    const whole = this.#policy.take(entry);
    if (whole === null) return;
    this.#own = whole.engine === engineVersion;
    if (whole.files === null) this.#problem = "policy.invalid: parts of the policy are missing or damaged";
    else this.#load(whole.files);
    if (this.#own) this.#begin(entry.id);
  }

  /** New rules and catalog take over at this position; a file that is wrong leaves the old ones in force. */
  #load(files: Readonly<Record<string, string>>): void {
    const names = Object.keys(files).sort();
    const isRule = (name: string) => /(^|\/)rules\/[^/]+\.ya?ml$/.test(name);
    const texts = names.filter(isRule).map((name) => ({ name, text: files[name] ?? "" }));
    const catalogName = names.find((name) => /(^|\/)catalog\.ya?ml$/.test(name));
    try {
      const rules = (this.#parts.load ?? loadRules)(texts);
      const catalog = catalogName === undefined ? this.#catalog : parseCatalog(files[catalogName] ?? "", catalogName);
      this.#problem = null;
      this.#takeOver(rules, catalog);
    } catch (error) {
      if (!(error instanceof ThroughlineError)) throw error;
      this.#problem = `${error.code}: ${error.message}`;
    }
  }

  /** From here on it speaks for itself: first about tags that it sees and the engine before did not tell. */
  #begin(id: string): void {
    const untold = [...this.#untold].sort();
    this.#untold.clear();
    this.#asked.clear();
    this.#tell({ id, subject: {} }, untold);
  }

  #takeOver(rules: RuleSet, catalog: Catalog): void {
    const retagged = catalog.version !== this.#catalog.version;
    this.#catalog = catalog;
    if (retagged) this.#lineage.retag(catalog);
    if (!retagged && rules.version === this.#rules?.version) return;
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
    const data = { folded: this.#folded, digest: this.digest() };
    this.#say({ type: "correlator.digested", subject: {}, data, id: hash(["digest", this.#folded]) });
  }
}
