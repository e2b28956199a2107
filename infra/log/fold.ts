/** From records to what folds read: by the step section where there is one, from the JSON otherwise. */
import type { Envelope, EventType, Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { hasShape } from "../../schemas/event-shapes.ts";
import type { Entry, FoldedData } from "./entry.ts";
import { checkSayer, type StoredRecord } from "./record.ts";
import { isStepType } from "./step.ts";
import { StepDecoder } from "./step-decoder.ts";

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

/** Makes entries; keeps the decoder's tables, so one per reading loop. */
export class Folder {
  readonly #decoder = new StepDecoder();

  /** @throws ThroughlineError `log.refused` when the source may not say this; `log.damaged` when it cannot be read */
  toEntry(record: StoredRecord): Entry {
    const { type, role, source, atMs, part } = checkSayer(record);
    if (isStepType(type) && part.stepAt !== part.jsonAt) {
      const { subject, data } = this.#decoder.decode(type, record.frame, part.stepAt, part.jsonAt);
      return entryOf({ type, id: record.ownId, atMs, source, role, subject, data });
    }
    const { envelope } = record;
    const data = foldedData(type, envelope.data);
    return entryOf({ type, id: envelope.id, atMs, source, role, subject: subjectOf(envelope), data });
  }
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
