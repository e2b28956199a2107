/**
 * Blobs in storage that many machines share: `blobs/ab/abcdef…`, named by their SHA-256. What is read is checked against
 * its name, so whoever may write to the storage can take a blob away, and never give another for it.
 * Putting writes again what is there: so a blob that was damaged is whole again.
 */
import { hash } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { type Blobs, checkBytes, digestOf } from "./blobs.ts";
import type { Objects } from "./objects.ts";

export function objectBlobs(objects: Objects): Blobs {
  return {
    async put(bytes) {
      checkBytes(bytes);
      const digest = hash("sha256", bytes, "hex");
      await objects.put(nameOf(digest), bytes);
      return `sha256:${digest}`;
    },
    async get(reference) {
      const digest = digestOf(reference);
      const bytes = await objects.get(nameOf(digest), limits.blobBytesMax);
      if (bytes === null) throw new ThroughlineError("not.found", `No blob ${reference}`);
      if (hash("sha256", bytes, "hex") !== digest)
        throw new ThroughlineError("export.damaged", `The blob ${reference} holds other bytes than its name says`);
      return bytes;
    },
    has: async (reference) => objects.has(nameOf(digestOf(reference))),
  };
}

const nameOf = (digest: string) => `blobs/${digest.slice(0, 2)}/${digest}`;
