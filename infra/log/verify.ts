/**
 * Checks records against keys that came another way than the records: no position or sequence missing, both chains, every
 * signature, every type said by a role that may, every envelope and step section what its frame says.
 * It names the first record that is missing or changed, as near as the signatures allow, and what no check can know:
 * whether records after the last signed head were cut off or added, and whether a source told the truth.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { lastOfBatch, lastOfGroup } from "./frame.ts";
import { sectionMatches } from "./heard-batch.ts";
import { checkSayer, paddedSequence, type StoredRecord } from "./record.ts";
import { checkpointText, signatureHolds } from "./sign.ts";
import { keysUpTo, type Source } from "./sources.ts";
import { type LogState, Walk } from "./walk.ts";

/** Sources by name, from `parseSources` of a registry that did not come with the records. */
export type TrustedKeys = ReadonlyMap<string, Source>;

export interface Problem {
  /** 16 digits. */
  readonly position: string;
  readonly source: string;
  readonly stream: string;
  readonly sequence: number;
  readonly what: string;
}

/** Records that no signed head covers yet. */
export interface UnsignedTail {
  readonly source: string;
  /** `writer`: positions of the merged order instead of sequences. */
  readonly stream: string;
  readonly from: number;
  readonly count: number;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly tenant: string;
  readonly records: number;
  /** Positions, null when there is no record. */
  readonly first: string | null;
  readonly last: string | null;
  /** The keys that signatures were checked with, and how many each made. */
  readonly trusted: readonly { readonly source: string; readonly fingerprint: string; readonly signatures: number }[];
  readonly problem: Problem | null;
  readonly unsigned: readonly UnsignedTail[];
  readonly cannotKnow: readonly string[];
}

interface SignedLane {
  readonly source: string;
  readonly stream: string;
  /** Head (hex) at the end of each batch since the last signed one, by sequence or position. */
  readonly heads: Map<number, string>;
  signed: number;
  last: number;
  /** Position of the first record that is not signed. */
  firstUnsigned: number;
}

