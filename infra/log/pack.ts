/**
 * What a source ships to the shared log: whole batches of one of its streams, as its own journal closed them, under one
 * signature that stands alone, so that a reader may begin anywhere. One message of a topic is one pack:
 *
 *    0  signature (64)      Ed25519 of the source over tenant, source, stream, first sequence and the hash of what follows
 *   64  d2 01 00 00         bytes of the first batch
 *   68  part ‖ part ‖ …     as in frame.ts; then the next batch
 *
 * Whoever can write to the topic but holds no key of a source is refused whole; so is a type its role may not say.
 */
import { createHash, type KeyObject } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Envelope, Stream } from "../../schemas/event.ts";
import { openFrame, type Part, readPart, writerBytes } from "./frame.ts";
import { judgeEnvelope, judgeType, Refusal, signatureBytes } from "./heard-batch.ts";
import { StoredRecord } from "./record.ts";
import { signatureHolds, signText } from "./sign.ts";
import { keysUpTo, type Source } from "./sources.ts";

/** Over this a new pack begins; one batch more always fits. */
export const packBytesMax = 512 * 1024;
const lengthBytes = 4;

/** Whose packs a reader takes. */
export interface PackReaders {
  readonly tenant: string;
  readonly known: ReadonlyMap<string, Source>;
}

export interface Packed {
  readonly part: Part;
  /** Where the part starts in `body`. */
  readonly at: number;
}

export interface Pack {
  readonly body: Buffer;
  readonly source: Source;
  readonly stream: Stream;
  readonly first: number;
  readonly last: number;
  readonly batches: readonly (readonly Packed[])[];
}

/** @param batches the parts of each, in order */
export function makePack(
  key: KeyObject,
  { tenant, source, stream, first }: { tenant: string; source: string; stream: Stream; first: number },
  batches: readonly (readonly Uint8Array[])[],
): Buffer {
  const pieces: Uint8Array[] = [Buffer.alloc(signatureBytes)];
  for (const parts of batches) {
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32LE(parts.reduce((sum, part) => sum + part.length, 0));
    pieces.push(length, ...parts);
  }
  const body = Buffer.concat(pieces);
  signText(key, packText(tenant, source, stream, first, body)).copy(body);
  return body;
}

function packText(tenant: string, source: string, stream: Stream, first: number, body: Buffer): string {
  const digest = createHash("sha256").update(body.subarray(signatureBytes)).digest("hex");
  return `throughline pack v1\n${tenant}\n${source}\n${stream}\n${first}\n${digest}\n`;
}

/**
 * Form, roles and signature of a pack; what its envelopes say is not read here (see judgeParts).
 * @throws Refusal
 */
export function readPack(body: Buffer, stream: Stream, { tenant, known }: PackReaders): Pack {
  const head = readPart(body, signatureBytes + lengthBytes, body.length);
  if (head === null) throw new Refusal("", "a pack has no known form");
  const name = body.toString("utf8", head.sourceAt, head.stepAt);
  const source = known.get(name);
  if (source === undefined)
    throw new Refusal("", `a pack is from ${JSON.stringify(name.slice(0, 100))}, who is not known`);
  const batches: Packed[][] = [];
  let next = head.sequence;
  for (let at = signatureBytes; at < body.length; ) {
    const end = at + lengthBytes <= body.length ? at + lengthBytes + body.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (end > body.length || end === at + lengthBytes) throw new Refusal("", "a pack has no known form");
    const batch: Packed[] = [];
    for (at += lengthBytes; at < end; next++) {
      const part = readPart(body, at, end);
      if (part === null || part.stream !== stream || part.sequence !== next)
        throw new Refusal("", `record ${next} of ${name} stands where it should not, or has no known form`);
      judgeType(body, part, source);
      batch.push({ part, at });
      at = part.end;
    }
    batches.push(batch);
  }
  const [text, signature] = [packText(tenant, name, stream, head.sequence, body), body.subarray(0, signatureBytes)];
  if (!keysUpTo(source, stream, next - 1).some(({ key }) => signatureHolds(key, text, signature)))
    throw new Refusal("", `the signature of ${name} over a pack is wrong`);
  return { body, source, stream, first: head.sequence, last: next - 1, batches };
}

/** Whether every envelope is plain and says what its frame says. @throws Refusal */
export function judgeParts({ body, source }: Pack, batch: readonly Packed[], tenant: string): Envelope[] {
  return batch.map(({ part }) => judgeEnvelope(body, part, judgeType(body, part, source), source, tenant));
}

/** A packed record as readers have it. @param number its place, @param atMs log time */
export function recordOf(
  { body, source }: Pick<Pack, "body" | "source">,
  { part, at }: Packed,
  number: number,
  atMs: number,
): StoredRecord {
  const length = writerBytes + part.end - at;
  const frame = Buffer.allocUnsafe(length);
  openFrame(frame, 0, length, number, 0, atMs);
  body.copy(frame, writerBytes, at, part.end);
  const own = readPart(frame, writerBytes, length);
  if (own === null) throw new ThroughlineError("internal.bug", "A part that was read once cannot be read again");
  return new StoredRecord(frame, own, source.source);
}
