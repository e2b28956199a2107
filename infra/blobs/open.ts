/** The shared storage and the blobs that the configuration names; a folder of this machine where it names none. */
import { join } from "node:path";
import type { Config } from "../../schemas/config.ts";
import type { Blobs } from "./blobs.ts";
import { openBlobs } from "./blobs-folder.ts";
import { objectBlobs } from "./blobs-objects.ts";
import type { Objects } from "./objects.ts";
import { folderObjects } from "./objects-folder.ts";
import { s3Objects } from "./objects-s3.ts";

/** @param now the clock, milliseconds */
export function openBlobsFor(config: Config, now: () => number): Blobs {
  const objects = openObjectsFor(config, now);
  return objects === null ? openBlobs(config.data) : objectBlobs(objects);
}

/** @returns the tenant's own place in shared storage, null where none is configured. @throws ThroughlineError `config.unreadable` */
export function openObjectsFor({ blobs, tenant }: Config, now: () => number): Objects | null {
  if (blobs?.folder !== undefined) return folderObjects(join(blobs.folder, tenant));
  if (blobs?.s3 === undefined) return null;
  const { prefix, ...s3 } = blobs.s3;
  return s3Objects({ ...s3, now }, `${prefix === undefined ? "" : `${prefix}/`}${tenant}/`);
}
