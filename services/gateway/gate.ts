/**
 * The gate, as the proxies of every wire see it: they ask, they obey, they report what came of it.
 * It decides nothing by itself: the table of stages below does, in order; the first that is not allow or mask settles
 * the command (a hold goes on, so that people are asked once, with every reason), and `record` runs for every outcome.
 */
import type { Blobs } from "../../infra/blobs/blobs.ts";
import type { Appender, Ticket } from "../../infra/log/log.ts";
import type { Policy } from "../../infra/policy/policy.ts";
import type { SketchKey } from "../../infra/sketch/sketch.ts";
import type { Command, Reading } from "../../schemas/command.ts";
import type { TargetConfig } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { CommittedEffect, EventData } from "../../schemas/event-data.ts";
import type { Limits } from "../../schemas/limits.ts";
import { allowed, type Verdict } from "../../schemas/verdict.ts";
import { approve } from "./approve.ts";
import { Awaited, goesByData, mattersElsewhere, travelOf } from "./awaited.ts";
import { block, blockFor } from "./block.ts";
import { type After, type ChainRules, chain } from "./chain.ts";
import { Content } from "./content.ts";
import type { Reader } from "./effects/reader.ts";
import type { Feed } from "./feed.ts";
import { following } from "./following.ts";
import { Judged } from "./judged.ts";
import { type Held, type Question, type Stage, strictest } from "./question.ts";
import { type Recorded, Recorder } from "./record.ts";
import type { Session } from "./session.ts";
import type { SharedView } from "./shared-view.ts";
import { sweep } from "./sweep.ts";
import { Waiting } from "./waiting.ts";

export type { Held } from "./question.ts";

/** A judged and recorded command. */
export interface Judgement {
  readonly command: Command;
  readonly verdict: Verdict;
  /** The record of the decision: no result byte leaves, and nothing lasts, before it is durable. */
  readonly ticket: Ticket;
  /** Set when the ruling is `hold`: what is waited for. */
  readonly held: Held | null;
  /**
   * The approval that this command used up, and the chain steps before the last one that it was given for. When set,
   * the command waits for its ticket before it is forwarded, whatever it is: `approval.used` is durable first.
   */
  readonly approved: CommittedEffect["approved"] | null;
}

/** A refusal is recorded: nothing of it leaves before its ticket is durable. 0 = nothing was recorded. */
export type Previewed = Pick<Judgement, "verdict" | "ticket">;

export type Outcome = EventData["command.finished"];

export interface Gate {
  /**
   * Judges and records. Synchronous unless a stage must wait (a remote log); the hot path makes no promise.
   * @param commits for a COMMIT: what it would make lasting
   * @param inTransaction shortens a wait (locks), then turns it into retry
   */
  judge(
    session: Session,
    command: Command,
    commits: readonly CommittedEffect[],
    inTransaction: boolean,
  ): Judgement | Promise<Judgement>;
  /** Policy and blocks only, nothing recorded unless refused: for Parse, Bind and Describe. */
  preview(session: Session, command: Command): Previewed;
  /** Records a command whose Parse, Bind or Describe failed at the target, before its error text leaves. */
  recordFailed(session: Session, command: Command): Ticket;
  /** `shown`, `undone`, `lasted`: see schemas/event-data.ts. Follows the command; nobody waits for it. */
  finished(session: Session, judgement: Judgement, outcome: Outcome): void;
  masked(session: Session, judgement: Judgement, columns: EventData["output.masked"]["columns"]): void;
  /**
   * Whether what comes of it now may be shown as it was judged: the target may have run it later (it waited for a lock, or
   * this process stood still), and what was tagged until then counts: for what may be seen, and for whether the correlator had
   * to be asked. Ask for every piece of a result. False: the session ends.
   */
  mayShow(session: Session, judgement: Judgement): boolean;
  /**
   * Asked of a command that waited for its record before it was forwarded: what came meanwhile counts.
   * @returns null when it may run; else why not
   */
  mayStart(session: Session, judgement: Judgement): Verdict | null;
  /** True when everything that the session said up to the ticket is durable, where it must be. */
  isDurable(session: Session, ticket: Ticket): boolean;
  /** Called after each sync of the log; one listener per session. @returns stops the calls */
  onDurable(listener: () => void): () => void;
  /** Looks at the values that a command shows and brings; null where no rule in force asks for them. */
  readonly content: Content | null;
  /** Whether errors and notices of this command may carry values that its identity may not see. */
  scrubs(session: Session, reading: Reading): boolean;
}

