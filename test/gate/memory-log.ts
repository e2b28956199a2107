/** A log in memory for tests of the gate: one writer, synchronous folds, and a sync that happens when the test says. */
import type { Entry } from "../../infra/log/entry.ts";
import type { Appender, Draft, RawDraft, Ticket } from "../../infra/log/log.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { catalogue, type EventType, maySay, type Role, type Subject } from "../../schemas/event.ts";

export interface Kept {
  readonly entry: Entry;
  /** The JSON as it would be stored. */
  readonly json: string;
}

export class MemoryLog {
  readonly kept: Kept[] = [];
  durable = 0;
  full = false;
  /** As a log on a disk has it; no bound unless the test sets one. */
  eventBytesMax = Number.POSITIVE_INFINITY;
  /** Off: nothing becomes durable before sync(). */
  syncing = true;
  readonly #now: () => number;
  readonly #folds: ((entry: Entry) => void)[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #sequences = new Map<string, number>();

  constructor(now: () => number, from: readonly Kept[] = []) {
    this.#now = now;
    for (const one of from) {
      this.kept.push(one);
      const name = `${one.entry.source}/${catalogue[one.entry.type].stream}`;
      this.#sequences.set(name, (this.#sequences.get(name) ?? 0) + 1);
    }
    this.durable = this.kept.length;
  }

  fold(listener: (entry: Entry) => void): void {
    this.#folds.push(listener);
  }

  sync(): void {
    this.durable = this.kept.length;
    for (const listener of [...this.#listeners]) listener();
  }

  of<T extends EventType>(type: T): Extract<Entry, { type: T }>[] {
    return this.kept.flatMap(({ entry }) => (entry.type === type ? [entry as Extract<Entry, { type: T }>] : []));
  }

  bytes(): string {
    return this.kept.map(({ json }) => json).join("\n");
  }

  appender(role: Role, name: string): Appender {
    const source = `${role}/${name}`;
    const nextId = (stream: "steps" | "events") =>
      `${source}/${stream[0]}/${(this.#sequences.get(`${source}/${stream}`) ?? 0) + 1}`;
    const add = (type: EventType, subject: Subject, data: unknown, rest: string, id?: string): Ticket => {
      if (!maySay(role, type)) throw new ThroughlineError("log.refused", `${role} may not say ${type}`);
      if (this.full && !type.endsWith("finished")) throw new ThroughlineError("log.full", "full");
      if (rest.length > this.eventBytesMax) throw new ThroughlineError("frame.too_large", `${type} is too large`);
      const { stream } = catalogue[type];
      const own = id ?? nextId(stream);
      this.#sequences.set(`${source}/${stream}`, (this.#sequences.get(`${source}/${stream}`) ?? 0) + 1);
      const json = `{"specversion":"1.0","source":"${source}","stream":"${stream}","id":"${own}"${rest}`;
      JSON.parse(json);
      const entry = { type, id: own, atMs: this.#now(), source, role, subject, data } as Entry;
      this.kept.push({ entry, json });
      const ticket = this.kept.length;
      for (const listener of this.#folds) listener(entry);
      if (this.syncing) this.sync();
      return ticket;
    };
    const durable = () => this.durable;
    return {
      source,
      role,
      append<T extends EventType>({ type, subject, data, id }: Draft<T>): Ticket {
        const members = JSON.stringify({ type, ...subject, data }).slice(1);
        return add(type, subject, JSON.parse(JSON.stringify(data)), `,${members}`, id);
      },
      appendRaw({ type, subject, data, rest }: RawDraft): Ticket {
        return add(type, subject, data, Buffer.concat(rest).toString());
      },
      nextId,
      get durable() {
        return durable();
      },
      onDurable: (listener) => {
        const call = () => listener(this.durable);
        this.#listeners.add(call);
        return () => this.#listeners.delete(call);
      },
      synced: (ticket) =>
        ticket <= this.durable
          ? Promise.resolve()
          : new Promise((resolve) => {
              const check = () => {
                if (ticket > this.durable) return;
                this.#listeners.delete(check);
                resolve();
              };
              this.#listeners.add(check);
            }),
    };
  }
}
