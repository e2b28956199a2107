/** Large things by content: recordings, payloads over the event limit, sealed ranges of the log. */
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";

export interface Blobs {
  /**
   * @returns `sha256:<hex>`; durable when this resolves; putting the same bytes twice is one blob.
   * @throws ThroughlineError `frame.too_large` over `blobBytesMax`, `blobs.unavailable`, `blobs.refused`
   */
  put(bytes: Uint8Array): Promise<string>;
  /** @throws ThroughlineError `not.found`, or `export.damaged` when the bytes do not match the reference; as put */
  get(reference: string): Promise<Uint8Array>;
  has(reference: string): Promise<boolean>;
}

/** Only a digest becomes a path. @throws ThroughlineError `not.found` */
export function digestOf(reference: string): string {
  const digest = /^sha256:([0-9a-f]{64})$/.exec(reference)?.[1];
  if (digest === undefined) throw new ThroughlineError("not.found", "A blob's reference is sha256:<64 hex digits>");
  return digest;
}

/** @throws ThroughlineError `frame.too_large` */
export function checkBytes(bytes: Uint8Array): void {
  if (bytes.length > limits.blobBytesMax)
    throw new ThroughlineError("frame.too_large", `A blob of ${bytes.length} bytes is over ${limits.blobBytesMax}`);
}
