/**
 * An independent reading of what stands in the brokers: packs taken apart by the letter of infra/log/pack.ts and frame.ts,
 * every record from its JSON, nothing by the product's code.
 */
import type { EventType, Stream, Subject } from "../../schemas/event.ts";

export interface Row {
  readonly offset: number;
  readonly source: string;
  readonly sequence: number;
  readonly id: string;
  readonly type: EventType;
  /** Log time, milliseconds. */
  readonly atMs: number;
  /** By its source's own clock, milliseconds. */
  readonly saidMs: number;
  readonly subject: Subject;
  readonly data: unknown;
  readonly text: string;
}

const signatureBytes = 64;

export function rowsOf(pack: Buffer, stream: Stream, offset: number, atMs: number): Row[] {
  const rows: Row[] = [];
  for (let at = signatureBytes; at < pack.length; ) {
    const end = at + 4 + pack.readUInt32LE(at);
    for (at += 4; at < end; ) {
      const sequence = pack.readUIntLE(at + 4, 6);
      const jsonAt = at + 20 + pack.readUInt16LE(at + 10) + pack.readUInt32LE(at + 12);
      at = jsonAt + pack.readUInt32LE(at + 16);
      const text = pack.toString("utf8", jsonAt, at);
      const { id, type, source, data, stream: said, time, ...subject } = JSON.parse(text);
      if (said !== stream) throw new Error(`a record of ${said} stands among ${stream}`);
      rows.push({ offset, source, sequence, id, type, atMs, saidMs: Date.parse(time), subject, data, text });
    }
  }
  return rows;
}
