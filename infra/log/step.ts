/**
 * The step section: what a fold reads of `command.intended`, `command.decided` and `command.finished`, without JSON.
 *
 *   02                     version
 *   fb 5a 00 …             mask of subject fields, u16 bytes, the fields' texts (all but the command; the same for a session)
 *   1f 43 …                the command's text, when the mask's second byte says so
 *   then for intended and decided: kind, opaque, transaction, undoable, u16 bytes + effects, u16 bytes + details (none in
 *   version 1); and their own members
 *
 * Texts are varint length ‖ UTF-8, numbers varints, optional texts 0 or 1 ‖ text. Subject and effects are blocks, so that
 * equal ones are decoded once (step-decoder.ts). A section says nothing that the JSON does not; where a value has no form
 * here (a lone surrogate, a block over 64 KiB), there is no section and the JSON is folded.
 */
import type { Effect, Operation, TransactionControl } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import type {
  ApprovedChain,
  CommandDetails,
  CommandFacts,
  CommittedEffect,
  EventData,
} from "../../schemas/event-data.ts";
import type { Ruling } from "../../schemas/verdict.ts";
import { ByteWriter } from "./bytes.ts";
import type { DecidedFacts, FoldedData } from "./entry.ts";

export type StepType = "command.intended" | "command.decided" | "command.finished";
export type StepData = FoldedData<StepType>;

export function isStepType(type: string): type is StepType {
  return type === "command.decided" || type === "command.finished" || type === "command.intended";
}

/** The order of every table is the format: add at the end, whatever the schemas' order is. */
export const stepTables = {
  version: 2,
  fields: ["session", "identity", "onbehalfof", "account", "task", "target", "clientaddress", "grantid"],
  controls: ["none", "begin", "commit", "rollback", "savepoint", "rollback-to", "release", "prepare"],
  outcomes: ["ok", "error", "unknown"],
  rulings: ["allow", "mask", "hold", "block"],
  operations: ["read", "write", "transform", "delete", "define", "grant", "execute", "transfer", "connect"],
} as const satisfies {
  version: number;
  fields: readonly (keyof Subject)[];
  controls: readonly TransactionControl["kind"][];
  outcomes: readonly EventData["command.finished"]["outcome"][];
  rulings: readonly Ruling[];
  operations: readonly Operation[];
};
const blockBytesMax = 0xffff;
const noBlock = Buffer.alloc(2);

interface KnownSubject {
  readonly of: Subject;
  readonly block: Buffer;
}

/** Writes step sections; remembers the blocks of sessions and readings that it wrote before. */
export class StepEncoder {
  readonly #scratch = new ByteWriter(4096);
  #subjects = new Map<string, KnownSubject>();
  readonly #effects = new WeakMap<readonly Effect[], Buffer>();
  readonly #details = new WeakMap<CommandDetails, Buffer>();

  /** Appends the section to `to`. @returns false, with `to` as it was, when these values have no section */
  encode(to: ByteWriter, type: StepType, subject: Subject, data: StepData): boolean {
    const start = to.used;
    to.broken = false;
    to.u8(stepTables.version);
    this.#subject(to, subject);
    if (type === "command.finished") writeFinished(to, data as FoldedData<"command.finished">);
    else {
      const facts = data as CommandFacts;
      this.#facts(to, facts);
      if (type === "command.decided") writeDecided(to, data as DecidedFacts);
      else writeCommits(to, (data as FoldedData<"command.intended">).commits);
    }
    if (!to.broken) return true;
    to.used = start;
    return false;
  }

  #subject(to: ByteWriter, subject: Subject): void {
    const known = this.#subjects.get(subject.session ?? "");
    to.copy(known !== undefined && sameSession(known.of, subject) ? known.block : this.#newSubject(to, subject));
    to.u8(subject.command === undefined ? 0 : 1);
    if (subject.command !== undefined) to.text(subject.command);
  }

