/**
 * Reads what the target says, matches each message with what was asked, and puts what the client may see into the outbox.
 *
 * Rows and COPY data hop by as pieces of the chunk they came in; an object is made only for the messages between.
 * What the gateway asked itself stays here, what it refused is answered in its own words, what may carry values is
 * scrubbed, masked rows are re-framed. A message that fits nothing that was asked ends the session: then we no longer
 * know what the target does, and cannot vouch for what we forward.
 */
import type { Reading } from "../../../schemas/command.ts";
import { ThroughlineError } from "../../../schemas/errors.ts";
import type { Gate } from "../gate.ts";
import type { Session } from "../session.ts";
import type { Party } from "./definitions.ts";
import { Scanner, targetTypes as types } from "./frames.ts";
import type { Masking } from "./masking.ts";
import { readString, reportFields } from "./messages.ts";
import type { Names } from "./names.ts";
import type { Prepared } from "./prepared.ts";
import type { Replies, Reply } from "./replies.ts";
import { Reports } from "./reports.ts";
import { maskRow, readColumns } from "./rows.ts";
import type { Run } from "./run.ts";
import { scrubbed, withoutPayload } from "./scrub.ts";
import type { ShownRows } from "./shown-rows.ts";
import type { Status, Transaction } from "./transaction.ts";
import type { Outbox } from "./withhold.ts";

export interface TargetSideParts {
  readonly session: Session;
  readonly gate: Gate;
  readonly now: () => number;
  readonly outbox: Outbox;
  readonly replies: Replies;
  readonly transaction: Transaction;
  readonly prepared: Prepared;
  readonly names: Names;
  readonly masking: Masking;
  readonly party: Party;
  readonly parameters: Map<string, string>;
}

export class TargetSide {
  readonly #parts: TargetSideParts;
  readonly #scanner = new Scanner("target");
  #wholeRows = false;
  readonly #reports: Reports;
  /** The target said that it ends the connection. */
  fatal: string | null = null;
  bytes = 0;
  /** What was put into the outbox ends where a message ends: another one may follow. */
  betweenMessages = true;

  constructor(parts: TargetSideParts) {
    this.#parts = parts;
    this.#reports = new Reports(parts);
  }

  /** @throws ThroughlineError when the target says what nobody asked: the session must end */
  take(chunk: Buffer): void {
    const scanner = this.#scanner;
    this.bytes += chunk.length;
    scanner.feed(chunk);
    this.attend();
    while (scanner.next()) {
      if (scanner.type === types.DataRow || scanner.type === types.CopyData) this.#stream();
      else this.#message();
    }
    this.#parts.replies.head?.run?.shown?.say(false);
    this.#parts.outbox.release();
    this.#parts.party.stir();
  }

  /** Rows of the head are needed whole when they are ours or masked. Call when the head may have changed. */
  attend(): void {
    const head = this.#parts.replies.head;
    const whole =
      head !== undefined && (head.asked !== undefined || (head.run?.plan ?? head.run?.shown ?? null) !== null);
    if (whole === this.#wholeRows) return;
    this.#wholeRows = whole;
    this.#scanner.deliver(types.DataRow, whole ? "whole" : "stream");
  }

  #stream(): void {
    const { type, bytes, start, end, count, whole, last } = this.#scanner;
    const head = this.#parts.replies.head;
    const run = head?.run;
    if (head?.asked !== undefined && whole) {
      head.asked.row(bytes.subarray(start, end));
      return;
    }
    if (run === undefined) throw unexpected(type);
    this.#mustHold(run);
    run.bytes += end - start;
    if (type === types.DataRow) run.rows += count;
    if (!run.maskKnown || (type === types.CopyData && run.masks)) throw unmaskable();
    if (run.shown !== null) this.#remember(run, run.shown);
    if (run.plan === null) {
      this.#parts.outbox.add(bytes, start, end);
      this.betweenMessages = last;
    } else if (!whole) throw unmaskable();
    else this.#parts.outbox.add(maskRow(bytes, start, end, run.plan));
  }

