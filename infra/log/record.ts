/**
 * A record as it stands in the log, read from its frame on demand: nothing is parsed that nobody asks for.
 * Readers refuse a type that the source's role may not say, and an envelope that says another source, type or sequence
 * than its frame: whoever could write the folder still cannot make a projector's record into an approval.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import {
  type Envelope,
  type EventId,
  type EventType,
  maySay,
  mayStand,
  type Role,
  type Stream,
} from "../../schemas/event.ts";
import type { ByteTable } from "./bytes.ts";
import { framePosition, frameSynced, type Part, readPart, writerBytes } from "./frame.ts";
import type { LogRecord, Position } from "./log.ts";
import { positionOf } from "./position.ts";
import { roleOf } from "./sources.ts";
import { typeOf } from "./type-code.ts";

export class StoredRecord implements LogRecord {
  /** The block that it stands in, from `at` on. */
  readonly bytes: Buffer;
  readonly at: number;
  /** Offsets in its own frame. */
  readonly part: Part;
  readonly source: string;
  #frame: Buffer | null = null;
  #envelope: Envelope | null = null;

  /** @param at where in the bytes its frame begins */
  constructor(bytes: Buffer, part: Part, source: string, at = 0) {
    this.bytes = bytes;
    this.at = at;
    this.part = part;
    this.source = source;
  }

  /** The exact bytes, as the writer wrote them. */
  get frame(): Buffer {
    this.#frame ??= this.bytes.subarray(this.at, this.at + this.part.end);
    return this.#frame;
  }

  get number(): number {
    return framePosition(this.bytes, this.at);
  }

  get position(): Position {
    return positionOf(this.number);
  }

  get synced(): number {
    return frameSynced(this.bytes, this.at);
  }

  get flags(): number {
    return this.bytes[this.at + 9] ?? 0;
  }

  get atMs(): number {
    return this.bytes.readUIntLE(this.at + 22, 6);
  }

  get stream(): Stream {
    return this.part.stream;
  }

  get sequence(): number {
    return this.part.sequence;
  }

  /** @throws ThroughlineError `log.refused` for a type that this version does not know */
  get type(): EventType {
    const type = typeOf(this.part.code);
    if (type === null) throw this.refusal(`has type ${this.part.code}, which this version does not know`);
    return type;
  }

  /** @throws ThroughlineError `log.refused` for a source without a known role */
  get role(): Role {
    const role = roleOf(this.source);
    if (role === null) throw this.refusal("has no known role");
    return role;
  }

  /** `<source>/<s|e>/<sequence>`: the event's id unless its envelope brings another. */
  get ownId(): EventId {
    return eventId(this.source, this.stream, this.sequence);
  }

  get json(): Uint8Array {
    return this.frame.subarray(this.part.jsonAt, this.part.end);
  }

  get step(): Uint8Array | null {
    const { stepAt, jsonAt } = this.part;
    return jsonAt === stepAt ? null : this.frame.subarray(stepAt, jsonAt);
  }

  /** What the source said and its chain hashes. */
  get said(): Uint8Array {
    return this.frame.subarray(writerBytes);
  }

  get envelope(): Envelope {
    this.#envelope ??= this.#parse();
    return this.#envelope;
  }

  #parse(): Envelope {
    const envelope = parseEnvelope(this.frame.toString("utf8", this.part.jsonAt, this.part.end));
    const idHolds = envelope.id === this.ownId || mayBeId(this.role, envelope.id);
    if (!idHolds || !envelopeMatches(envelope, this))
      throw this.refusal("carries an envelope that says something else");
    return envelope;
  }

  refusal(why: string): ThroughlineError {
    const place = `position ${this.number}, ${this.source}, ${this.stream} ${this.sequence}`;
    return new ThroughlineError("log.refused", `The record at ${place} ${why}`);
  }
}

export function eventId(source: string, stream: Stream, sequence: number): EventId {
  return `${idStart(source, stream)}${paddedSequence(sequence)}` as EventId;
}

function idStart(source: string, stream: Stream): string {
  return `${source}/${stream === "steps" ? "s" : "e"}/`;
}

/** By the number of digits of a sequence: what stands before them in the ids of a source. */
export function idStarts(source: string, stream: Stream): readonly string[] {
  return Array.from(
    { length: sequenceDigits + 1 },
    (_, digits) => idStart(source, stream) + "0".repeat(sequenceDigits - digits),
  );
}

/**
 * Whether an event of this role may bring this id: only the correlator's outputs do, and theirs are hashes. Readers drop
 * a second event of the same id, so a free choice would let one source erase another's event from the store.
 */
export function mayBeId(role: Role, id: string): boolean {
  return role === "correlator" && /^[0-9a-f]{16,64}$/.test(id);
}

const sequenceDigits = 16;

export function paddedSequence(sequence: number): string {
  return String(sequence).padStart(sequenceDigits, "0");
}

/** Reads the whole, crc-checked frame at `at`. @throws ThroughlineError `log.damaged` when it has no form */
export function readRecord(bytes: Buffer, at: number, length: number, texts: ByteTable<string>): StoredRecord {
  const part = readPart(bytes, at + writerBytes, at + length, at);
  if (part === null || part.end !== length)
    throw new ThroughlineError("log.damaged", `The record at position ${framePosition(bytes, at)} has no known form`);
  return new StoredRecord(bytes, part, texts.get(bytes, at + part.sourceAt, at + part.stepAt), at);
}

/** @throws ThroughlineError `log.refused` when the role of the record's source may not say its type in that stream */
export function checkSayer(record: StoredRecord): StoredRecord {
  const { type, role } = record;
  if (!maySay(role, type) || !mayStand(type, record.stream))
    throw record.refusal(`says ${type}, which the role ${role} may not`);
  return record;
}

/** The exact bytes of a record that came from a log of this product. @throws ThroughlineError `internal.bug` */
export function storedRecord(record: LogRecord): StoredRecord {
  if (record instanceof StoredRecord) return record;
  throw new ThroughlineError("internal.bug", "A record that no log gave has no bytes");
}

/** Whether an envelope says what its frame says; everything a reader might take from either must agree. */
export function envelopeMatches(
  envelope: Envelope,
  frame: { readonly source: string; readonly type: string; readonly stream: string; readonly sequence: number },
): boolean {
  return (
    envelope.source === frame.source &&
    envelope.type === frame.type &&
    envelope.stream === frame.stream &&
    envelope.sequence === paddedSequence(frame.sequence)
  );
}

/** @throws ThroughlineError `log.damaged` when it is no JSON object */
export function parseEnvelope(text: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ThroughlineError("log.damaged", "An envelope is not JSON", cause);
  }
  if (typeof value !== "object" || value === null || !("data" in value) || !("id" in value))
    throw new ThroughlineError("log.damaged", "An envelope lacks id or data");
  // Its members were made by an appender of this product; source, type, stream and sequence are checked by the caller.
  return value as Envelope;
}