  #newSubject(to: ByteWriter, subject: Subject): Buffer {
    const block = this.#block(to, (scratch) => {
      for (const field of stepTables.fields) {
        const value = subject[field];
        if (value !== undefined) scratch.text(value);
      }
    });
    let mask = 0;
    stepTables.fields.forEach((field, bit) => {
      if (subject[field] !== undefined) mask |= 1 << bit;
    });
    const bytes = Buffer.concat([Buffer.of(mask), block]);
    if (this.#subjects.size >= 10_000) this.#subjects = new Map();
    if (!to.broken) this.#subjects.set(subject.session ?? "", { of: subject, block: bytes });
    return bytes;
  }

  #facts(to: ByteWriter, facts: CommandFacts): void {
    to.text(facts.kind);
    writeOptional(to, facts.opaque);
    writeControl(to, facts.transaction);
    to.u8(facts.undoable ? 1 : 0);
    let block = this.#effects.get(facts.effects);
    if (block === undefined) {
      block = this.#block(to, (scratch) => {
        scratch.varint(facts.effects.length);
        for (const effect of facts.effects) writeEffect(scratch, effect);
      });
      if (!to.broken) this.#effects.set(facts.effects, block);
    }
    to.copy(block);
    this.#detailsOf(to, facts.details);
  }

  #detailsOf(to: ByteWriter, details: CommandDetails | undefined): void {
    if (details === undefined) {
      to.copy(noBlock);
      return;
    }
    let block = this.#details.get(details);
    if (block === undefined) {
      block = this.#block(to, (scratch) => writeDetails(scratch, details));
      if (!to.broken) this.#details.set(details, block);
    }
    to.copy(block);
  }

  /** What `write` wrote, behind its u16 length; marks `to` as broken when that has no form. */
  #block(to: ByteWriter, write: (scratch: ByteWriter) => void): Buffer {
    const scratch = this.#scratch;
    scratch.used = 2;
    scratch.broken = false;
    write(scratch);
    if (scratch.broken || scratch.used - 2 > blockBytesMax) {
      to.broken = true;
      return Buffer.alloc(0);
    }
    scratch.bytes.writeUInt16LE(scratch.used - 2, 0);
    return Buffer.from(scratch.taken());
  }
}

function writeDetails(to: ByteWriter, { statements, fingerprint, role, trace }: CommandDetails): void {
  writeList(to, statements);
  to.text(fingerprint);
  writeOptional(to, role ?? null);
  writeOptional(to, trace ?? null);
}

function sameSession(a: Subject, b: Subject): boolean {
  return (
    a.identity === b.identity &&
    a.onbehalfof === b.onbehalfof &&
    a.account === b.account &&
    a.task === b.task &&
    a.target === b.target &&
    a.clientaddress === b.clientaddress &&
    a.grantid === b.grantid &&
    a.session === b.session
  );
}

/** A name that the table does not have yet has no form: the JSON is folded. */
function writeOne<T>(to: ByteWriter, table: readonly T[], value: T): void {
  const index = table.indexOf(value);
  if (index < 0) to.broken = true;
  to.u8(index);
}

function writeOptional(to: ByteWriter, value: string | null): void {
  to.u8(value === null ? 0 : 1);
  if (value !== null) to.text(value);
}

function writeControl(to: ByteWriter, control: TransactionControl): void {
  writeOne(to, stepTables.controls, control.kind);
  if ("name" in control) to.text(control.name);
}

function writeList(to: ByteWriter, values: readonly string[]): void {
  to.varint(values.length);
  for (const value of values) to.text(value);
}

function writePairs(to: ByteWriter, pairs: readonly (readonly [string, string])[] | undefined): void {
  if (pairs === undefined) return;
  to.varint(pairs.length);
  for (const [from, into] of pairs) {
    to.text(from);
    to.text(into);
  }
}

function writeEffect(to: ByteWriter, effect: Effect): void {
  writeOne(to, stepTables.operations, effect.operation);
  to.u8((effect.destroys ? 1 : 0) | (effect.flows ? 2 : 0) | (effect.renames ? 4 : 0));
  writeList(to, effect.reads);
  writeList(to, effect.writes);
  writeList(to, effect.ends);
  writePairs(to, effect.flows);
  writePairs(to, effect.renames);
}

function writeDecided(to: ByteWriter, data: DecidedFacts): void {
  writeOne(to, stepTables.rulings, data.ruling);
  writeOptional(to, data.approval);
  writeOptional(to, data.intent);
}

function writeCommits(to: ByteWriter, commits: readonly CommittedEffect[]): void {
  to.varint(commits.length);
  for (const { command, effect, approved } of commits) {
    to.text(command);
    writeEffect(to, effect);
    to.u8(approved === undefined ? 0 : 1);
    if (approved === undefined) continue;
    writeApproved(to, approved);
    to.u8(approved.also === undefined ? 0 : 1);
    if (approved.also === undefined) continue;
    to.varint(approved.also.length);
    for (const chain of approved.also) writeApproved(to, chain);
  }
}

function writeApproved(to: ByteWriter, chain: ApprovedChain): void {
  to.text(chain.rule);
  writeList(to, chain.before);
}

function writeCount(to: ByteWriter, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0)) to.broken = true;
  else to.varint(value);
}

function writeFinished(to: ByteWriter, data: EventData["command.finished"]): void {
  writeOne(to, stepTables.outcomes, data.outcome);
  to.u8(data.shown ? 1 : 0);
  writeCount(to, data.rows);
  writeCount(to, data.bytes);
  writeCount(to, data.durationUs);
  to.text(data.tag);
  writeOptional(to, data.code);
  writeList(to, data.undone);
  writeList(to, data.lasted);
}
