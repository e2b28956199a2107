/**
 * One slot of the key file, 256 bytes, so that no slot crosses a disk sector and writing one over is all or nothing:
 *
 *    0  01                  state: 0 empty, 1 live, 2 erased
 *    1  0c                  bytes of the key id
 *    2  zero                (2)
 *    4  5e 0c 1f 77         crc32 of everything from offset 8, with the first four bytes in front
 *    8  nonce(12) ‖ wrapped key(32) ‖ tag(16), zeros once erased
 *   68  key id, UTF-8, up to 188 bytes
 */
import { crc32 } from "node:zlib";
import { ThroughlineError } from "../../schemas/errors.ts";

export const slotBytes = 256;
const idBytesMax = 188;
const wrappedBytes = 60;

export interface Slot {
  readonly keyId: string;
  /** Null once erased. */
  readonly wrapped: Buffer | null;
}

/** @throws ThroughlineError `request.invalid` when the id is empty or over 188 bytes */
export function writeSlot({ keyId, wrapped }: Slot): Buffer {
  const id = Buffer.from(keyId);
  if (id.length === 0 || id.length > idBytesMax)
    throw new ThroughlineError("request.invalid", `A key id has 1 to ${idBytesMax} bytes`);
  const slot = Buffer.alloc(slotBytes);
  slot[0] = wrapped === null ? 2 : 1;
  slot[1] = id.length;
  wrapped?.copy(slot, 8, 0, wrappedBytes);
  id.copy(slot, 8 + wrappedBytes);
  slot.writeUInt32LE(checksum(slot), 4);
  return slot;
}

/** @returns null for a slot that was never wholly written */
export function readSlot(slot: Buffer): Slot | null {
  if (slot.length !== slotBytes || (slot[0] !== 1 && slot[0] !== 2) || slot.readUInt32LE(4) !== checksum(slot))
    return null;
  const keyId = slot.toString("utf8", 8 + wrappedBytes, 8 + wrappedBytes + (slot[1] ?? 0));
  return { keyId, wrapped: slot[0] === 2 ? null : Buffer.from(slot.subarray(8, 8 + wrappedBytes)) };
}

function checksum(slot: Buffer): number {
  return crc32(slot.subarray(8), crc32(slot.subarray(0, 4)));
}
