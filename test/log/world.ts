/** A log in a temporary folder, and drafts to append to it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Journal, type JournalOptions, openJournal } from "../../infra/log/journal.ts";
import type { Draft, Log, LogRecord } from "../../infra/log/log.ts";
import type { ResourceUri } from "../../schemas/command.ts";

export interface World {
  readonly folder: string;
  /** Errors given to `fatal`. */
  readonly fatal: Error[];
  open(options?: Partial<JournalOptions>): Promise<Journal>;
  /** Runs at the end of the test, last first. */
  defer(end: () => unknown): void;
  end(): Promise<void>;
}

export function world(): World {
  const folder = mkdtempSync(join(tmpdir(), "throughline-log-"));
  const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const fatal: Error[] = [];
  const open = async (options: Partial<JournalOptions> = {}) => {
    const journal = await openJournal({
      folder,
      tenant: "demo",
      name: "one",
      now: Date.now,
      fatal: (error) => fatal.push(error),
      ...options,
    });
    ends.push(() => journal.close().catch(() => {}));
    return journal;
  };
  const end = async () => {
    for (const one of ends.reverse()) await one();
  };
  return { folder, fatal, open, defer: (one) => ends.push(one), end };
}

const uri = (text: string) => text as ResourceUri;

export function intended(command: string, session = "session-1"): Draft<"command.intended"> {
  return {
    type: "command.intended",
    subject: { session, command, identity: "https://id|ana", account: "loader", task: "T-1", target: "orders" },
    data: {
      kind: "query",
      effects: [{ operation: "read", reads: [uri("orders/public.customers")], writes: [], ends: [], destroys: false }],
      opaque: null,
      transaction: { kind: "none" },
      undoable: true,
      commits: [],
    },
  };
}

export function finished(command: string): Draft<"command.finished"> {
  return {
    type: "command.finished",
    subject: { session: "session-1", command },
    data: {
      outcome: "ok",
      rows: 3,
      bytes: 120,
      tag: "SELECT 3",
      code: null,
      durationUs: 512,
      shown: true,
      undone: [],
      lasted: [],
    },
  };
}

export function masked(command: string): Draft<"output.masked"> {
  return {
    type: "output.masked",
    subject: { session: "session-1", command },
    data: { columns: [{ resource: "orders/public.customers#email", tag: "pii.email", count: 3 }] },
  };
}

export function read(what: string): Draft<"audit.read"> {
  return { type: "audit.read", subject: { identity: "https://id|ivan" }, data: { what, filter: {}, rows: 1 } };
}

export function lifted(block: string): Draft<"block.lifted"> {
  return { type: "block.lifted", subject: {}, data: { block, by: "https://id|olga", reason: "done" } };
}

/** Everything that is in a log now, checkpoints aside unless asked for. */
export async function all(log: Log, checkpoints = false): Promise<LogRecord[]> {
  const found: LogRecord[] = [];
  const following = log.follow({ after: null, streams: ["steps", "events"] }, (records) => {
    found.push(...records);
  });
  await following.caughtUp;
  await following.close();
  return checkpoints ? found : found.filter((record) => record.type !== "log.checkpoint");
}
