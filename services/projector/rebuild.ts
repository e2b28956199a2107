/**
 * Fills an emptied store from the log: the same projection as always, until everything that was durable at the start is
 * in. What was interrupted goes on where it was. It says nothing in the log: what it finds there was said before.
 */
import type { Log, LogRecord } from "../../infra/log/log.ts";
import type { Store } from "../../infra/store/store.ts";
import { type ProjectorParts, runProjector } from "./project.ts";

export interface RebuildParts extends Omit<ProjectorParts, "log" | "appender"> {
  readonly log: Log;
  /** What a projector would have said: the store fails, a record is missing. */
  readonly complain: (what: string) => void;
  /** Called after each write. */
  readonly progress: (progress: Progress) => void;
}

export interface Progress {
  readonly records: number;
  /** Position of the last record that is in, and of the last that will be. */
  readonly at: string;
  readonly of: string;
}

/** @returns how many records were written now @throws as runProjector */
export async function rebuild(parts: RebuildParts): Promise<number> {
  const { log, complain, progress } = parts;
  const head = await log.head();
  if (head === null) return 0;
  const of = log.encodePosition(head);
  let written = 0;
  const write: Store["write"] = async (records, texts) => {
    await parts.store.write(records, texts);
    written += records.length;
    const last = records.at(-1);
    if (last) progress({ records: written, at: log.encodePosition(last.position), of });
  };
  const appender: ProjectorParts["appender"] = {
    append: ({ type, data }) => {
      complain(`${type} ${JSON.stringify(data)}`);
      return 0;
    },
  };
  // Up to the head as it was: the running log grows, and its own projector goes on from there.
  const follow: Log["follow"] = (options, deliver) =>
    log.follow(options, (records) => deliver(records.filter(({ position }) => log.encodePosition(position) <= of)));
  const bounded = { follow, decodePosition: (text: string): LogRecord["position"] => log.decodePosition(text) };
  const projector = await runProjector({ ...parts, log: bounded, appender, store: writingBy(parts.store, write) });
  await projector.caughtUp;
  await projector.close();
  return written;
}

function writingBy(store: Store, write: Store["write"]): Store {
  return {
    write,
    writtenUpTo: () => store.writtenUpTo(),
    timeline: (filter, limit) => store.timeline(filter, limit),
    event: (id) => store.event(id),
    sessions: (filter, limit) => store.sessions(filter, limit),
    forgetText: (session) => store.forgetText(session),
    close: () => store.close(),
  };
}
