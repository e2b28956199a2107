/** From records to what folds read: by the step section where there is one, from the JSON otherwise. */
import type { Envelope, EventType, Role, Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { hasShape } from "../../schemas/event-shapes.ts";
import type { Entry, FoldedData } from "./entry.ts";
import type { Following, Log, LogRecord } from "./log.ts";
import { checkSayer, idStarts, type StoredRecord } from "./record.ts";
import { isStepType, type StepType } from "./step.ts";
import { type Decoded, StepDecoder } from "./step-decoder.ts";

export const subjectFields = [
  "session",
  "command",
  "identity",
  "onbehalfof",
  "account",
  "task",
  "target",
  "clientaddress",
  "grantid",
] as const satisfies readonly (keyof Subject)[];

/** What is known of a source: its role, and by type code what it was found to say rightly among the steps. */
interface Sayer {
  readonly role: Role;
  /** By the number of digits that follow. */
  readonly idStarts: readonly string[];
  readonly types: (StepType | undefined)[];
}

/** Names of sources come from the log. */
const sayersMax = 10_000;

/** Makes entries; keeps the decoder's tables, so one per reading loop. */
export class Folder {
  readonly #decoder = new StepDecoder();
  #sayers = new Map<string, Sayer>();

  /** @throws ThroughlineError `log.refused` when the source may not say this; `log.damaged` when it cannot be read */
  toEntry(record: StoredRecord): Entry {
    const { source, part } = record;
    const sayer = this.#sayers.get(source);
    const known = sayer !== undefined && part.stream === "steps" ? sayer.types[part.code] : undefined;
    if (sayer === undefined || known === undefined || part.stepAt === part.jsonAt) return this.#toEntry(record);
    const { subject, data } = this.#section(known, record);
    const digits = String(part.sequence);
    const id = `${sayer.idStarts[digits.length]}${digits}`;
    return entryOf({ type: known, id, atMs: record.atMs, source, role: sayer.role, subject, data });
  }

  #section(type: StepType, { bytes, at, part }: StoredRecord): Decoded {
    return this.#decoder.decode(type, bytes, at + part.stepAt, at + part.jsonAt);
  }

  /** The same, of what such a source was not seen to say before. */
  #toEntry(record: StoredRecord): Entry {
    const { type, role, source, atMs, part } = checkSayer(record);
    if (isStepType(type) && part.stepAt !== part.jsonAt) {
      const { subject, data } = this.#section(type, record);
      if (part.stream === "steps") this.#sayerOf(source, role).types[part.code] = type;
      return entryOf({ type, id: record.ownId, atMs, source, role, subject, data });
    }
    const { envelope } = record;
    const data = foldedData(type, envelope.data);
    return entryOf({ type, id: envelope.id, atMs, source, role, subject: subjectOf(envelope), data });
  }

  #sayerOf(source: string, role: Role): Sayer {
    const known = this.#sayers.get(source);
    if (known !== undefined) return known;
    if (this.#sayers.size >= sayersMax) this.#sayers = new Map();
    const sayer: Sayer = { role, idStarts: idStarts(source, "steps"), types: [] };
    this.#sayers.set(source, sayer);
    return sayer;
  }
}

/** Every step from the first, as a fold gets it, once it is durable; waits for the consumer. */
export function followEntries(
  log: Pick<Log, "follow">,
  deliver: (entries: readonly Entry[]) => void | Promise<void>,
): Following {
  const folder = new Folder();
  const toEntry = (record: LogRecord) => folder.toEntry(record as StoredRecord);
  return log.follow({ after: null, streams: ["steps"] }, (records) => deliver(records.map(toEntry)));
}

/** Whether a fold can read this envelope: who holds one source's key may sign anything. */
export function isReadable(envelope: Envelope): boolean {
  const isSubject = subjectFields.every(
    (field) => envelope[field] === undefined || typeof envelope[field] === "string",
  );
  return isSubject && hasShape(envelope.type, envelope.data);
}

/** Type and data belong together by the frame's type code; the type system cannot follow that through a union. */
export function entryOf(parts: Omit<Entry, "type" | "data"> & { type: EventType; data: unknown }): Entry {
  return parts as Entry;
}

/** The part of an event's data that folds read: all of it, but for decisions only the facts. */
export function foldedData<T extends EventType>(type: T, data: EventData[T]): unknown {
  if (type !== "command.decided") return data;
  const said = data as EventData["command.decided"];
  const { kind, effects, opaque, transaction, undoable, ruling, approval, intent } = said;
  const { statements, fingerprint, role, trace } = said;
  const facts: FoldedData<"command.decided"> = {
    kind,
    effects,
    opaque,
    transaction,
    undoable,
    details: {
      statements: [...new Set(statements)],
      fingerprint,
      ...(role === undefined ? {} : { role }),
      ...(trace === undefined ? {} : { trace }),
    },
    ruling,
    approval,
    intent,
  };
  return facts;
}

export function subjectOf(envelope: Envelope): Subject {
  const subject: { -readonly [K in keyof Subject]: Subject[K] } = {};
  for (const field of subjectFields) {
    const value = envelope[field];
    if (value !== undefined) subject[field] = value;
  }
  return subject;
}
