/**
 * An export: the exact records of a stretch of the log as lines of JSON, and a manifest. A line:
 *
 *   {"position":"0000000000000012","atMs":1795378922702,"synced":9,"flags":1,"crc":2632072464,"source":"gateway/one",
 *    "stream":"steps","sequence":7,"type":"command.decided","code":13,"context":false,"step":"AQA…","json":"{\"specversion\"…"}
 *
 * From these members the record's bytes come back exactly (`json` as text, `step` in base64), so that both chains can be
 * computed again. A stretch begins at a group's start, the heads before it stand in the manifest, and it goes on behind
 * its end until checkpoints cover it; what is only there for that is `"context":true`.
 * Texts of commands stay sealed. The manifest is not signed: the event `audit.exported` carries its digest.
 */
import { createHash } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import { closed, type Static, Type } from "../../schemas/shape.ts";
import { closeFrame, lastOfGroup, openFrame, writePartHead, writerBytes } from "./frame.ts";
import type { Log } from "./log.ts";
import { paddedSequence, type StoredRecord, storedRecord } from "./record.ts";
import { typeOf } from "./type-code.ts";
import { firstState, type LogState, Walk } from "./walk.ts";

const hex = Type.String({ pattern: "^[0-9a-f]{64}$" });
const stream = Type.Union([Type.Literal("steps"), Type.Literal("events")]);
const whole = Type.Integer({ minimum: 0 });

export const lineSchema = closed({
  position: Type.String({ pattern: "^[0-9]{16}$" }),
  atMs: whole,
  synced: whole,
  flags: Type.Integer({ minimum: 0, maximum: 255 }),
  crc: whole,
  source: Type.String({ minLength: 1, maxLength: 1000 }),
  stream,
  sequence: Type.Integer({ minimum: 1 }),
  type: Type.String(),
  code: Type.Integer({ minimum: 0, maximum: 65535 }),
  context: Type.Boolean(),
  step: Type.Union([Type.String(), Type.Null()]),
  json: Type.String(),
});
export type ExportLine = Static<typeof lineSchema>;

export const manifestSchema = closed({
  format: Type.Literal("throughline-export/1"),
  tenant: Type.String(),
  writer: Type.String(),
  sinceMs: Type.Union([whole, Type.Null()]),
  untilMs: Type.Union([whole, Type.Null()]),
  /** All lines, and those that are only context. */
  count: whole,
  context: whole,
  first: Type.Union([Type.String(), Type.Null()]),
  last: Type.Union([Type.String(), Type.Null()]),
  /** Of the lines with their line ends. */
  sha256: hex,
  /** The log before the first line. */
  heads: closed({
    position: whole,
    atMs: whole,
    head: hex,
    lanes: Type.Array(closed({ source: Type.String(), stream, sequence: whole, head: hex })),
  }),
  lanes: Type.Array(closed({ source: Type.String(), stream, first: whole, last: whole })),
  keys: Type.Array(closed({ source: Type.String(), fingerprint: hex })),
});
export type ExportManifest = Static<typeof manifestSchema>;

export interface ExportRange {
  /** Log time, milliseconds, inclusive; null = from the first record. */
  readonly sinceMs: number | null;
  /** Inclusive; null = to the last durable one. */
  readonly untilMs: number | null;
}

/** What an export needs of the log it is made from. */
export interface Exported {
  readonly log: Log;
  readonly tenant: string;
  /** `log/<name>`. */
  readonly writer: string;
}

/**
 * Streams an export. The manifest is there once the lines are read to their end.
 * It reads the log from its first record, because the heads before the range are computed, not believed.
 */
export function exportLog(
  from: Exported,
  range: ExportRange,
): { readonly lines: AsyncGenerator<string, void>; readonly manifest: () => ExportManifest } {
  const writing = new Writing(from, range);
  const lines = async function* () {
    let group: StoredRecord[] = [];
    for await (const records of durableRecords(from.log)) {
      for (const record of records) {
        group.push(record);
        if (!(record.flags & lastOfGroup)) continue;
        yield* writing.group(group);
        group = [];
        if (writing.done) return;
      }
    }
  };
  return { lines: lines(), manifest: () => writing.manifest() };
}

class Writing {
  done = false;
  readonly #from: Exported;
  readonly #range: ExportRange;
  readonly #walk: Walk;
  #before: LogState;
  #started = false;
  readonly #digest = createHash("sha256");
  #count = 0;
  #context = 0;
  #positions: [number, number] = [0, 0];
  readonly #lanes = new Map<string, { source: string; stream: "steps" | "events"; first: number; last: number }>();
  /** Per lane and for the merged order: what is in range and not under a signed head yet. */
  readonly #open = new Map<string, number>();
  /** What signed heads reach, also those that were written before what they cover. */
  readonly #covered = new Map<string, number>();
  readonly #keys = new Map<string, string>();

  constructor(from: Exported, range: ExportRange) {
    this.#from = from;
    this.#range = range;
    this.#before = firstState(from.tenant, from.writer);
    this.#walk = new Walk(this.#before);
  }

