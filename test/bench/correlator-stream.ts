/**
 * The stream of P8, as entries and as the log's own bytes: 200 accounts, mostly reads of untagged tables, some of tagged
 * ones, copies by 40 pipelines, and deletes that ask. Bytes are frames as the journal writes them (header, crc, step
 * section, JSON envelope), and are read back by the journal's own reader, without the disk.
 */
import { textTable } from "../../infra/log/bytes.ts";
import type { Entry } from "../../infra/log/entry.ts";
import { Folder } from "../../infra/log/fold.ts";
import { closeFrame, openFrame, writerBytes } from "../../infra/log/frame.ts";
import { Lane } from "../../infra/log/lane.ts";
import { readRecord } from "../../infra/log/record.ts";
import { splitFrames } from "../../infra/log/segment.ts";
import { restOf } from "../../infra/log/source-appender.ts";
import { StepEncoder } from "../../infra/log/step.ts";
import type { Effect, Operation, ResourceUri } from "../../schemas/command.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { seeded } from "../correlator/dice.ts";

export const startMs = Date.UTC(2026, 0, 1);
const sealed = { sealed: "9f".repeat(60), bytes: 46, hash: "9f".repeat(32) };
/** What a decision says beside the facts that are folded: its text and reasons make most of its bytes. */
const unfolded = {
  stage: "gate" as const,
  because: ["policy0"],
  sentence: "",
  masks: [],
  text: sealed,
  parameters: null,
  parameterCount: 1,
  fingerprint: "5c".repeat(16),
  statements: ["SELECT"],
  resolution: "9f0e1d2c3b4a5968",
  policy: "1f".repeat(16),
};

export class Stream {
  readonly #dice = seeded(2_026);
  /** Equal effects are one object, as a gateway's cached readings are. */
  readonly #effects = new Map<string, readonly Effect[]>();
  #count = 0;
  #atMs = startMs;

  continueAfter(atMs: number): void {
    this.#atMs = Math.max(this.#atMs, atMs);
  }

  /** One command's records: asked when it deletes, decided, finished. */
  next(): Entry[] {
    const dice = this.#dice;
    this.#count += 1;
    this.#atMs += dice(20);
    return recordsOf(this.#count.toString(36), this.#atMs, `${dice(200)}`, this.#act(dice(100), dice(400)));
  }

  #act(what: number, table: number): readonly Effect[] {
    // Pipelines copy the same tables to the same places, over and over.
    const [plain, copy] = [`orders/public.t${table}_plain`, `orders/public.t${table % 40}_copy`];
    if (what < 85) return this.#effect("read", plain, plain);
    if (what < 93) return this.#effect("read", `orders/public.t${table}_pii`, plain);
    if (what < 98) return this.#effect("transform", `orders/public.t${table % 40}_pii`, copy);
    return this.#effect("delete", plain, this.#dice(2) === 0 ? plain : copy);
  }

  #effect(operation: Operation, from: string, to: string): readonly Effect[] {
    const key = `${operation} ${from} ${to}`;
    let effects = this.#effects.get(key);
    if (effects === undefined) {
      const destroys = operation === "delete";
      const reads = destroys ? [] : [from as ResourceUri];
      const writes = operation === "read" ? [] : [to as ResourceUri];
      effects = [{ operation, reads, writes, ends: [], destroys }];
      this.#effects.set(key, effects);
    }
    return effects;
  }
}

function recordsOf(number: string, atMs: number, who: string, effects: readonly Effect[]): Entry[] {
  const subject = {
    session: `s${who}`,
    command: `mgq3k2a1b2c3d4e5f6-${number}`,
    identity: `https://id.example|${who}`,
    account: `a${who}`,
    task: `t${who}`,
    target: "orders",
  };
  const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" as const } };
  const envelope = { atMs: atMs, source: "gateway/g", role: "gateway" as const, subject };
  const late: EventData["command.finished"] = {
    outcome: "ok",
    rows: 1,
    bytes: 100,
    tag: "SELECT 1",
    code: null,
    durationUs: 100,
    shown: true,
    undone: [],
    lasted: effects[0]?.operation === "read" ? [] : [subject.command],
  };
  const decided: Entry = {
    ...envelope,
    type: "command.decided",
    id: `d${number}`,
    data: { ...facts, ruling: "allow", approval: null, intent: null },
  };
  const finished: Entry = { ...envelope, type: "command.finished", id: `f${number}`, data: late };
  const asked: Entry = {
    ...envelope,
    type: "command.intended",
    id: `i${number}`,
    data: { ...facts, commits: [] },
  };
  return effects[0]?.destroys ? [asked, decided, finished] : [decided, finished];
}

const taggedRead: readonly Effect[] = [
  { operation: "read", reads: ["orders/public.t1_pii" as ResourceUri], writes: [], ends: [], destroys: false },
];

/** One person of many, who reads something tagged and is not seen again. */
export function crowd(index: number): Entry[] {
  return recordsOf(`crowd${index}`, startMs + index, `crowd${index}`, taggedRead);
}

/** Puts entries into frames, one behind the other, as one writer and one source would. */
export class Frames {
  readonly #lane = new Lane("bench", "gateway/g", "steps", undefined);
  readonly #encoder = new StepEncoder();
  #position = 0;

  bytesOf(entries: readonly Entry[]): Buffer {
    const frames: Buffer[] = [];
    for (const { type, subject, data, atMs } of entries) {
      this.#position += 1;
      const said = type === "command.finished" ? data : { ...data, ...unfolded };
      const rest = restOf(type, subject, said as EventData[typeof type]);
      const start = this.#lane.say({ type, subject, folded: data, id: undefined, rest }, this.#encoder, atMs);
      const part = this.#lane.pending.bytes.subarray(start, this.#lane.pending.used);
      const frame = Buffer.alloc(writerBytes + part.length);
      part.copy(frame, writerBytes);
      openFrame(frame, 0, frame.length, this.#position, this.#position - 1, atMs);
      closeFrame(frame, 0);
      frames.push(frame);
      this.#lane.pending.used = 0;
    }
    return Buffer.concat(frames);
  }
}

/** Reads frames as a follower does: crc, header, step section. */
export class FrameReader {
  readonly #texts = textTable(64);
  readonly #folder = new Folder();

  each(bytes: Buffer, take: (entry: Entry) => void): void {
    splitFrames(bytes, (at, length) => take(this.#folder.toEntry(readRecord(bytes, at, length, this.#texts))));
  }
}
