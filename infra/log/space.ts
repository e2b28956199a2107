/**
 * Watches the space of the log: says in the log that the disk is full, counts what was refused meanwhile, and says when
 * there is space again.
 */
import type { EventType } from "../../schemas/event.ts";
import { paddedSequence } from "./record.ts";
import type { Shelf } from "./shelf.ts";
import type { SourceAppender } from "./source-appender.ts";

/** What must still be recorded when the disk is full, because it ends or explains what already runs. */
export function isNeeded(type: EventType): boolean {
  return neededTypes.has(type) || type.startsWith("log.") || type.startsWith("sink.") || type.startsWith("block.");
}

const neededTypes: ReadonlySet<EventType> = new Set<EventType>([
  "command.finished",
  "command.answered",
  "output.masked",
  "content.shown",
  "approval.refused",
  "recording.gap",
  "session.closed",
  "approval.expired",
  "service.stopped",
]);

const lookMs = 1000;

export class SpaceWatch {
  /** Appends refused since the disk is full. */
  refused = 0;
  readonly #shelf: Shelf;
  readonly #own: SourceAppender;
  readonly #log: { readonly position: number; fits(bytes: number): boolean };
  #since: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(shelf: Shelf, own: SourceAppender, log: { readonly position: number; fits(bytes: number): boolean }) {
    this.#shelf = shelf;
    this.#own = own;
    this.#log = log;
  }

  /** Called at every sync: once per shortage it records it and begins to look for space. */
  look(): void {
    if (!this.#shelf.full || this.#since !== null || !this.#log.fits(1024)) return;
    this.#since = this.#log.position;
    this.#timer = setInterval(() => this.#retry(), lookMs);
    this.#timer.unref();
    const reason = "The disk is full: new commands are refused, nothing recorded is lost";
    this.#own.append({ type: "sink.failed", subject: {}, data: { sink: "log", reason } });
  }

  #retry(): void {
    if (!this.#shelf.refill()) return;
    const data = {
      sink: "log",
      from: paddedSequence(this.#since ?? 0),
      until: paddedSequence(this.#log.position),
      count: this.refused,
    };
    this.#since = null;
    this.refused = 0;
    this.close();
    this.#own.append({ type: "sink.recovered", subject: {}, data });
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
