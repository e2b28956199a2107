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
  #closed = false;

  constructor(shelf: Shelf, own: SourceAppender, log: { readonly position: number; fits(bytes: number): boolean }) {
    this.#shelf = shelf;
    this.#own = own;
    this.#log = log;
  }

  /** Called at every sync: while there is no space it looks for some, and records the shortage once, if that still fits. */
  look(): void {
    if (!this.#shelf.full || this.#closed) return;
    // Whatever fits: with nothing left to write, no sync comes that would look again.
    if (this.#timer === null) {
      this.#timer = setInterval(() => this.#retry(), lookMs);
      this.#timer.unref();
    }
    if (this.#since === null && this.#log.fits(1024)) this.#note();
  }

  #note(): void {
    this.#since = this.#log.position;
    const reason = "The disk is full: new commands are refused, nothing recorded is lost";
    this.#own.append({ type: "sink.failed", subject: {}, data: { sink: "log", reason } });
  }

  #retry(): void {
    if (!this.#shelf.refill()) return;
    if (this.#since === null) this.#note();
    const data = {
      sink: "log",
      from: paddedSequence(this.#since ?? 0),
      until: paddedSequence(this.#log.position),
      count: this.refused,
    };
    this.#since = null;
    this.refused = 0;
    this.#stop();
    this.#own.append({ type: "sink.recovered", subject: {}, data });
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }
}
