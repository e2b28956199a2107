/** Large things by content: recordings, payloads over the event limit, sealed ranges of the log. */
export interface Blobs {
  /** @returns `sha256:<hex>`; durable when this resolves; putting the same bytes twice is one blob. */
  put(bytes: Uint8Array): Promise<string>;
  /** @throws ThroughlineError `not.found`, or `export.damaged` when the bytes do not match the reference */
  get(reference: string): Promise<Uint8Array>;
  has(reference: string): Promise<boolean>;
}
