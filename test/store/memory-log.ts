/** A Log in memory, for tests of what follows and appends: durable at once, one position per record, one clock. */

import type { Appender, Draft, Following, FollowOptions, Log, LogRecord, Position } from "../../infra/log/log.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Envelope, EventId, EventType, Role, Stream } from "../../schemas/event.ts";
import { catalogue, maySay } from "../../schemas/event.ts";

export interface MemoryLog extends Log {
  readonly records: readonly LogRecord[];
  /** Delivers nothing to followers until the returned function is called: a disk that takes its time. */
  hold(): () => void;
  /** Appends as any role, in one call. @returns the record's id */
  say<T extends EventType>(source: string, draft: Draft<T>): string;
  /** Appends a record that this version does not know. */
  sayUnknown(type: string, data: unknown): string;
}

const number = (position: Position): number => position as unknown as number;
const text = (position: Position): string => String(number(position)).padStart(16, "0");

export function memoryLog(now: () => number, tenant = "test"): MemoryLog {
  const records: LogRecord[] = [];
  const wakers = new Set<() => void>();
  const sequences = new Map<string, number>();
  const disk = { synced: Promise.resolve() };

  function add(
    source: string,
    type: EventType,
    stream: Stream,
    draft: Pick<Draft, "subject" | "id"> & { data: unknown },
  ) {
    const key = `${source}/${stream[0]}`;
    const sequence = (sequences.get(key) ?? 0) + 1;
    sequences.set(key, sequence);
    const padded = String(sequence).padStart(16, "0");
    const id = (draft.id ?? `${key}/${padded}`) as EventId;
    const envelope = {
      specversion: "1.0",
      id,
      source,
      type,
      time: new Date(now()).toISOString(),
      datacontenttype: "application/json",
      tenant,
      stream,
      sequence: padded,
      ...draft.subject,
      data: structuredClone(draft.data),
    } as unknown as Envelope;
    records.push({
      position: (records.length + 1) as unknown as Position,
      atMs: Math.max(now(), records.at(-1)?.atMs ?? 0),
      source,
      role: source.split("/")[0] as Role,
      type,
      stream,
      sequence,
      json: Buffer.from(JSON.stringify(envelope)),
      step: null,
      envelope,
    });
    for (const wake of wakers) wake();
    return id;
  }

  function say<T extends EventType>(source: string, draft: Draft<T>): string {
    if (!maySay(source.split("/")[0] as Role, draft.type))
      throw new ThroughlineError("log.refused", `${source} may not say ${draft.type}`);
    return add(source, draft.type, catalogue[draft.type].stream, draft);
  }

  return {
    writer: "log/test",
    records,
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      disk.synced = promise;
      return resolve;
    },
    say,
    sayUnknown: (type, data) => add("gateway/test", type as EventType, "events", { subject: {}, data }),
    appender: async (role, name) => memoryAppender(`${role}/${name}`, role, say, sequences),
    follow: (options, deliver) => following(records, wakers, disk, options, deliver),
    head: async () => records.at(-1)?.position ?? null,
    encodePosition: text,
    decodePosition: (encoded) => Number(encoded) as unknown as Position,
    close: async () => {},
  };
}

function memoryAppender(
  source: string,
  role: Role,
  say: (source: string, draft: Draft) => string,
  sequences: ReadonlyMap<string, number>,
): Appender {
  let ticket = 0;
  const append = (draft: Draft): number => {
    say(source, draft);
    ticket += 1;
    return ticket;
  };
  return {
    source,
    role,
    append: append as Appender["append"],
    appendRaw: () => assertNever(),
    nextId: (stream) =>
      `${source}/${stream[0]}/${String((sequences.get(`${source}/${stream[0]}`) ?? 0) + 1).padStart(16, "0")}`,
    get durable() {
      return ticket;
    },
    onDurable: () => () => {},
    synced: async () => {},
  };
}

function assertNever(): never {
  throw new Error("Nothing here appends raw drafts");
}

function following(
  records: readonly LogRecord[],
  wakers: Set<() => void>,
  disk: { readonly synced: Promise<void> },
  options: FollowOptions,
  deliver: (records: readonly LogRecord[]) => void | Promise<void>,
): Following {
  let next = options.after === null ? 0 : number(options.after);
  let closed = false;
  let wake = (): void => {};
  const poke = (): void => wake();
  wakers.add(poke);
  const caught = Promise.withResolvers<void>();
  const until = records.length;
  const run = async (): Promise<void> => {
    while (!closed) {
      await disk.synced;
      const more = records.slice(next, next + 500);
      if (more.length > 0) await deliver(more.filter((record) => options.streams.includes(record.stream)));
      next += more.length;
      if (next >= until) caught.resolve();
      if (more.length === 0 && !closed) await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const ended = run();
  ended.catch((error: unknown) => caught.reject(error));
  caught.promise.catch(() => {});
  return {
    caughtUp: caught.promise,
    ended,
    close: async () => {
      closed = true;
      wakers.delete(poke);
      wake();
      await ended.catch(() => {});
    },
  };
}
