/**
 * Signs heads: of every local source and of the writer's merged order, `checkpointMsMax` after something new was said, and
 * at close. A checkpoint is an ordinary record of its source, so the ones at the very end are under no head themselves.
 */
import type { KeyObject } from "node:crypto";
import type { EventData } from "../../schemas/event-data.ts";
import type { Lane } from "./lane.ts";
import { paddedSequence } from "./record.ts";
import { type Checkpoint, checkpointText, signText } from "./sign.ts";
import type { SourceAppender } from "./source-appender.ts";
import type { Sources } from "./sources.ts";

/** The writer's merged order, as far as it is written. */
export interface Merged {
  readonly written: number;
  readonly head: Uint8Array;
  fits(bytes: number): boolean;
}

/** More than the two checkpoints of a source take. */
const checkpointBytes = 4096;

/** Signs for every source whose key is in this process, and for the writer. */
export class Signer {
  readonly #merged: Merged;
  readonly #writer: SourceAppender | null;
  readonly #sources: Sources;
  readonly #waitMs: number;
  readonly #speakers: { appender: SourceAppender; key: KeyObject; fingerprint: string }[] = [];
  /** Last position that is no checkpoint, and the last that a signed head covers. */
  #newest = 0;
  #signed = 0;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  /** @param writer says the heads of the merged order; null where that is another process */
  constructor(merged: Merged, writer: SourceAppender | null, sources: Sources, waitMs: number) {
    this.#merged = merged;
    this.#writer = writer;
    this.#sources = sources;
    this.#waitMs = waitMs;
  }

  /** @throws ThroughlineError `log.refused` when the source's private key is not here */
  add(appender: SourceAppender): void {
    const { source } = appender;
    const fingerprint = this.#sources.known.get(source)?.fingerprint ?? "";
    this.#speakers.push({ appender, key: this.#sources.privateKey(source), fingerprint });
  }

  /** A record that is no checkpoint got this position. */
  saw(position: number): void {
    this.#newest = position;
    if (!this.#closed) this.#timer ??= setTimeout(() => this.#tick(), this.#waitMs);
  }

  #tick(): void {
    this.#timer = null;
    this.sign();
    const late = this.#speakers.some(({ appender: { lanes } }) =>
      [lanes.steps, lanes.events].some((lane) => lane.newest > lane.signed),
    );
    if (late || (this.#writer !== null && this.#newest > this.#signed))
      this.#timer ??= setTimeout(() => this.#tick(), this.#waitMs);
  }

  /** Appends a checkpoint for everything that is closed and not signed yet; with no room at all, the next one does. */
  sign(): void {
    if (!this.#merged.fits(this.#speakers.length * checkpointBytes)) return;
    for (const { appender, key, fingerprint } of this.#speakers) {
      for (const lane of [appender.lanes.steps, appender.lanes.events]) {
        const head = unsignedHead(lane);
        if (head === null) continue;
        lane.signed = Number(head.upTo);
        appender.append({ type: "log.checkpoint", subject: {}, data: signedHead(head, key, fingerprint) });
      }
    }
    this.#signMerged();
  }

  #signMerged(): void {
    const { written } = this.#merged;
    const own = this.#speakers.find(({ appender }) => appender === this.#writer);
    if (this.#writer === null || own === undefined || this.#newest <= this.#signed || written <= this.#signed) return;
    const { tenant, source } = this.#writer.lanes.events;
    const head = Buffer.from(this.#merged.head).toString("hex");
    const upTo = paddedSequence(written);
    const checkpoint: Checkpoint = { tenant, source, chain: "writer", stream: "writer", upTo, head };
    this.#signed = written;
    const data = signedHead(checkpoint, own.key, own.fingerprint);
    this.#writer.append({ type: "log.checkpoint", subject: {}, data });
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** Makes the data of a `log.checkpoint`. @param fingerprint of the public key */
export function signedHead(checkpoint: Checkpoint, key: KeyObject, fingerprint: string): EventData["log.checkpoint"] {
  const { chain, stream, upTo, head } = checkpoint;
  const signature = signText(key, checkpointText(checkpoint)).toString("base64");
  return { chain, stream, upTo, head, key: fingerprint, signature };
}

/** The lane's closed head as something to sign, or null when a checkpoint covers all that is new and closed. */
export function unsignedHead(lane: Lane): Checkpoint | null {
  if (lane.newest <= lane.signed || lane.sealed <= lane.signed) return null;
  const { tenant, source, stream } = lane;
  const head = Buffer.from(lane.head).toString("hex");
  return { tenant, source, chain: "source", stream, upTo: paddedSequence(lane.sealed), head };
}
