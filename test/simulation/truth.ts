/**
 * What really happened, as nobody in the play knows it: what lasts on the target, what clients were shown, what the brokers
 * have acknowledged, what each gateway knew at that moment. The checks read this and the bytes of the log, nothing else.
 */
import type { Effect } from "../../schemas/command.ts";
import { type Row, rowsOf } from "./rows.ts";

/** Something that nobody can take back. */
export interface Fact {
  readonly kind: "lasted" | "shown";
  readonly atMs: number;
  readonly gateway: string;
  readonly command: string;
  /** The COMMIT that made it last; the command itself otherwise. */
  readonly by: string;
  readonly identity: string;
  readonly account: string;
  readonly effects: readonly Effect[];
  /** Where its record had to be first. */
  readonly needs: "local" | "shared";
  /** Version of the rules that its gateway judged by. */
  readonly rules: string;
  /** Records that were not where they had to be; empty = all were. */
  readonly missing: readonly string[];
  /** Its gateway had not heard the log for longer than it goes by what it knows. */
  readonly cutOff: boolean;
  /** When the target did it; of what is shown that is earlier than `atMs`. */
  readonly ranMs: number;
  /** Gateways that could act then and did not know that tagged data was coming to a place. */
  readonly unaware: readonly string[];
}

export interface Breach {
  /** Number of the promise; 0: a process died of a bug. */
  readonly promise: number;
  readonly what: string;
}

export class Truth {
  readonly facts: Fact[] = [];
  readonly breaches: Breach[] = [];
  /** Steps in the brokers' order, each (source, sequence) once; and when it was acknowledged. */
  readonly steps: (Row & { readonly seenMs: number })[] = [];
  readonly events: Row[] = [];
  /** Intent → every answer that a correlator made to it, by who made it. */
  readonly answers = new Map<string, Map<string, string>>();
  readonly digests = new Map<string, Map<string, string>>();
  readonly #last = new Map<string, number>();
  readonly #allowed = new Set<string>();
  #atMs = 0;

  breach(promise: number, what: string): void {
    if (!this.breaches.some((one) => one.promise === promise && one.what === what))
      this.breaches.push({ promise, what });
  }

  /** A message was acknowledged. */
  seen(stream: "steps" | "events", offset: number, atMs: number, value: Buffer, nowMs: number): void {
    this.#atMs = stream === "steps" ? Math.max(this.#atMs, atMs) : this.#atMs;
    for (const row of rowsOf(value, stream, offset, this.#atMs)) {
      const lane = `${row.source} ${stream}`;
      const last = this.#last.get(lane) ?? 0;
      if (row.sequence <= last) continue;
      if (row.sequence > last + 1) this.breach(6, `${lane}: ${last + 1} to ${row.sequence - 1} never came`);
      this.#last.set(lane, row.sequence);
      if (stream === "events") this.events.push(row);
      else this.steps.push({ ...row, seenMs: nowMs });
      const { ruling } = row.data as { ruling?: string };
      if (row.type === "command.decided" && (ruling === "allow" || ruling === "mask"))
        this.#allowed.add(row.subject.command ?? "");
    }
  }

  /** Whether the shared log has acknowledged that this command was allowed. */
  isShared(command: string): boolean {
    return this.#allowed.has(command);
  }

  has(source: string, stream: string, sequence: number): boolean {
    return sequence <= (this.#last.get(`${source} ${stream}`) ?? 0);
  }

  /** What every correlator makes of one question must be the same bytes. */
  said(book: Map<string, Map<string, string>>, about: string, by: string, text: string): void {
    const all = book.get(about) ?? new Map<string, string>();
    book.set(about, all.set(by, text));
    if (new Set(all.values()).size > 1) this.breach(7, `${about}: ${[...all.keys()].join(" and ")} differ`);
  }
}
