/**
 * Reads packs of one stream in the order they stand, drops what was there before, and notices holes: a source's records
 * count by (source, stream, sequence), and what is sent twice is the same batches again.
 */
import type { Stream } from "../../schemas/event.ts";
import type { Inbound } from "./bus.ts";
import { Refusal } from "./heard-batch.ts";
import { type Pack, type Packed, type PackReaders, readPack } from "./pack.ts";

/** Records that should have come and did not: `from` up to `until`, both missing. */
export interface Hole {
  readonly source: string;
  readonly stream: Stream;
  readonly from: number;
  readonly until: number;
}

export interface Fresh {
  readonly pack: Pack;
  /** Only those that were not there before. */
  readonly batches: readonly (readonly Packed[])[];
  readonly hole: Hole | null;
}

export interface PackReaderOptions extends PackReaders {
  readonly stream: Stream;
  /** The last sequence of a source that the reader has. */
  readonly has: (source: string) => number;
  readonly refused: (source: string, claimedType: string, reason: string) => void;
}

/** @returns what is new in a message; null when nothing is, or when it was refused */
export function freshOf(options: PackReaderOptions, { value }: Pick<Inbound, "value">): Fresh | null {
  const pack = admitted(options, value);
  if (pack === null) return null;
  const { source } = pack.source;
  const had = options.has(source);
  const batches = pack.batches.filter((batch) => (batch.at(-1)?.part.sequence ?? 0) > had);
  const first = batches[0]?.[0]?.part.sequence;
  if (first === undefined) return null;
  // A batch of which a part was there was never made by one journal: its source is broken or forged.
  if (first <= had) {
    options.refused(source, "", `a pack repeats only a part of a batch, at ${options.stream} ${first}`);
    return null;
  }
  const hole = first === had + 1 ? null : { source, stream: options.stream, from: had + 1, until: first - 1 };
  return { pack, batches, hole };
}

function admitted(options: PackReaderOptions, value: Buffer): Pack | null {
  try {
    return readPack(value, options.stream, options);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    options.refused("", error.claimedType, error.message);
    return null;
  }
}
