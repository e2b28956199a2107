/**
 * Blobs as files: `<folder>/blobs/ab/abcdef…`, named by their SHA-256, mode 0600, whole or absent.
 * What is read is checked against its name. It keeps everything for ever; retention is for whoever knows what is referenced.
 */
import { hash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { createFile, syncFolder } from "../log/durable-file.ts";
import { type Blobs, checkBytes, digestOf } from "./blobs.ts";

/** @param dataFolder its `blobs/` is used and made when needed */
export function openBlobs(dataFolder: string): Blobs {
  const folder = join(dataFolder, "blobs");
  return {
    put: async (bytes) => {
      checkBytes(bytes);
      const digest = hash("sha256", bytes, "hex");
      const shard = join(folder, digest.slice(0, 2));
      if (!existsSync(shard)) {
        mkdirSync(shard, { recursive: true, mode: 0o700 });
        syncFolder(folder);
        syncFolder(dataFolder);
      }
      createFile(join(shard, digest), bytes);
      return `sha256:${digest}`;
    },
    get: async (reference) => {
      const digest = digestOf(reference);
      const bytes = await readFile(join(folder, digest.slice(0, 2), digest)).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === "ENOENT") throw new ThroughlineError("not.found", `No blob ${reference}`);
        // No more files may be open, a disk that hangs: it is there, and can be had later.
        throw new ThroughlineError("blobs.unavailable", `The blob ${reference} cannot be read`, cause);
      });
      if (hash("sha256", bytes, "hex") !== digest)
        throw new ThroughlineError("export.damaged", `The blob ${reference} holds other bytes than its name says`);
      return bytes;
    },
    has: async (reference) => {
      const digest = digestOf(reference);
      return existsSync(join(folder, digest.slice(0, 2), digest));
    },
  };
}