export interface GateParts {
  readonly appender: Appender;
  /** Replayed up to the end of the log, and from then on folding every record at once. */
  readonly feed: Feed;
  readonly policy: () => Policy;
  readonly rules: () => ChainRules;
  /** Null while a target's catalog is not loaded: its accounts count as able to read everything. */
  readonly readerOf: (target: string) => Pick<Reader, "resources" | "canRead"> | null;
  readonly blobs: Blobs;
  readonly tenantKey: Uint8Array;
  /** Of the epochs in use, the present one first; absent: values that are shown and come back are not looked at. */
  readonly sketchKeys?: () => readonly SketchKey[];
  readonly targetOf: (target: string) => Pick<TargetConfig, "opaque" | "mode">;
  readonly holds: {
    readonly mode: "wait" | "retry";
    readonly waitMs: number;
    /** Groups that answer where nothing names any: commands that cannot be read. */
    readonly approvers: readonly string[];
  };
  /** Where people answer. */
  readonly addressOf: (approval: string) => string;
  /** Unique for ever. */
  readonly newId: () => string;
  readonly now: () => number;
  readonly after: After;
  readonly limits: Limits;
  /** Null on one machine: then durable here is durable for everybody, and nothing is ever behind. */
  readonly shared: SharedView | null;
}

export interface RunningGate extends Gate {
  /** Once a second: writes down what expired. */
  tick(): void;
  /** Commands judged in this session. */
  commandsOf(session: Session): number;
}

/** The table. What each stage may do is in its file; the order is here. */
function stagesOf(parts: GateParts, judged: Judged, recorder: Recorder): readonly Stage[] {
  const { feed, limits, holds } = parts;
  const { approvalMsMax: approvalMs, holdsPerIdentityMax, gateWaitMsMax: gateWaitMs } = limits;
  const waiting = new Waiting({ ...parts, ...holds, waitInTransactionMs: limits.holdInTransactionMsMax });
  const observes = (target: string) => parts.targetOf(target).mode === "observe";
  const chains = { ...parts, tagsOf: feed.tags.of, observes, gateWaitMs, approvalMs, approvers: holds.approvers };
  const policyVersion = () => parts.policy().version;
  const people = {
    ...parts,
    waiting,
    policyVersion,
    approvalMs,
    gateWaitMs,
    holdsPerIdentityMax,
    sealed: recorder.sealed,
  };
  return [
    (question) => judged.verdict(question), //                                   deny:    what policy says
    (question, sofar) => fresh(parts, question, sofar), //                       fresh:   is what is known here new enough?
    (question, sofar) => block(parts, question, sofar), //                       block:   standing orders
    (question, sofar) => chain(chains, question, sofar, judged.asks(question)), // chain:   would it complete one?
    (question, sofar) => approve(people, question, sofar), //                    approve: people
  ];
}

/** Goes through the stages, then records. A promise only where a stage, or putting a large text away, made one. */
function run(
  stages: readonly Stage[],
  record: (question: Question, verdict: Verdict) => Judgement | Promise<Judgement>,
  question: Question,
  sofar: Verdict,
): Judgement | Promise<Judgement> {
  let verdict = sofar;
  for (const [at, stage] of stages.entries()) {
    if (verdict.ruling === "block") break;
    const next = stage(question, verdict);
    if (next instanceof Promise) return next.then((given) => run(stages.slice(at + 1), record, question, given));
    verdict = next;
  }
  return record(question, verdict);
}

export function createGate(parts: GateParts): RunningGate {
  const { appender, feed, limits } = parts;
  const judged = new Judged(parts);
  const policyVersion = () => parts.policy().version;
  const recorder = new Recorder({ ...parts, policyVersion, eventBytesMax: limits.eventBytesMax });
  const stages = stagesOf(parts, judged, recorder);
  const content = contentOf(parts);
  const awaited = new Awaited(appender, parts.shared);
  /** By which tags each judgement was made, and of which the correlator was asked. */
  const versions = new WeakMap<Judgement, number>();
  const asked = new WeakSet<Judgement>();
  const share = (question: Question, recorded: Recorded): Judgement => {
    if (parts.shared !== null) shareRecord(awaited, judged, feed, question, recorded);
    const made = judgement(question, recorded);
    versions.set(made, question.tagsVersion);
    if (question.intent !== null) asked.add(made);
    return made;
  };
  const record = (question: Question, verdict: Verdict) => {
    const recorded = recorder.record(question, verdict);
    return recorded instanceof Promise ? recorded.then((done) => share(question, done)) : share(question, recorded);
  };
  return {
    judge(session, command, commits, inTransaction) {
      judged.count(session, command);
      const question = judged.question(session, command, commits, inTransaction);
      try {
        question.brings = content?.bring(session, command) ?? true;
        const settled = run(stages, record, question, allowed);
        return settled instanceof Promise ? settled.catch((error) => unrecorded(question, error)) : settled;
      } catch (error) {
        return unrecorded(question, error);
      }
    },
    preview: (session, command) => preview(parts, recorder, judged, judged.question(session, command, [], false)),
    recordFailed(session, command) {
      // It never ran: what it would have touched is not an effect.
      const nothing = { ...command, reading: { ...command.reading, effects: [] } };
      return recorder.recordNow(judged.question(session, nothing, [], false), allowed).ticket;
    },
    finished: (session, { command }, outcome) => following(() => void recorder.finished(session, command, outcome)),
    masked(session, { command }, columns) {
      const subject = { ...session.subject, command: command.id };
      const tagged = columns.map((one) => ({ ...one, tag: one.tag || (feed.tags.of(one.resource).at(-1) ?? "") }));
      following(() => void appender.append({ type: "output.masked", subject, data: { columns: tagged } }));
    },
    mayShow(session, made) {
      const { command, verdict } = made;
      if (isStale(parts) && goesByData(command.reading)) return false;
      const { version } = feed.tags;
      if (versions.get(made) === version) return true;
      if (!judged.isCovered(session, command, verdict)) return false;
      if (!asked.has(made) && judged.asks(judged.question(session, command, [], false))) return false;
      versions.set(made, version);
      return true;
    },
    mayStart: (session, made) => startable(parts, judged, session, made, asked.has(made)),
    isDurable: (session, ticket) => awaited.isReached(session, ticket),
    onDurable(listener) {
      const stops = [appender.onDurable(listener), parts.shared?.onChange(listener)];
      return () => {
        for (const stop of stops) stop?.();
      };
    },
    content,
    scrubs: (session, reading) => judged.scrubs(session, reading),
    tick: () => sweep(parts, parts.now()),
    commandsOf: (session) => judged.commandsOf(session),
  };
}

