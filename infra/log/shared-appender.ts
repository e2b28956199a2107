/** A way in whose records count as durable when the shared log has them: for approvals, grants, links, blocks. */
import type { EventType, Role, Stream } from "../../schemas/event.ts";
import type { Appender, Draft, RawDraft, Ticket } from "./log.ts";
import type { Shipper } from "./shipper.ts";
import type { Lanes } from "./source-appender.ts";
import { Tickets } from "./tickets.ts";

interface Mark {
  readonly ticket: Ticket;
  readonly steps: number;
  readonly events: number;
}

export class SharedAppender implements Appender {
  readonly source: string;
  readonly role: Role;
  readonly #spool: Appender;
  readonly #lanes: Lanes;
  readonly #tickets = new Tickets();
  readonly #stop: () => void;
  /** Where the streams stood before: what an earlier run shipped, nobody acknowledges in this one. */
  readonly #before: { readonly steps: number; readonly events: number };
  #marks: Mark[] = [];

  /** @param lanes of the spool, to know which sequences a ticket stands for */
  constructor(spool: Appender, lanes: Lanes, shipper: Shipper) {
    this.source = spool.source;
    this.role = spool.role;
    this.#spool = spool;
    this.#lanes = lanes;
    this.#before = { steps: lanes.steps.sequence, events: lanes.events.sequence };
    const acknowledged = shipper.acknowledged(spool.source);
    this.#stop = shipper.onAcknowledged(() => {
      let last = 0;
      while (
        this.#marks[0] &&
        this.#marks[0].steps <= acknowledged.steps &&
        this.#marks[0].events <= acknowledged.events
      )
        last = this.#marks.shift()?.ticket ?? 0;
      if (last > 0) this.#tickets.settle(last);
    });
  }

  append<T extends EventType>(draft: Draft<T>): Ticket {
    return this.#mark(this.#spool.append(draft));
  }

  appendRaw(draft: RawDraft): Ticket {
    return this.#mark(this.#spool.appendRaw(draft));
  }

  #mark(ticket: Ticket): Ticket {
    this.#tickets.last = ticket;
    this.#marks.push({ ticket, steps: this.#said("steps"), events: this.#said("events") });
    return ticket;
  }

  /** The last sequence that was said here, 0 before the first. */
  #said(stream: Stream): number {
    const { sequence } = this.#lanes[stream];
    return sequence > this.#before[stream] ? sequence : 0;
  }

  nextId(stream: Stream): string {
    return this.#spool.nextId(stream);
  }

  get durable(): Ticket {
    return this.#tickets.durable;
  }

  onDurable(listener: (durable: Ticket) => void): () => void {
    return this.#tickets.onDurable(listener);
  }

  synced(ticket: Ticket): Promise<void> {
    return this.#tickets.synced(ticket);
  }

  close(error: Error): void {
    this.#stop();
    this.#tickets.fail(error);
  }
}
