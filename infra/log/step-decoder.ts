/**
 * Reads the step section that step.ts writes, without making a text or an effect twice.
 * It trusts nothing but the frame's crc: bytes that are no section are `log.damaged`.
 */
import type { Effect, ResourceUri, TransactionControl } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Subject } from "../../schemas/event.ts";
import type {
  ApprovedChain,
  CommandDetails,
  CommandFacts,
  CommittedEffect,
  EventData,
} from "../../schemas/event-data.ts";
import { ByteReader, ByteTable, textTable } from "./bytes.ts";
import { type StepData, type StepType, stepTables } from "./step.ts";

export interface Decoded {
  readonly subject: Subject;
  readonly data: StepData;
}

/** Reads step sections; equal subjects and effects come back as the same objects, which nobody changes. */
export class StepDecoder {
  readonly #texts = textTable(1 << 13);
  readonly #subjects: ByteTable<Subject>;
  readonly #effects: ByteTable<readonly Effect[]>;
  readonly #details: ByteTable<CommandDetails>;
  readonly #from = new ByteReader(Buffer.alloc(0), 0, 0, this.#texts);

  constructor() {
    const reader = (bytes: Buffer, start: number, end: number) => new ByteReader(bytes, start, end, this.#texts);
    this.#effects = new ByteTable(1 << 12, (bytes, start, end) => readEffects(reader(bytes, start, end)));
    this.#details = new ByteTable(1 << 12, (bytes, start, end) => readDetails(reader(bytes, start, end)));
    this.#subjects = new ByteTable(1 << 12, (bytes, start, end) => readSubject(reader(bytes, start, end)));
  }

  /** @throws ThroughlineError `log.damaged` when the bytes are no section of this version */
  decode(type: StepType, bytes: Buffer, start: number, end: number): Decoded {
    const from = this.#from;
    from.open(bytes, start, end);
    try {
      const found = this.#decode(type, from);
      if (from.at !== end) throw new RangeError("the section is longer than what it says");
      return found;
    } catch (cause) {
      throw new ThroughlineError("log.damaged", `A step section of ${type} cannot be read`, cause);
    }
  }

  #decode(type: StepType, from: ByteReader): Decoded {
    const version = from.u8();
    if (version !== 1 && version !== stepTables.version) throw new RangeError("unknown version");
    const at = from.at;
    from.u8();
    from.take(u16(from));
    const fixed = this.#subjects.get(from.bytes, at, from.at);
    const subject = from.u8() === 0 ? fixed : { ...fixed, command: from.text() };
    if (type === "command.finished") return { subject, data: readFinished(from) };
    const facts = this.#facts(from, version);
    if (type === "command.intended") return { subject, data: { ...facts, commits: readCommits(from) } };
    const ruling = one(stepTables.rulings, from.u8());
    return {
      subject,
      data: Object.assign(facts, { ruling, approval: readOptional(from), intent: readOptional(from) }),
    };
  }

  #facts(from: ByteReader, version: number): CommandFacts {
    const kind = from.text();
    const opaque = readOptional(from);
    const transaction = readControl(from);
    const undoable = from.u8() === 1;
    const length = u16(from);
    const start = from.take(length);
    const effects = this.#effects.get(from.bytes, start, from.at);
    const detailed = version === 1 ? 0 : u16(from);
    if (detailed === 0) return { kind, effects, opaque, transaction, undoable };
    const at = from.take(detailed);
    const details = this.#details.get(from.bytes, at, from.at);
    return { kind, effects, opaque, transaction, undoable, details };
  }
}

function u16(from: ByteReader): number {
  return from.u8() + from.u8() * 256;
}

function one<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError("unknown number of a name");
  return value;
}

function readOptional(from: ByteReader): string | null {
  return from.u8() === 0 ? null : from.text();
}

function readSubject(from: ByteReader): Subject {
  const mask = from.u8();
  u16(from);
  const subject: { -readonly [K in keyof Subject]: Subject[K] } = {};
  stepTables.fields.forEach((field, bit) => {
    if (mask & (1 << bit)) subject[field] = from.text();
  });
  return subject;
}

function readDetails(from: ByteReader): CommandDetails {
  const [statements, fingerprint, role, trace] = [readList(from), from.text(), readOptional(from), readOptional(from)];
  return { statements, fingerprint, ...(role === null ? {} : { role }), ...(trace === null ? {} : { trace }) };
}

const noControl: TransactionControl = { kind: "none" };

function readControl(from: ByteReader): TransactionControl {
  const kind = one(stepTables.controls, from.u8());
  if (kind === "none") return noControl;
  if (kind === "savepoint" || kind === "rollback-to" || kind === "release") return { kind, name: from.text() };
  return { kind };
}

function readList(from: ByteReader): string[] {
  const length = from.varint();
  if (length === 0) return [];
  const values = [from.text()];
  for (let i = 1; i < length; i++) values.push(from.text());
  return values;
}

/** Resources were checked when they were recorded; here they are only given their type back. */
function readResources(from: ByteReader): ResourceUri[] {
  return readList(from) as ResourceUri[];
}

function readPairs(from: ByteReader): (readonly [ResourceUri, ResourceUri])[] {
  const length = from.varint();
  const pairs: (readonly [ResourceUri, ResourceUri])[] = [];
  for (let i = 0; i < length; i++) pairs.push([from.text() as ResourceUri, from.text() as ResourceUri]);
  return pairs;
}

function readEffect(from: ByteReader): Effect {
  const operation = one(stepTables.operations, from.u8());
  const flags = from.u8();
  const [reads, writes, ends] = [readResources(from), readResources(from), readResources(from)];
  const flows = flags & 2 ? { flows: readPairs(from) } : {};
  const renames = flags & 4 ? { renames: readPairs(from) } : {};
  return { operation, reads, writes, ends, destroys: (flags & 1) === 1, ...flows, ...renames };
}

function readEffects(from: ByteReader): Effect[] {
  const length = from.varint();
  const effects: Effect[] = [];
  for (let i = 0; i < length; i++) effects.push(readEffect(from));
  return effects;
}

function readCommits(from: ByteReader): CommittedEffect[] {
  const length = from.varint();
  const commits: CommittedEffect[] = [];
  for (let i = 0; i < length; i++) {
    const [command, effect] = [from.text(), readEffect(from)];
    if (from.u8() === 0) commits.push({ command, effect });
    else commits.push({ command, effect, approved: { ...readApproved(from), ...readAlso(from) } });
  }
  return commits;
}

function readApproved(from: ByteReader): ApprovedChain {
  return { rule: from.text(), before: readList(from) };
}

function readAlso(from: ByteReader): { also?: ApprovedChain[] } {
  if (from.u8() === 0) return {};
  const length = from.varint();
  const also: ApprovedChain[] = [];
  for (let i = 0; i < length; i++) also.push(readApproved(from));
  return { also };
}

function readFinished(from: ByteReader): EventData["command.finished"] {
  const outcome = one(stepTables.outcomes, from.u8());
  const shown = from.u8() === 1;
  const [rows, bytes, durationUs] = [from.varint(), from.varint(), from.varint()];
  const [tag, code] = [from.text(), readOptional(from)];
  return {
    outcome,
    rows,
    bytes,
    tag,
    code,
    durationUs,
    shown,
    undone: readList(from),
    lasted: readList(from),
  };
}
