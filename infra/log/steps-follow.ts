/**
 * Follows a tenant's steps in the shared log, as gateways and correlators do: every record once, in the one order that
 * all of them see, with the log's own time. Two followers that began at the same place hold the same.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Bus } from "./bus.ts";
import type { Entry } from "./entry.ts";
import { Folder, isReadable } from "./fold.ts";
import { Ids, outputKey } from "./ids.ts";
import type { PackReaders } from "./pack.ts";
import { recordOf } from "./pack.ts";
import { type Fresh, freshOf, type Hole } from "./pack-reader.ts";
import { isStepType } from "./step.ts";
import type { Topics } from "./topics.ts";

/** Where a follower stands: to go on from there after a restart. */
export interface StepsState {
  /** Of the last message delivered. */
  readonly offset: number;
  readonly atMs: number;
  /** Source → last sequence. */
  readonly last: readonly (readonly [source: string, sequence: number])[];
  /** Ids of late outputs of correlators. */
  readonly outputs: readonly string[];
}

export interface StepsOptions extends PackReaders {
  /** Absent: from the first step. */
  readonly from?: StepsState;
  readonly bus: Bus;
  readonly topics: Topics;
  /** A message that nobody known signed, or that says what its source may not. It is skipped. */
  readonly refused: (source: string, claimedType: string, reason: string) => void;
  readonly holes: (hole: Hole) => void;
}

export interface StepsFollowing {
  /** Resolves once everything that stood there when it was called has been delivered. */
  caughtUp(): Promise<void>;
  /** Rejects when a record cannot be read or the consumer throws; resolves after close(). */
  readonly ended: Promise<void>;
  /** The place of the last message delivered; -1 before the first. */
  readonly offset: number;
  readonly state: StepsState;
  close(): Promise<void>;
}

/** Replicas say an output within seconds of each other. */
const outputIdsKept = 20_000;

/** Its own ids a source gives once; a hash is an output, which every replica says. */
function isRepeated(entry: Entry, outputs: Ids): boolean {
  return entry.role === "correlator" && !entry.id.includes("/") && outputs.has(outputKey(entry));
}

/** A place among the steps as text; it orders as the steps do. */
export function stepsPlace(offset: number): string {
  return String(offset).padStart(16, "0");
}

/** @returns null, and says so, when something in it is no record of its type: nobody must fold that */
function entriesOf(
  { refused }: StepsOptions,
  folder: Folder,
  { pack, batches }: Fresh,
  offset: number,
  atMs: number,
): readonly Entry[] | null {
  try {
    return batches.flat().map((one) => {
      const record = recordOf(pack, one, offset, atMs);
      // A section gives what it must by itself; the rest is JSON that somebody signed.
      if (!(record.step !== null && isStepType(record.type)) && !isReadable(record.envelope))
        throw record.refusal(`is not what ${record.type} must be`);
      return folder.toEntry(record);
    });
  } catch (error) {
    if (!(error instanceof ThroughlineError) || !unreadable.has(error.code)) throw error;
    refused(pack.source.source, "", error.message);
    return null;
  }
}

const unreadable: ReadonlySet<string> = new Set(["log.damaged", "log.refused"]);

/** @param deliver gets the entries of one message and its place; it is waited for */
export function followSteps(
  options: StepsOptions,
  deliver: (entries: readonly Entry[], offset: number) => void | Promise<void>,
): StepsFollowing {
  const { bus, topics } = options;
  const folder = new Folder();
  const last = new Map(options.from?.last);
  const outputs = new Ids(outputIdsKept);
  for (const id of options.from?.outputs ?? []) outputs.has(id);
  const reading = { ...options, stream: "steps" as const, has: (source: string) => last.get(source) ?? 0 };
  let [atMs, offset] = [options.from?.atMs ?? 0, options.from?.offset ?? -1];
  let waiting: { end: number; resolve: () => void }[] = [];
  const tail = bus.tail(topics.steps, 0, offset + 1, async (messages) => {
    for (const message of messages) {
      atMs = Math.max(atMs, message.atMs);
      offset = message.offset;
      const fresh = freshOf(reading, message);
      const entries = fresh === null ? null : entriesOf(options, folder, fresh, offset, atMs);
      if (fresh !== null && entries !== null) {
        if (fresh.hole) options.holes(fresh.hole);
        last.set(fresh.pack.source.source, fresh.pack.last);
      }
      await deliver(
        (entries ?? []).filter((entry) => !isRepeated(entry, outputs)),
        offset,
      );
    }
    waiting = waiting.filter(({ end, resolve }) => offset + 1 < end || resolve());
  });
  return {
    async caughtUp() {
      const { end, first } = await bus.bounds(topics.steps, 0);
      if (first > 0 && offset < 0)
        throw new ThroughlineError("log.damaged", `${topics.steps} begins at ${first}: what stood before it is gone`);
      if (offset + 1 >= end) return;
      await Promise.race([
        new Promise<void>((resolve) => {
          waiting.push({ end, resolve });
        }),
        tail.ended,
      ]);
    },
    ended: tail.ended,
    get offset() {
      return offset;
    },
    get state() {
      return { offset, atMs, last: [...last], outputs: outputs.kept() };
    },
    close: () => tail.close(),
  };
}
