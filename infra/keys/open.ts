/** The session keys and grant keys that the configuration names; in the data folder where it names none. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { openObjectsFor } from "../blobs/open.ts";
import { type GrantKeys, openGrantKeys } from "./grant-keys.ts";
import type { Keys } from "./keys.ts";
import { openKeys } from "./keys-folder.ts";
import { openObjectKeys } from "./keys-objects.ts";

/**
 * @param now the clock, milliseconds
 * @throws ThroughlineError `keys.master`, `keys.exposed`, `keys.unreadable`, `config.invalid`, `blobs.*`
 */
export async function openKeysFor(config: Config, now: () => number): Promise<Keys> {
  const { keys, tenant } = config;
  if (keys === undefined) return openKeys(config.data);
  const objects = openObjectsFor(config, now);
  if (objects === null) throw new ThroughlineError("config.invalid", "keys.in: blobs needs blobs");
  const master = readKey(keys.masterKeyFile);
  const tenantKey = keys.tenantKeyFile === undefined ? {} : { tenantKey: readKey(keys.tenantKeyFile) };
  return openObjectKeys({ objects, tenant, master, ...tenantKey, now: () => performance.now() });
}

/** The keys that Grants are derived from: of many machines one file, given to each, and never made by one of them. */
export async function openGrantKeysFor({ privateKeys, data }: Config): Promise<GrantKeys> {
  if (privateKeys === undefined) return openGrantKeys(join(data, "keys", "grant.keys"));
  const file = join(privateKeys, "grant.keys");
  statOf(file);
  return openGrantKeys(file, othersMask);
}

/** A group may read a secret: that is how orchestrators hand one to a process that is not root. */
const othersMask = 0o027;

function readKey(file: string): Buffer {
  const { mode } = statOf(file);
  if ((mode & othersMask) !== 0)
    throw new ThroughlineError(
      "keys.exposed",
      `${file} has mode ${(mode & 0o777).toString(8)}: others may read or write it`,
    );
  const key = readFileSync(file);
  if (key.length !== 32) throw new ThroughlineError("keys.unreadable", `${file} has ${key.length} bytes, a key has 32`);
  return key;
}

function statOf(file: string): Stats {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new ThroughlineError("config.unreadable", `There is no ${file}`);
  return found;
}
