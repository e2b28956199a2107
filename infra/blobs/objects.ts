/**
 * Named bytes in storage that many machines share: what Blobs and Keys of many machines are made of.
 * A name is relative to the tenant's own place; no implementation can be asked for what is outside it.
 */
import { ThroughlineError } from "../../schemas/errors.ts";

export interface Objects {
  /** @returns null when nothing has that name. @throws ThroughlineError `frame.too_large` over `bytesMax`, `blobs.*` */
  get(name: string, bytesMax: number): Promise<Buffer | null>;
  has(name: string): Promise<boolean>;
  /** Writes it, over what is there; durable when this resolves. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Writes it if none is there, whoever else does; durable when this resolves. @returns false when one is, which stays */
  create(name: string, bytes: Uint8Array): Promise<boolean>;
  /** Whether what is overwritten can be had back: then nothing is erased here. */
  keepsVersions(): Promise<boolean>;
}

/** Letters that mean the same in a path, an address and a signature. */
const namePattern = /^[a-z0-9_-]+(?:[/.][a-z0-9_-]+)*$/;

/** @throws ThroughlineError `internal.bug`: names are made by this program, never taken from outside */
export function checkName(name: string): string {
  if (!namePattern.test(name)) throw new ThroughlineError("internal.bug", `${name} is no name of an object`);
  return name;
}