export class Verifier {
  readonly #trusted: TrustedKeys;
  readonly #state: LogState;
  readonly #walk: Walk;
  readonly #lanes = new Map<string, SignedLane>();
  readonly #signatures = new Map<string, number>();
  #records = 0;
  #last = 0;
  #early: {
    readonly source: string;
    readonly stream: string;
    readonly upTo: number;
    readonly head: string;
    readonly record: StoredRecord;
  }[] = [];
  #problem: Problem | null = null;

  /** @param state the log before the first record; what it claims is proven by the first signed heads after it */
  constructor(trusted: TrustedKeys, state: LogState) {
    this.#trusted = trusted;
    this.#state = state;
    this.#walk = new Walk(state);
    this.#start(state.writer, "writer", state.position, state.head);
    for (const { source, stream, sequence, head } of state.lanes) this.#start(source, stream, sequence, head);
    if (trusted.size === 0) this.fail(null, "no key was given from outside: signatures prove nothing");
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  /** The log at the end of the last whole group. */
  get closed(): LogState {
    return this.#walk.closed;
  }

  #start(source: string, stream: string, sequence: number, head: Uint8Array): SignedLane {
    const heads = new Map([[sequence, Buffer.from(head).toString("hex")]]);
    const lane = { source, stream, heads, signed: sequence, last: sequence, firstUnsigned: this.#walk.next };
    this.#lanes.set(`${source}\n${stream}`, lane);
    return lane;
  }

  /** Takes the next record; after the first problem it only counts. */
  accept(record: StoredRecord): void {
    this.#records++;
    this.#last = record.number;
    if (this.#problem !== null) return;
    const wrong = this.#walk.accept(record) ?? this.#contradiction(record);
    if (wrong !== null) this.fail(record, wrong);
    else this.#note(record);
  }

  #contradiction(record: StoredRecord): string | null {
    if (!this.#trusted.has(record.source)) return `no key was given for ${record.source}`;
    try {
      const { envelope } = checkSayer(record);
      if (envelope.tenant !== this.#state.tenant) return `the envelope is of tenant ${envelope.tenant}`;
      if (record.step !== null && !sectionMatches(record.frame, record.part, envelope))
        return "the step section says something else than the envelope";
      return null;
    } catch (error) {
      if (error instanceof ThroughlineError && error.kind === "fault") return error.message;
      throw error;
    }
  }

  #note(record: StoredRecord): void {
    const { source, stream, sequence, number, flags } = record;
    const lane = this.#lanes.get(`${source}\n${stream}`) ?? this.#start(source, stream, 0, Buffer.alloc(0));
    const merged = this.#lanes.get(`${this.#state.writer}\nwriter`);
    if (lane.signed === lane.last) lane.firstUnsigned = number;
    lane.last = sequence;
    const head = this.#walk.lane(source, stream)?.head;
    if (flags & lastOfBatch && head) {
      lane.heads.set(sequence, Buffer.from(head).toString("hex"));
      this.#overdue(lane);
    }
    if (merged && flags & lastOfGroup) merged.heads.set(number, Buffer.from(this.#walk.merged.head).toString("hex"));
    if (merged) merged.last = number;
    if (record.type === "log.checkpoint") {
      // The type was just read from the frame, and the envelope agrees with it.
      const wrong = this.#checkpoint(record, record.envelope.data as EventData["log.checkpoint"]);
      if (wrong !== null) this.fail(record, wrong);
    }
  }

  #checkpoint(record: StoredRecord, said: EventData["log.checkpoint"]): string | null {
    const { source } = record;
    const trusted = this.#trusted.get(source);
    const stream = said.stream === "steps" || said.stream === "events" ? said.stream : "writer";
    const lane = this.#lanes.get(`${source}\n${stream}`);
    if (trusted === undefined) return `no key was given for ${source}`;
    const key = keysUpTo(trusted, stream, Number(said.upTo)).find(({ fingerprint }) => fingerprint === said.key);
    if (key === undefined) return `it is signed with the key ${said.key}, which is not the one given`;
    const checkpoint = { ...said, tenant: this.#state.tenant, source, stream } as const;
    if (!signatureHolds(key.key, checkpointText(checkpoint), Buffer.from(said.signature, "base64")))
      return "its signature is wrong";
    this.#signatures.set(source, (this.#signatures.get(source) ?? 0) + 1);
    const upTo = Number(said.upTo);
    // The order in the spool of one machine, of which this log is not the record.
    if (stream === "writer" && source !== this.#state.writer) return null;
    if (lane === undefined && stream === "writer") return "it signs an order of which nothing is here";
    if (lane === undefined || upTo > lane.last) {
      this.#early.push({ source, stream, upTo, head: said.head, record });
      return null;
    }
    return this.#signed(lane, upTo, said.head);
  }

  /** Signed heads that were written before what they cover, which the shared log's two topics allow. */
  #overdue(lane: SignedLane): void {
    for (const early of this.#early) {
      if (early.source !== lane.source || early.stream !== lane.stream || early.upTo > lane.last) continue;
      const wrong = this.#signed(lane, early.upTo, early.head);
      if (wrong !== null) this.fail(early.record, wrong);
    }
    this.#early = this.#early.filter(
      (early) => early.source !== lane.source || early.stream !== lane.stream || early.upTo > lane.last,
    );
  }

  #signed(lane: SignedLane, upTo: number, head: string): string | null {
    if (upTo < lane.signed) return null;
    if (lane.heads.get(upTo) !== head) {
      const { stream } = lane;
      const from = paddedSequence(lane.firstUnsigned);
      return `the signed head of ${stream} up to ${upTo} is another: something after ${lane.signed} (position ${from}) was changed, removed or added`;
    }
    lane.signed = upTo;
    for (const sequence of lane.heads.keys()) if (sequence < upTo) lane.heads.delete(sequence);
    return null;
  }

  /** Notes the first problem. @param record null when it is no record's */
  fail(record: StoredRecord | null, what: string): void {
    this.#problem ??= {
      position: paddedSequence(record === null ? this.#walk.next : record.number),
      source: record?.source ?? "",
      stream: record?.stream ?? "",
      sequence: record?.sequence ?? 0,
      what,
    };
  }

  finish(): VerifyReport {
    const [early] = this.#early;
    if (early) this.fail(early.record, `it signs ${early.stream} up to ${early.upTo}, of which not all is here`);
    const signatures = [...this.#signatures.values()].reduce((sum, count) => sum + count, 0);
    if (this.#records > 0 && signatures === 0) this.fail(null, "nothing here is signed");
    const trusted = [...this.#trusted.values()].map(({ source, fingerprint }) => {
      return { source, fingerprint, signatures: this.#signatures.get(source) ?? 0 };
    });
    const unsigned = [...this.#lanes.values()]
      .filter((lane) => lane.last > lane.signed)
      .map(({ source, stream, signed, last }) => ({ source, stream, from: signed + 1, count: last - signed }));
    return {
      ok: this.#problem === null,
      tenant: this.#state.tenant,
      records: this.#records,
      first: this.#records === 0 ? null : paddedSequence(this.#state.position + 1),
      last: this.#records === 0 ? null : paddedSequence(this.#last),
      trusted,
      problem: this.#problem,
      unsigned,
      cannotKnow: cannotKnow(this.#state.position, this.#last),
    };
  }
}

function cannotKnow(before: number, last: number): string[] {
  const limits = [
    `whether records after position ${paddedSequence(last)} were cut off: compare with a signed head kept elsewhere`,
    "whether records of an unsigned tail were added or changed by whoever could write the files",
    "whether a source that held its key told the truth",
  ];
  return before === 0 ? limits : [`what stood before position ${paddedSequence(before + 1)}`, ...limits];
}