  *group(records: readonly StoredRecord[]): Generator<string> {
    const { sinceMs, untilMs } = this.#range;
    const before = this.#walk.closed;
    for (const record of records) {
      const wrong = this.#walk.accept(record);
      if (wrong !== null) throw new ThroughlineError("log.damaged", `position ${record.number}: ${wrong}`);
    }
    if (!this.#started) {
      if (records.every((record) => record.atMs < (sinceMs ?? 0))) return;
      this.#started = true;
      this.#before = before;
    }
    const past = records.every((record) => record.atMs > (untilMs ?? Number.POSITIVE_INFINITY));
    if (past && this.#open.size === 0) {
      this.done = true;
      return;
    }
    for (const record of records) {
      const context = record.atMs < (sinceMs ?? 0) || record.atMs > (untilMs ?? Number.POSITIVE_INFINITY);
      yield this.#line(record, context);
    }
  }

  #line(record: StoredRecord, context: boolean): string {
    const { source, stream, sequence, number } = record;
    const text = `${JSON.stringify(lineOf(record, context))}\n`;
    this.#digest.update(text);
    this.#count++;
    if (context) this.#context++;
    this.#positions = [this.#positions[0] || number, number];
    const key = `${source}\n${stream}`;
    const lane = this.#lanes.get(key) ?? { source, stream, first: sequence, last: sequence };
    lane.last = sequence;
    this.#lanes.set(key, lane);
    const [covered, open] = [this.#covered.get(key) ?? 0, this.#open.get(key) ?? 0];
    if (sequence >= open && covered >= open) this.#open.delete(key);
    if (typeOf(record.part.code) === "log.checkpoint") this.#signed(record);
    else if (!context) {
      if (sequence > covered) this.#open.set(key, sequence);
      this.#open.set("writer", number);
    }
    return text;
  }

  #signed(record: StoredRecord): void {
    const { data } = record.envelope;
    if (!("signature" in data)) return;
    this.#keys.set(record.source, data.key);
    // The order in another machine's spool is not what this is about.
    if (data.chain === "writer" && record.source !== this.#from.writer) return;
    const key = data.chain === "writer" ? "writer" : `${record.source}\n${data.stream}`;
    const upTo = Number(data.upTo);
    this.#covered.set(key, Math.max(upTo, this.#covered.get(key) ?? 0));
    if (upTo >= (this.#open.get(key) ?? 0)) this.#open.delete(key);
    // It signs what has not come yet: then it goes on until that is here.
    const stream = data.stream === "steps" ? "steps" : "events";
    if (data.chain === "source" && upTo > (this.#walk.lane(record.source, stream)?.sequence ?? 0))
      this.#open.set(key, upTo);
  }

  manifest(): ExportManifest {
    const text = (head: Uint8Array) => Buffer.from(head).toString("hex");
    const { position, atMs, head, lanes } = this.#started ? this.#before : this.#walk.closed;
    const [first, last] = this.#positions;
    return {
      format: "throughline-export/1",
      tenant: this.#from.tenant,
      writer: this.#from.writer,
      sinceMs: this.#range.sinceMs,
      untilMs: this.#range.untilMs,
      count: this.#count,
      context: this.#context,
      first: this.#count === 0 ? null : paddedSequence(first),
      last: this.#count === 0 ? null : paddedSequence(last),
      sha256: this.#digest.copy().digest("hex"),
      heads: { position, atMs, head: text(head), lanes: lanes.map((lane) => ({ ...lane, head: text(lane.head) })) },
      lanes: [...this.#lanes.values()],
      keys: [...this.#keys].map(([source, fingerprint]) => ({ source, fingerprint })),
    };
  }
}

function lineOf(record: StoredRecord, context: boolean): ExportLine {
  const { source, stream, sequence, flags, atMs, synced, part, step, json } = record;
  return {
    position: paddedSequence(record.number),
    atMs,
    synced,
    flags,
    crc: record.frame.readUInt32LE(4),
    source,
    stream,
    sequence,
    type: typeOf(part.code) ?? "",
    code: part.code,
    context,
    step: step && Buffer.from(step).toString("base64"),
    json: Buffer.from(json).toString("utf8"),
  };
}

/** The record's bytes again, crc computed anew. */
export function frameOf(line: ExportLine): Buffer {
  const source = Buffer.from(line.source);
  const step = Buffer.from(line.step ?? "", "base64");
  const json = Buffer.from(line.json);
  const head = Buffer.alloc(writerBytes + 20);
  writePartHead(head, writerBytes, line.stream, line.code, line.sequence, source.length);
  head.writeUInt32LE(step.length, writerBytes + 12);
  head.writeUInt32LE(json.length, writerBytes + 16);
  const frame = Buffer.concat([head, source, step, json]);
  openFrame(frame, 0, frame.length, Number(line.position), line.synced, line.atMs);
  frame[9] = line.flags;
  closeFrame(frame, 0);
  return frame;
}

/** Everything that is durable now, in batches, however slowly it is taken. */
async function* durableRecords(log: Log): AsyncGenerator<StoredRecord[], void> {
  let arrived = Promise.withResolvers<StoredRecord[] | null>();
  let taken = Promise.withResolvers<void>();
  const following = log.follow({ after: null, streams: ["steps", "events"] }, (records) => {
    taken = Promise.withResolvers<void>();
    arrived.resolve(records.map(storedRecord));
    return taken.promise;
  });
  following.caughtUp.then(
    () => arrived.resolve(null),
    (error: unknown) => arrived.reject(error),
  );
  try {
    for (;;) {
      const records = await arrived.promise;
      if (records === null) return;
      arrived = Promise.withResolvers();
      yield records;
      taken.resolve();
    }
  } finally {
    taken.resolve();
    await following.close();
  }
}
