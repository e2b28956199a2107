/**
 * One Command from asked to forwarded, the same for Query, Execute and FunctionCall: read, judge, hold or refuse, wait for
 * the record, forward. Nothing is decided here; the verdict is obeyed.
 *
 * Forwarded before its record is durable: only what the Reading says is undone by ROLLBACK, and of that only reads, and
 * writes inside an explicit transaction that is known to be open. Rows, counts and errors wait in the outbox for the
 * record in any case; COMMIT, autocommitted writes and everything with another effect wait here.
 */
import type { Command, CommandId, Reading } from "../../../schemas/command.ts";
import type { Verdict } from "../../../schemas/verdict.ts";
import type { Judgement } from "../gate.ts";
import type { Conversation } from "./conversation.ts";
import { type Answer, answered } from "./hold.ts";
import { commitReading } from "./opaque.ts";
import {
  beingDefinedError,
  cancelledError,
  heldHint,
  inUseError,
  plainError,
  refusalHint,
  refusedError,
  substitute,
} from "./refusal.ts";
import type { Reply } from "./replies.ts";
import { Run } from "./run.ts";
import { ShownRows } from "./shown-rows.ts";

type Done = void | Promise<void>;

export interface Request {
  /** Type byte of the message, for the substitute. */
  readonly type: number;
  readonly kind: Command["kind"];
  readonly text: string;
  readonly parameters: readonly (string | null)[];
  readonly parameterTypes?: readonly number[] | undefined;
  readonly uses?: string | undefined;
  /** Reads it, with what names mean now; again before an approved command runs. */
  readonly read: () => Reading;
  /** Hands the client's bytes on. Async where something must be learnt first. */
  readonly forward: (run: Run) => Done;
}

/** Call when names are known. */
export function judged(talk: Conversation, request: Request): Done {
  return talk.fresh(request.read, (reading) => {
    if (endsTransaction(reading) && !talk.replies.empty) return drainedFirst(talk, request);
    const wait = talk.party.mayRead(reading);
    if (wait !== null) return wait.then((free) => (free ? readAgain(talk, request) : defined(talk, request)));
    return judge(talk, request, talk.parts.nextCommandId(), reading);
  });
}

/** Another session has defined what it uses. */
async function readAgain(talk: Conversation, request: Request): Promise<void> {
  await talk.readable();
  if (!talk.replies.skipping) await judged(talk, request);
}

function defined(talk: Conversation, request: Request): void {
  if (!talk.replies.skipping) refuse(talk, request.type, beingDefinedError());
}

/** What a COMMIT makes lasting is exact only when everything before it has been answered. */
async function drainedFirst(talk: Conversation, request: Request): Promise<void> {
  await talk.drained();
  if (talk.replies.skipping) return; // the target would throw it away as well
  await judge(talk, request, talk.parts.nextCommandId(), request.read());
}

export function endsTransaction(reading: Reading): boolean {
  return reading.transaction.kind === "commit" || reading.transaction.kind === "prepare";
}

function judge(talk: Conversation, request: Request, id: CommandId, reading: Reading): Done {
  const commits = endsTransaction(reading) ? talk.transaction.commits() : [];
  const { kind, text, parameters, parameterTypes = [], uses } = request;
  const command: Command = {
    id,
    session: talk.session.id,
    kind,
    text,
    parameters,
    ...(parameterTypes.length > 0 ? { parameterTypes } : {}),
    ...(uses === undefined ? {} : { uses }),
    reading: commits.length === 0 ? reading : commitReading(reading, commits),
  };
  talk.commands += 1;
  talk.asking = reading;
  const judgement = talk.gate.judge(talk.session, command, commits, talk.inTransaction);
  return judgement instanceof Promise
    ? judgement.then((found) => obey(talk, request, found))
    : obey(talk, request, judgement);
}

