/**
 * Which steps there are: in flight from the intent on, decided, finished, withdrawn (DETECTION §2.3–2.5).
 * It folds what the gateway wrote and knows no rule; it cannot see a transaction, only what the gateway says came of one.
 */
import { overlaps } from "../../infra/catalog.ts";
import { touches, unknown } from "../../infra/rules/field.ts";
import type { CommandFacts, CommittedEffect } from "../../schemas/event-data.ts";
import {
  type Asking,
  type CommandState,
  type Decided,
  type EntryOf,
  type KeptTimeline,
  mayMove,
  openSteps,
  toPart,
} from "./commands.ts";
import { makeStep } from "./compact.ts";
import type { ContentEvidence } from "./content.ts";
import type { Trace } from "./digest.ts";
import type { Lineage } from "./lineage.ts";
import { Places } from "./moves.ts";
import { isLasting, isLive, resources, type Step, type StepEffect, seenBy } from "./step.ts";
import type { Steps } from "./steps.ts";
import { Unfinished } from "./unfinished.ts";

const nothing: readonly never[] = [];

/** Whether two intents of a command say that it does the same. */
function isSameAct(one: Step, other: Step): boolean {
  const saidOf = ({ effects }: Step) => JSON.stringify(effects.map(({ effect, approved }) => [effect, approved]));
  return saidOf(one) === saidOf(other);
}

const nothingDecided: Decided = { step: null, isUnasked: false };

/** Whether word may still come that what a finished command did lasts, or does not. What did nothing (BEGIN, SET) needs none. */
function mayBeUndone(step: Step | null): boolean {
  return step !== null && !step.commit && step.effects.some(({ effect }) => isLasting(effect));
}

export class Timeline {
  readonly #steps: Steps;
  readonly #lineage: Lineage;
  readonly #content: ContentEvidence;
  readonly #trace: Trace;
  readonly #unfinished = new Unfinished();
  /** Steps that moved data and may still be withdrawn. */
  readonly #pending = new Set<Step>();
  /** Steps that something came to after they had begun. */
  readonly #grown = new Set<Step>();
  /** Whose moves this record has withdrawn. */
  readonly #moved: Step[] = [];

  constructor(steps: Steps, lineage: Lineage, content: ContentEvidence, trace: Trace) {
    this.#trace = trace;
    this.#steps = steps;
    this.#lineage = lineage;
    this.#content = content;
    steps.mayComeToMatch = (step) => this.#mayChange(step);
  }

  /** Another source has said the command: what this one says of it is not heard, or one gateway could undo what another did. */
  isForeign({ source, subject }: Asking | EntryOf<"command.finished">): boolean {
    const state = this.#unfinished.of(subject.command);
    return state !== undefined && state.source !== source;
  }

  /** The step that an intent would be; nothing advances. */
  intend(entry: EntryOf<"command.intended">, at: number): Step {
    const state = this.#unfinished.of(entry.subject.command) ?? this.#unfinished.begin(entry);
    state.commits = entry.data.commits;
    return this.#make(entry, at, entry.data, this.#effectsOf(entry, state));
  }

  /** An intent was answered allow, or a decision read: the step counts from its own place on. @returns places that may have gained tags */
  allow(step: Step): readonly string[] {
    const state = this.#unfinished.of(step.command);
    if (state === undefined || step.effects.length === 0) return [];
    // Asked once more (it had to wait) and allowed once more: it is one step, where it was allowed first.
    if (state.step !== null && isSameAct(state.step, step)) return [];
    if (state.step !== null && !state.decided) this.#withdraw(state.step, () => true);
    this.#retag();
    this.#unfinished.leave(state);
    state.step = step;
    return this.#add(step);
  }

  decide(entry: EntryOf<"command.decided">, at: number): Decided {
    const state = this.#unfinished.of(entry.subject.command) ?? this.#unfinished.begin(entry);
    if (state.source !== entry.source) return nothingDecided;
    const { ruling } = entry.data;
    state.decided = true;
    if (ruling !== "allow" && ruling !== "mask") {
      if (state.step !== null) this.#withdraw(state.step, () => true);
      this.#retag();
      this.#forget(state);
      return nothingDecided;
    }
    const inFlight = state.step;
    const step = inFlight ?? this.#make(entry, at, entry.data, this.#effectsOf(entry, state));
    step.decidedAt = at;
    if (inFlight !== null || step.effects.length === 0) return nothingDecided;
    return { step, isUnasked: state.commits === null };
  }

  /** Tags that another engine told: they come with the command that brought them, and go with it. */
  hear({ subject, data }: EntryOf<"resource.tagged">, at: number): void {
    const step = this.#unfinished.of(subject.command)?.step ?? null;
    const gained = this.#lineage.hear(data, at, step);
    if (gained.length > 0 && step !== null) this.#pending.add(step);
    this.#grow(gained);
  }

