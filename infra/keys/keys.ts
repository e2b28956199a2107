/**
 * Session keys: what makes recorded text readable, and unreadable for ever once erased.
 * A key is wrapped by the master key and durable before `session.opened` is appended.
 */
export interface Keys {
  /** Makes a random 32-byte key, durable when this resolves. @throws ThroughlineError `keys.master` */
  create(keyId: string): Promise<Uint8Array>;
  /** @returns null when it was erased. @throws ThroughlineError `keys.missing` when it never was here */
  get(keyId: string): Promise<Uint8Array | null>;
  /** Erases it; a tombstone stays, so that "erased" and "unknown" differ. Durable when this resolves. */
  erase(keyId: string): Promise<void>;
  /** Key for hashes that are compared across sessions of one tenant. */
  tenantKey(tenant: string): Promise<Uint8Array>;
  close(): Promise<void>;
}