function obey(talk: Conversation, request: Request, judgement: Judgement): Done {
  talk.outbox.require(judgement.ticket);
  if (isSkipped(talk, judgement)) return;
  switch (judgement.verdict.ruling) {
    case "allow":
    case "mask":
      return run(talk, request, judgement);
    case "hold":
      unasked(talk);
      return hold(talk, request, judgement);
    case "block":
      unasked(talk);
      return refuse(talk, request.type, refusal(judgement.command, judgement.verdict));
  }
}

function run(talk: Conversation, request: Request, judgement: Judgement): Done {
  // What runs under an approval waits whatever it is: `approval.used` must be durable before it is forwarded.
  const early = judgement.approved === null && mayRunBeforeRecord(talk, judgement.command.reading);
  const waits = early ? null : talk.durable(judgement.ticket);
  if (waits !== null) return waits.then(() => started(talk, request, judgement));
  return start(talk, request, judgement);
}

function started(talk: Conversation, request: Request, judgement: Judgement): Done {
  return isStopped(talk, request, judgement) ? undefined : start(talk, request, judgement);
}

/** After a wait, which may have been long: what was placed or tagged meanwhile stops it. */
function isStopped(talk: Conversation, request: Request, judgement: Judgement): boolean {
  if (isSkipped(talk, judgement)) return true;
  const refused = talk.gate.mayStart(talk.session, judgement);
  if (refused === null) return false;
  unasked(talk);
  unrun(talk, new Run(judgement, talk.parts.now()), "42501");
  refuse(talk, request.type, refusal(judgement.command, refused));
  return true;
}

/**
 * What came before it in its batch has failed while it waited here: the target skips to Sync, and would not answer it. Or the
 * session has ended meanwhile.
 */
function isSkipped(talk: Conversation, judgement: Judgement): boolean {
  if (!talk.replies.skipping && !talk.over) return false;
  unasked(talk);
  const { ruling } = judgement.verdict;
  const code = talk.over ? endedCode : skippedCode;
  if (ruling === "allow" || ruling === "mask") unrun(talk, new Run(judgement, talk.parts.now()), code);
  judgement.held?.giveUp();
  return true;
}

/** in_failed_sql_transaction: what the target says of such commands where it says anything. */
const skippedCode = "25P02";
/** admin_shutdown, as clients read it. */
const endedCode = "57P01";

function start(talk: Conversation, request: Request, judgement: Judgement): Done {
  const wait = talk.party.mayDefine(judgement.command.reading);
  return wait === null
    ? forward(talk, request, judgement)
    : wait.then((free) => {
        if (!free) return undefinable(talk, request, judgement);
        return isStopped(talk, request, judgement) ? undefined : forward(talk, request, judgement);
      });
}

function forward(talk: Conversation, request: Request, judgement: Judgement): Done {
  const run = new Run(judgement, talk.parts.now());
  run.shown = ShownRows.of(talk.gate.content, talk.session, judgement.command, talk.parts.tagsOf);
  const done = request.forward(run);
  if (done instanceof Promise) return done.finally(() => unasked(talk));
  unasked(talk);
}

/** Nothing is between its reading and the target any more. */
function unasked(talk: Conversation): void {
  talk.asking = null;
  talk.party.stir();
}

/** Judged and recorded, but another session uses what it would define. */
function undefinable(talk: Conversation, request: Request, judgement: Judgement): void {
  if (isSkipped(talk, judgement)) return;
  unasked(talk);
  unrun(talk, new Run(judgement, talk.parts.now()), "55P03");
  refuse(talk, request.type, inUseError());
}

/** It never runs: nothing was shown, nothing lasts. */
export function unrun(talk: Conversation, run: Run, code: string): void {
  run.neverRan(code);
  const nothing = { undone: [run.judgement.command.id], lasted: [] };
  talk.gate.finished(talk.session, run.judgement, run.outcome(talk.parts.now(), nothing, "known"));
}