  /** Values that it shows or brings were said after it was decided. @returns its step */
  content(entry: EntryOf<"content.shown" | "content.brought">): Step | null {
    const state = this.#unfinished.of(entry.subject.command);
    if (state !== undefined && state.source !== entry.source) return null;
    const fields = this.#content.take(entry);
    const step = state?.step ?? null;
    if (step === null || fields === null) return null;
    step.more = fields;
    this.#steps.refresh(step);
    return step;
  }

  /** @returns the step of which more is known now; null when there is none, or it had finished before */
  finish(entry: EntryOf<"command.finished">, at: number): Step | null {
    const { data, source } = entry;
    const state = this.#unfinished.of(entry.subject.command);
    if (state !== undefined && state.source !== source) return null;
    const step = state?.step ?? null;
    const isFirst = step?.late === null;
    if (step !== null) {
      if (data.outcome === "unknown") step.lostAt = at;
      else this.#end(step, at);
      step.late = data;
      this.#steps.finished(step);
      if (data.outcome === "error") this.#fail(step, data.shown);
      if (step.commit) {
        const undone = new Set(data.undone);
        this.#withdraw(step, ({ of }) => undone.has(of));
      }
    }
    for (const command of data.undone) this.#undo(command, source);
    this.#retag();
    for (const command of data.lasted) this.#last(command, source, at);
    if (state !== undefined && !mayBeUndone(step)) {
      if (step !== null) step.settled = data.outcome !== "unknown";
      this.#forget(state);
    }
    return isFirst ? step : null;
  }