function contentOf({ appender, feed, rules, now, sketchKeys }: GateParts): Content | null {
  if (sketchKeys === undefined) return null;
  const isAsked = () => rules().asksContent === true;
  const follow = (append: () => void) => following(append);
  return new Content({ appender, index: feed.content, keys: sketchKeys, isAsked, now, follow });
}

/** Right after the record was said: what it must reach before anything of it leaves or lasts. */
function shareRecord(awaited: Awaited, judged: Judged, feed: Feed, question: Question, recorded: Recorded): void {
  const { ruling } = recorded.verdict;
  // A refusal reaches no target and shows nothing: it is said at once, also while the shared log is away.
  if (ruling !== "allow" && ruling !== "mask") return;
  const { session, facts, approval, intent } = question;
  const travels = travelOf(facts, feed.tags.of);
  if (travels === null && approval === null && intent === null && !judged.shares(question)) return;
  awaited.share(session, recorded.ticket, travels);
}

/**
 * What is tagged, by whom it is forbidden and what is blocked is known by the feed. An old one does not know what was
 * tagged since, so whatever goes by data is refused; what only writes values into the untagged goes on.
 */
function fresh(parts: GateParts, { facts, commits }: Question, sofar: Verdict): Verdict {
  if (!isStale(parts)) return sofar;
  if (!goesByData(facts) && !mattersElsewhere(facts, commits, parts.feed.tags.of)) return sofar;
  const sentence = "The shared log cannot be reached, so what is tagged, blocked or forbidden may have changed unseen.";
  return strictest(sofar, { ruling: "block", stage: "gate", because: ["feed.stale"], sentence, masks: [] });
}

/** A block that was placed, a session that was ended, tags that came while it waited for its record. */
function startable(
  parts: GateParts,
  judged: Judged,
  session: Session,
  { command, verdict }: Judgement,
  wasAsked: boolean,
): Verdict | null {
  const question = judged.question(session, command, [], false);
  const standing = fresh(parts, question, block(parts, question, allowed));
  if (standing.ruling === "block") return standing;
  if (judged.isCovered(session, command, verdict) && (wasAsked || !judged.asks(question))) return null;
  const sentence = "What it touches was tagged while it waited; send it again.";
  return { ruling: "block", stage: "gate", because: ["result.outdated"], sentence, masks: [] };
}

function isStale({ shared, limits }: GateParts): boolean {
  return shared !== null && shared.staleMs() > limits.feedStaleMsMax;
}

function preview(parts: GateParts, recorder: Recorder, judged: Judged, question: Question): Previewed {
  const verdict = judged.verdict(question);
  const free = question.session.ending === null && blockFor(parts, question) === null;
  if (verdict.ruling !== "block" && free) return { verdict, ticket: 0 };
  try {
    const refused = verdict.ruling === "block" ? verdict : block(parts, question, verdict);
    return recorder.recordNow(question, refused);
  } catch (error) {
    return unrecorded(question, error);
  }
}

function judgement({ command, held, approved }: Question, { verdict, ticket }: Recorded): Judgement {
  return { command, verdict, ticket, held: verdict.ruling === "hold" ? held : null, approved };
}

/** A full log refuses commands, and nothing else: the refusal reaches no target and shows nothing, so it may leave. */
function unrecorded({ command }: Question, error: unknown): Judgement {
  if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
  const sentence = "The disk of the log is full, so nothing can be recorded and nothing runs.";
  const verdict: Verdict = { ruling: "block", stage: "gate", because: ["log.full"], sentence, masks: [] };
  return { command, verdict, ticket: 0, held: null, approved: null };
}
