/**
 * The hash chain of one source and stream ("lane"), and of the writer's merged order: batch by batch,
 * head' = SHA-256(head ‖ SHA-256(bytes of the batch)). The bytes are, for a lane, the parts its source said; for the
 * writer, of every record the two headers and the source's name, and behind the last record of each batch the lane's
 * head, which stands for all that was said in it: nothing is hashed twice.
 * Changing, removing or swapping anything before a signed head gives another head. It cannot see what was cut after the
 * last signed head.
 */
import { hash } from "node:crypto";
import type { Stream } from "../../schemas/event.ts";

const pair = 64;

/** The head before the first record: another one for every tenant, source and stream. */
export function firstHead(tenant: string, source: string, stream: Stream | "writer"): Buffer {
  return hash("sha256", `throughline chain v1\n${tenant}\n${source}\n${stream}\n`, "buffer");
}

/** @param batch SHA-256 of the batch's bytes */
export function nextHead(head: Uint8Array, batch: Uint8Array): Buffer {
  const both = Buffer.allocUnsafe(pair);
  both.set(head, 0);
  both.set(batch, 32);
  return hash("sha256", both, "buffer");
}

export function batchHash(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}