export function mayRunBeforeRecord(talk: Conversation, reading: Reading): boolean {
  const { kind } = reading.transaction;
  if (reading.opaque !== null || kind === "commit" || kind === "prepare") return false;
  if (kind !== "none") return reading.effects.length === 0;
  if (!reading.undoable) return false;
  if (reading.effects.every((effect) => effect.operation === "read")) return true;
  return talk.transaction.status === "T" && !talk.replies.some(mayEndTransaction);
}

function mayEndTransaction({ run }: Reply): boolean {
  if (run === undefined) return false;
  const { opaque, transaction } = run.judgement.command.reading;
  return opaque !== null || ["commit", "rollback", "prepare"].includes(transaction.kind);
}

async function hold(talk: Conversation, request: Request, judgement: Judgement): Promise<void> {
  const { command, verdict, held } = judgement;
  if (held === null || held.mode === "retry") {
    const hint = held === null ? refusalHint(verdict) : heldHint(verdict, held);
    return refuse(talk, request.type, refusedError(command.id, verdict, hint));
  }
  const answer = await answered(talk, judgement);
  if (isSkipped(talk, judgement)) return;
  if (answer !== "approved") return unapproved(talk, request, judgement, answer);
  // Read anew with what the names resolve to now: a difference voids the approval, and it is held again.
  // (Not where our own uncommitted definitions hold locks that the catalog's reader would wait for: that is opaque.)
  if (!talk.names.defining) await talk.refresh(true);
  if (isSkipped(talk, judgement)) return; // the approval is not used up
  const reading = request.read();
  const wait = talk.party.mayRead(reading);
  if (wait === null) return judge(talk, request, command.id, reading);
  return (await wait) ? readAgain(talk, request) : defined(talk, request);
}

function unapproved(talk: Conversation, request: Request, judgement: Judgement, answer: Answer): void {
  const { command, verdict, held } = judgement;
  // Nobody hears it, but the target must: what was sent behind it in its transaction must not last without it.
  if (answer === "cancelled" || answer === "gone") {
    refuse(talk, request.type, cancelledError(command.id));
    return;
  }
  // The connection waits no longer; the approval may still be open, and then covers the same command once.
  const expired = answer === "expired" && held !== null;
  const sentence = `${expired ? "Nobody answered in time" : "Refused by an approver"}: ${verdict.sentence}`;
  const hint = expired ? heldHint(verdict, { ...held, mode: "retry" }) : "The approval names who answered, and why.";
  refuse(talk, request.type, refusedError(command.id, { ...verdict, sentence }, hint));
}

function refusal(command: Command, verdict: Verdict): Buffer {
  return refusedError(command.id, verdict, refusalHint(verdict));
}

/** Sends the substitute; its error will leave as `refusal`. */
export function refuse(talk: Conversation, type: number, refusal: Buffer, unnamed = false): void {
  const { bytes, kind } = substitute(type, unnamed);
  talk.replies.push({ kind, refusal });
  if (kind === "parse") {
    talk.outlet.extended(bytes);
    talk.replies.skipping = true; // it can only fail, so the target will: what follows is neither judged nor sent
  } else {
    if (kind === "query") talk.prepared.dropUnnamed();
    talk.outlet.final(bytes);
  }
}

/** Policy and blocks for Parse, Bind and Describe: their errors carry values too. @returns true when it was refused */
export function previewRefused(talk: Conversation, type: number, command: Command, unnamed = false): boolean {
  const { verdict, ticket } = talk.gate.preview(talk.session, command);
  if (verdict.ruling !== "block") return false;
  talk.outbox.require(ticket);
  refuse(talk, type, refusal(command, verdict), unnamed);
  return true;
}

/** Over `statementBytesMax`: it was never read, so it is refused. */
export function refuseLarge(talk: Conversation, type: number, bytes: number): void {
  const message = `the message of ${bytes} bytes is over this gateway's limit of ${talk.parts.bounds.statementBytesMax}`;
  refuse(talk, type, plainError("54000", message, "It was not read and never reached the target.", "Use COPY."));
}