  /** A row that is too large to be had whole is not looked at. */
  #remember({ statement, plan }: Run, shown: ShownRows): void {
    const { type, bytes, start, end, whole } = this.#scanner;
    if (type === types.CopyData) shown.copy(bytes, start, end);
    else if (whole) shown.row(bytes, start, end, statement, plan);
  }

  /** @throws ThroughlineError `result.outdated` */
  #mustHold({ judgement }: Run): void {
    if (this.#parts.gate.mayShow(this.#parts.session, judgement)) return;
    throw new ThroughlineError(
      "result.outdated",
      "what is protected changed while this ran, or may have changed unseen: nothing more of it is shown, and the session ends",
    );
  }

  #message(): void {
    const { type, bytes, start, end, whole } = this.#scanner;
    if (!whole) throw new ThroughlineError("frame.too_large", "a message of the target is over its limit");
    switch (type) {
      case types.NoticeResponse:
        this.#pass(this.#mayTell(this.#current()) ? null : scrubbed(bytes.subarray(start, end)));
        return;
      case types.NotificationResponse:
        this.#pass(this.#mayTell(this.#anything()) ? null : withoutPayload(bytes.subarray(start, end)));
        return;
      case types.ParameterStatus:
        this.#parameter(bytes.subarray(start, end));
        return;
      case types.ErrorResponse:
        this.#error(bytes.subarray(start, end));
        return;
      default: {
        const head = this.#parts.replies.head;
        if (head === undefined) throw unexpected(type);
        this.#answer(type, head);
        this.attend();
      }
    }
  }

  /** Sends the frame at hand, or something in its place. */
  #pass(instead: Buffer | null = null): void {
    const { bytes, start, end } = this.#scanner;
    if (instead === null) this.#parts.outbox.add(bytes, start, end);
    else this.#parts.outbox.add(instead);
  }

  #answer(type: number, head: Reply): void {
    const { start, end } = this.#scanner;
    if (head.run !== undefined) head.run.bytes += end - start;
    if (type === types.CommandComplete && head.run !== undefined) this.#mustHold(head.run);
    if (type === types.ReadyForQuery) {
      this.#ready(head);
      return;
    }
    if (head.refusal !== undefined) throw unexpected(type); // a substitute can only fail
    if (type === types.RowDescription || type === types.NoData) this.#describe(type, head);
    this.#fitting(type, head);
    if (head.asked === undefined) this.#pass();
  }

  /** @throws ThroughlineError when it answers something else than what was asked */
  #fitting(type: number, head: Reply): void {
    switch (head.kind) {
      case "query":
        this.#queryAnswer(type, head);
        return;
      case "execute":
        this.#executeAnswer(type, head);
        return;
      case "describe":
        if (type === types.ParameterDescription) return;
        this.#done(type, type === types.RowDescription || type === types.NoData, head);
        return;
      case "parse":
        if (head.asked !== undefined) head.asked.begin();
        this.#done(type, type === types.ParseComplete, head);
        return;
      case "bind":
        this.#done(type, type === types.BindComplete, head);
        return;
      case "close":
        this.#done(type, type === types.CloseComplete, head);
        return;
      case "function":
        if (type !== types.FunctionCallResponse) throw unexpected(type);
        if (head.run !== undefined) head.run.rows += 1;
        return;
      default:
        throw unexpected(type);
    }
  }

  #done(type: number, fits: boolean, head: Reply): void {
    if (!fits) throw unexpected(type);
    this.#parts.replies.shift();
    if (head.kind === "describe" && head.asked !== undefined) head.asked.finish();
    if (head.kind === "close" && head.asked !== undefined && !this.#parts.replies.some((r) => r.asked === head.asked)) {
      head.asked.finish();
    }
  }

  #queryAnswer(type: number, head: Reply): void {
    const run = head.run;
    if (run === undefined) throw unexpected(type);
    if (type === types.CommandComplete) {
      this.#tagged(run);
      run.nextStatement();
    } else if (type === types.CopyInResponse) run.copying = true;
    else if (!queryMay.includes(type)) throw unexpected(type);
  }

  #executeAnswer(type: number, head: Reply): void {
    const run = head.run;
    if (type === types.CommandComplete || type === types.EmptyQueryResponse || type === types.PortalSuspended) {
      this.#parts.replies.shift();
      if (run === undefined) return;
      if (type === types.CommandComplete) this.#tagged(run);
      if (type === types.PortalSuspended) run.tag = "PORTAL SUSPENDED";
      this.#completed(run);
    } else if (type === types.CopyInResponse && run !== undefined) {
      run.copying = true;
      this.#parts.replies.copying();
    } else if (!executeMay.includes(type)) throw unexpected(type);
  }

  #tagged(run: Run): void {
    const { bytes, start, end } = this.#scanner;
    run.tag = bytes.toString("latin1", start + 5, end - 1);
  }

  #completed(run: Run): void {
    const step = run.step();
    this.#parts.party.ran(run.judgement.command.reading);
    this.#reports.ran(run, this.#parts.transaction.ran(step, run.tag));
    for (const copy of run.copies) {
      Object.assign(copy, { rows: run.rows, tag: run.tag });
      this.#reports.ran(copy, this.#parts.transaction.ran(copy.step(), run.tag));
    }
    if (step.control.kind === "commit" || step.control.kind === "rollback") this.#parts.names.ended();
  }

  #describe(type: number, head: Reply): void {
    const { bytes, start, end } = this.#scanner;
    const columns = type === types.NoData ? [] : readColumns(bytes.subarray(start, end));
    if (head.described !== undefined) head.described.columns = columns;
    const run = head.run;
    if (run === undefined || head.kind !== "query") return;
    if (run.shown !== null) run.shown.columns = columns;
    const { verdict, command } = run.judgement;
    if (verdict.masks.length === 0) return;
    const answer = this.#parts.masking.plan(columns, verdict.masks, command.reading.outputs[run.statement]);
    run.mask(answer.plan);
  }

  #ready(head: Reply): void {
    const status = String.fromCharCode(this.#scanner.bytes[this.#scanner.end - 1]!) as Status;
    if (head.kind !== "sync" && head.kind !== "query" && head.kind !== "function")
      throw unexpected(types.ReadyForQuery);
    const { transaction, replies, names, prepared } = this.#parts;
    if (head.kind !== "sync" && head.run !== undefined) this.#completedOrFailed(head.run);
    if (head.asked === undefined) this.#pass();
    this.#reports.settle(transaction.ready(status));
    if (status === "I" && head.asked === undefined) {
      names.ended();
      prepared.endTransaction();
    }
    this.#reports.finish();
    if (head.asked !== undefined) head.asked.finish();
    replies.shift();
    if (status === "I") this.#parts.party.settled();
  }

  #completedOrFailed(run: Run): void {
    if (run.code === null) this.#completed(run);
    else this.#failed(run, run.code);
  }

  #failed(run: Run, code: string): void {
    for (const one of [run, ...run.copies]) {
      one.code = code;
      this.#reports.ran(one, this.#parts.transaction.failed(one.step()));
    }
  }

  #error(message: Buffer): void {
    const fields = reportFields(message);
    const code = fields.get("C") ?? "";
    const severity = fields.get("V") ?? fields.get("S") ?? "";
    if (severity === "FATAL" || severity === "PANIC") {
      this.fatal = `the target ended the session (${code})`;
      this.#pass(this.#mayTell(this.#current()) ? null : scrubbed(message));
      return;
    }
    const { replies } = this.#parts;
    const head = replies.head;
    if (head === undefined) throw unexpected(types.ErrorResponse);
    this.#leaveError(head, message);
    if (head.kind === "sync") this.#parts.transaction.broken();
    else if (head.kind === "query" || head.kind === "function") this.#failedQuery(head, code);
    else this.#failedExtended(head, code);
    this.attend();
  }

  #failedQuery(head: Reply, code: string): void {
    head.undo?.();
    const { run } = head;
    if (run === undefined) {
      this.#parts.transaction.broken();
      return;
    }
    run.code = code;
    run.nextStatement();
  }

  #failedExtended(head: Reply, code: string): void {
    for (const reply of this.#parts.replies.fail()) {
      if (reply.asked !== undefined) reply.asked.fail();
      if (reply === head || reply.run === undefined) continue;
      this.#reports.skipped(reply.run, code);
    }
    const { run } = head;
    if (run === undefined) {
      this.#parts.transaction.broken();
      return;
    }
    this.#failed(run, code);
  }

  #leaveError(head: Reply, message: Buffer): void {
    const { gate, session, outbox } = this.#parts;
    if (head.asked !== undefined && head.kind !== "describe") return;
    const refusal = head.refusal ?? head.run?.refusal ?? null;
    if (refusal !== null) {
      outbox.add(refusal);
      return;
    }
    if (head.run === undefined && head.command !== undefined) outbox.require(gate.recordFailed(session, head.command));
    const scrub = this.#about(head).some((reading) => gate.scrubs(session, reading));
    if (head.run !== undefined && !scrub) head.run.told = true;
    this.#pass(scrub ? scrubbed(message) : null);
  }

  /** What an error answers: its command, or at Sync everything that the implicit transaction did. */
  #about(head: Reply): readonly Reading[] {
    if (head.kind === "sync") return this.#reports.readings();
    return [head.run?.judgement.command.reading ?? head.command?.reading ?? this.#anything()];
  }

  /** Whether a text that answers nothing may be seen as it is. */
  #mayTell(reading: Reading): boolean {
    return !this.#parts.gate.scrubs(this.#parts.session, reading);
  }

  /** What runs now, else anything: a notice may come from it. */
  #current(): Reading {
    const head = this.#parts.replies.head;
    return head?.run?.judgement.command.reading ?? head?.command?.reading ?? this.#anything();
  }

  #anything(): Reading {
    return this.#parts.names.opaque("a message that answers nothing", "");
  }

  #parameter(message: Buffer): void {
    const name = readString(message, 5);
    const value = readString(message, name.next);
    this.#parts.parameters.set(name.value, value.value);
    this.#pass();
  }

  /** The connection is over: what still ran has an unknown outcome, and nothing is proven undone. */
  abandon(): void {
    const left = this.#parts.replies.abandon();
    for (const reply of left) reply.asked?.fail();
    this.#reports.abandon(left.flatMap(({ run }) => (run === undefined ? [] : [run, ...run.copies])));
    this.#parts.names.ended(); // what it defined may have lasted
    this.#parts.party.close();
  }
}

const { RowDescription, EmptyQueryResponse, CopyOutResponse, CopyDone } = types;
const queryMay: readonly number[] = [RowDescription, EmptyQueryResponse, CopyOutResponse, CopyDone];
const executeMay: readonly number[] = [CopyOutResponse, CopyDone];

function unexpected(type: number): ThroughlineError {
  return new ThroughlineError("frame.malformed", `the target sent 0x${type.toString(16)}, which nothing asked for`);
}

function unmaskable(): ThroughlineError {
  return new ThroughlineError("frame.too_large", "a result that must be masked cannot be read");
}
