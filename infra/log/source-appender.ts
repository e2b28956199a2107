/**
 * One source's way in, the same for the embedded log and for the socket: checks the role, writes the envelope's second
 * half, counts tickets. Where the record then goes is the outlet's business.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import { catalogue, type EventType, maySay, type Role, type Stream, type Subject } from "../../schemas/event.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { foldedData, subjectFields } from "./fold.ts";
import type { Lane, Saying } from "./lane.ts";
import type { Appender, Draft, RawDraft, Ticket } from "./log.ts";
import { mayBeId } from "./record.ts";
import { Tickets } from "./tickets.ts";

/** Both streams of one source. */
export interface Lanes {
  readonly steps: Lane;
  readonly events: Lane;
}

export class SourceAppender implements Appender {
  readonly source: string;
  readonly role: Role;
  readonly lanes: Lanes;
  readonly tickets = new Tickets();
  readonly #outlet: (lane: Lane, saying: Saying) => void;

  /** @param outlet throws when it cannot take the record, and then nothing was said */
  constructor(source: string, role: Role, lanes: Lanes, outlet: (lane: Lane, saying: Saying) => void) {
    this.source = source;
    this.role = role;
    this.lanes = lanes;
    this.#outlet = outlet;
  }

  append<T extends EventType>(draft: Draft<T>): Ticket {
    const { type, subject, data, id } = draft;
    return this.#say({ type, subject, folded: foldedData(type, data), id, rest: restOf(type, subject, data) });
  }

  appendRaw(draft: RawDraft): Ticket {
    const { type, subject, data, rest } = draft;
    return this.#say({ type, subject, folded: data, id: undefined, rest });
  }

  #say(saying: Saying): Ticket {
    if (!maySay(this.role, saying.type))
      throw new ThroughlineError("log.refused", `The role ${this.role} may not say ${saying.type}`);
    if (saying.id !== undefined && !mayBeId(this.role, saying.id))
      throw new ThroughlineError("log.refused", `The role ${this.role} may not choose the id of ${saying.type}`);
    // Before the outlet: a fold may append again from inside it, and that comes after.
    const ticket = ++this.tickets.last;
    this.#outlet(this.lanes[catalogue[saying.type].stream], saying);
    return ticket;
  }

  nextId(stream: Stream): string {
    return this.lanes[stream].nextId;
  }

  get durable(): Ticket {
    return this.tickets.durable;
  }

  onDurable(listener: (durable: Ticket) => void): () => void {
    return this.tickets.onDurable(listener);
  }

  synced(ticket: Ticket): Promise<void> {
    return this.tickets.synced(ticket);
  }
}

/** The envelope from `,"type":` on; only known subject fields, so that no member can be said twice. */
export function restOf<T extends EventType>(type: T, subject: Subject, data: EventData[T]): string {
  const members: Record<string, unknown> = { type };
  for (const field of subjectFields) if (subject[field] !== undefined) members[field] = subject[field];
  members.data = data;
  return `,${JSON.stringify(members).slice(1)}`;
}
