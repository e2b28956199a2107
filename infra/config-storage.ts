/** The part of the configuration that many machines share (schemas/storage-config.ts): paths, and what a shape cannot say. */
import type { Config } from "../schemas/config.ts";

type StorageConfig = Pick<Config, "log" | "blobs" | "keys" | "sources" | "privateKeys">;

/** @param at makes a path absolute */
export function absoluteStorage({ blobs, keys, sources, privateKeys }: StorageConfig, at: (path: string) => string) {
  const s3 = blobs?.s3;
  return {
    ...(blobs?.folder ? { blobs: { folder: at(blobs.folder) } } : {}),
    ...(s3
      ? {
          blobs: {
            s3: {
              ...s3,
              accessKeyFile: at(s3.accessKeyFile),
              secretKeyFile: at(s3.secretKeyFile),
              ...(s3.caFile ? { caFile: at(s3.caFile) } : {}),
            },
          },
        }
      : {}),
    ...(keys
      ? {
          keys: {
            ...keys,
            masterKeyFile: at(keys.masterKeyFile),
            ...(keys.tenantKeyFile ? { tenantKeyFile: at(keys.tenantKeyFile) } : {}),
          },
        }
      : {}),
    ...(sources ? { sources: at(sources) } : {}),
    ...(privateKeys ? { privateKeys: at(privateKeys) } : {}),
  };
}

/** @returns what contradicts itself: the key, and a sentence */
export function storageContradictions({ log, blobs, keys, sources, privateKeys }: StorageConfig): [string[], string][] {
  const found: [string[], string][] = [];
  const s3 = blobs?.s3;
  if (blobs && (s3 === undefined) === (blobs.folder === undefined))
    found.push([["blobs"], "needs either s3 or folder"]);
  if (keys && !blobs) found.push([["keys"], "in: blobs needs blobs: storage that every machine reaches"]);
  if (sources && !log) found.push([["sources"], "needs log.kafka: one machine makes its own, in its data folder"]);
  if (privateKeys && !sources) found.push([["privateKeys"], "needs sources: the registry that the keys belong to"]);
  if (s3?.endpoint.startsWith("http:") && !s3.allowInsecure && !isThisMachine(new URL(s3.endpoint).hostname)) {
    const what = "http lets others read and change what is stored: use https, or set blobs.s3.allowInsecure: true";
    found.push([["blobs", "s3", "endpoint"], what]);
  }
  return found;
}

const isThisMachine = (host: string) => host === "localhost" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
