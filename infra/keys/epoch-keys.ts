/**
 * Keys that all gateways of a tenant share for a while: random, one per epoch, kept beside the session keys and erased
 * when nothing that was hashed under them is looked for any more. Then those hashes mean nothing to anybody.
 *
 * Whoever first needs an epoch's key makes it. It cannot reach copies of the storage, nor what a gateway that is cut off
 * still has in memory.
 */
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Keys } from "./keys.ts";

export interface EpochKey {
  readonly epoch: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export interface EpochLengths {
  readonly epochMs: number;
  /** How long what was hashed under a key is used. */
  readonly keptMs: number;
}

/** Epochs looked back for keys that nobody has erased: a gateway that was off for a year has company. */
const erasedBack = 4;

/**
 * Makes the key of this epoch where it is missing, and erases those that are over.
 * @returns the keys in use, the present one first. @throws ThroughlineError `keys.*`, `log.full`
 */
export async function turnEpochKeys(
  keys: Keys,
  tenant: string,
  nowMs: number,
  { epochMs, keptMs }: EpochLengths,
): Promise<readonly EpochKey[]> {
  const now = Math.floor(nowMs / epochMs);
  const oldest = Math.floor((nowMs - keptMs) / epochMs);
  const live: EpochKey[] = [{ epoch: now, key: await getOrMake(keys, idOf(tenant, now)) }];
  for (let epoch = now - 1; epoch >= oldest; epoch--) {
    const key = await getIfThere(keys, idOf(tenant, epoch));
    if (key !== null) live.push({ epoch, key });
  }
  for (let epoch = oldest - 1; epoch >= oldest - erasedBack; epoch--) {
    const id = idOf(tenant, epoch);
    if ((await getIfThere(keys, id)) !== null) await keys.erase(id);
  }
  return live;
}

function idOf(tenant: string, epoch: number): string {
  return `content ${tenant} ${epoch}`;
}

async function getOrMake(keys: Keys, id: string): Promise<Uint8Array> {
  const there = await getIfThere(keys, id);
  if (there !== null) return there;
  try {
    return await keys.create(id);
  } catch (error) {
    // Another gateway was quicker.
    if (!(error instanceof ThroughlineError) || error.code !== "request.invalid") throw error;
    const made = await keys.get(id);
    if (made === null) throw error;
    return made;
  }
}

/** @returns null when it was erased or never made */
async function getIfThere(keys: Keys, id: string): Promise<Uint8Array | null> {
  try {
    return await keys.get(id);
  } catch (error) {
    if (error instanceof ThroughlineError && error.code === "keys.missing") return null;
    throw error;
  }
}