  /** Nothing comes to it any more. */
  #end(step: Step, at: number): void {
    step.finishedAt = at;
    this.#lineage.close(step);
  }

  /** An error: what would have lasted did not, and what was read is withdrawn only when nothing of it was shown. */
  #fail(step: Step, shown: boolean): void {
    if (step.commit) this.#withdraw(step, () => true);
    if (!step.undoable || step.opaque) return;
    this.#withdraw(step, ({ effect }) => isLasting(effect) || !shown);
  }

  #undo(command: string, source: string): void {
    const state = this.#unfinished.of(command);
    if (state?.source !== source) return;
    const { step } = state;
    if (step?.undoable && !step.opaque && !step.commit) this.#withdraw(step, ({ effect }) => isLasting(effect));
    this.#forget(state);
  }

  #last(command: string, source: string, at: number): void {
    const state = this.#unfinished.of(command);
    if (state?.source !== source) return;
    const { step } = state;
    if (step && !step.settled) {
      step.settled = true;
      this.#lineage.last(step, at);
    }
    this.#forget(state);
  }

  /** A gateway started again: what it had not decided never ran; what it had not finished nobody knows. */
  restart(source: string, at: number): void {
    this.#unfinished.restart(source, at, ({ step, decided }) => {
      if (step !== null && !decided) this.#withdraw(step, () => true);
      this.#stay(step);
    });
    this.#retag();
  }

  #forget(state: CommandState): void {
    this.#unfinished.forget(state);
    this.#stay(state.step);
  }

  /** Its command is not known any more: nothing can withdraw it. */
  #stay(step: Step | null): void {
    if (step !== null) this.#pending.delete(step);
  }

  close({ source, subject }: EntryOf<"session.closed">, at: number): void {
    this.#unfinished.close(source, subject.session ?? "", at, ({ step }) => this.#stay(step));
    if (subject.session !== undefined) this.#lineage.endSession(subject.session, at);
  }

  /** Where the oldest command began of which something may still come; `at` when there is none. */
  oldest(at: number): number {
    return this.#unfinished.oldest(at);
  }

  /** Forgets what no window reaches any more. */
  drop(beforeMs: number): void {
    this.#unfinished.drop(beforeMs);
    for (const step of this.#grown) if (step.atMs < beforeMs) this.#grown.delete(step);
  }

  /** Tags and lineage of a step that is only asked about, as things are now. */
  #look(step: Step): void {
    const only = step.effects.length === 1 ? step.effects[0] : undefined;
    const whole = this.#lineage.taggedNow(only ? touches(only.effect) : resources(step, "touches"));
    step.lineage = whole.members;
    if (only) only.tags = whole.tags;
    else for (const [index, tags] of this.#lineage.tagsInOrder(step).entries()) step.effects[index]!.tags = tags;
  }

  /** The same for one that counts, from where it began until it was finished. */
  tag(step: Step): void {
    const seen = seenBy(step);
    const only = step.effects.length === 1 ? step.effects[0] : undefined;
    const whole = this.#lineage.taggedAt(only ? touches(only.effect) : resources(step, "touches"), seen);
    step.lineage = whole.members;
    if (only) step.tag([whole.tags]);
    else
      step.tag(
        step.effects.map(({ effect }, index, { length }) => {
          const before = step.at + index / length;
          return this.#lineage.taggedAt(touches(effect), seen, false, before).tags;
        }),
      );
  }

  facts(): string[] {
    return this.#unfinished.facts();
  }

  #add(step: Step): readonly string[] {
    const gained = step.effects.some(({ effect }) => mayMove(effect)) ? this.#lineage.add(step) : nothing;
    if (gained.length > 0) this.#pending.add(step);
    this.#steps.add(step, this.#mayChange(step));
    this.#note("+", step);
    this.#grow(gained);
    return gained;
  }

  /** What tags it has may be another's, which is withdrawn yet. */
  #mayChange(step: Step): boolean {
    return this.#pending.size > 0 && step.lineage.length > 0;
  }

  #note(what: string, { at, hits, lineage }: Step): void {
    this.#trace.number(at);
    if (what !== "+" || hits.length + lineage.length > 0)
      this.#trace.note(`${what} ${hits.join(" ")} ${lineage.join(" ")}`);
  }

  kept(): KeptTimeline {
    return { unfinished: this.#unfinished.kept(), pending: [...this.#pending], grown: [...this.#grown] };
  }

  restore({ unfinished, pending, grown }: KeptTimeline): void {
    this.#unfinished.restore(unfinished);
    for (const step of pending) this.#pending.add(step);
    for (const step of grown) this.#grown.add(step);
  }

  /** What runs sees what comes to its places. */
  #grow(gained: readonly string[]): void {
    if (gained.length === 0) return;
    for (const step of this.#unfinished.running()) {
      if (!resources(step, "touches").some((name) => gained.some((place) => overlaps(name, place)))) continue;
      this.#grown.add(step);
      this.tag(step);
      this.#steps.refresh(step);
      this.#note("~", step);
    }
  }

  #withdraw(step: Step, which: (effect: StepEffect) => boolean): void {
    const gone = step.effects.filter((effect) => !effect.withdrawn && which(effect));
    if (gone.length === 0) return;
    for (const effect of gone) effect.withdrawn = true;
    this.#pending.delete(step);
    const moved = this.#lineage.withdraw(step);
    // What an effect that stays saw of one that is gone is gone too.
    if (isLive(step)) this.tag(step);
    else step.lineage = nothing;
    this.#steps.refresh(step);
    this.#note("-", step);
    if (moved) this.#moved.push(step);
  }

  /** What came after a withdrawn move, or ran when it came, is seen again as if it had never been: once for all of a record. */
  #retag(): void {
    const moved = this.#moved.splice(0);
    if (moved.length === 0) return;
    const places = new Places(moved.flatMap((step) => [...this.#lineage.downstream(step).names]));
    const first = moved.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
    // Not only what gained by it: what it brought as well counts once whoever brought it first is gone.
    const ran = [...this.#grown].filter((step) => step.at < first && step.finishedAt >= first);
    for (const step of [...ran, ...this.#steps.after(first)]) {
      if (step.lineage.length === 0) continue;
      if (!resources(step, "touches").some((name) => places.meet(name))) continue;
      this.tag(step);
      this.#steps.refresh(step);
    }
  }

  #effectsOf(entry: Asking, state: CommandState): StepEffect[] {
    const { data, subject } = entry;
    const command = subject.command ?? "";
    const [only] = data.effects;
    const own: StepEffect[] =
      only !== undefined && data.effects.length === 1
        ? [toPart(only, command, nothing)]
        : data.effects.map((effect) => toPart(effect, command, nothing));
    // The facts of a COMMIT are the sum of what it makes lasting: each effect counts once, with its approval.
    const isSum = data.transaction.kind === "commit" && (state.commits?.length ?? 0) > 0;
    if (state.commits?.length === 0) return own;
    if (state.commits !== null) return [...(isSum ? [] : own), ...state.commits.map((one) => this.#committed(one))];
    if (data.transaction.kind !== "commit") return own;
    const lasting = openSteps(state.session).flatMap(({ effects }) =>
      effects.filter((part) => !part.withdrawn && isLasting(part.effect)),
    );
    return [...own, ...lasting.map((part): StepEffect => ({ ...part, details: this.#detailsOf(part.of) }))];
  }

  #committed({ command, effect, approved }: CommittedEffect): StepEffect {
    const chains = approved === undefined ? [] : [approved, ...(approved.also ?? [])];
    return { ...toPart(effect, command, chains), details: this.#detailsOf(command) };
  }

  /** Of a command inside a transaction; what is forgotten may have been anything. */
  #detailsOf(command: string): NonNullable<StepEffect["details"]> {
    return this.#unfinished.of(command)?.step?.details ?? unknown;
  }

  #make(entry: Asking, at: number, facts: CommandFacts, effects: readonly StepEffect[]): Step {
    const step = makeStep({
      id: entry.id,
      at,
      atMs: entry.atMs,
      subject: entry.subject,
      command: entry.subject.command ?? "",
      source: entry.source,
      kind: facts.kind,
      opaque: facts.opaque !== null,
      undoable: facts.undoable,
      commit: facts.transaction.kind === "commit",
      effects,
      more: this.#content.of(entry),
      details: facts.details ?? unknown,
      decidedAt: at,
      finishedAt: Number.POSITIVE_INFINITY,
      lostAt: Number.POSITIVE_INFINITY,
      late: null,
      settled: false,
      lineage: nothing,
      hits: nothing,
      sure: nothing,
      alike: null,
    });
    this.#look(step);
    this.#steps.match(step);
    return step;
  }
}
