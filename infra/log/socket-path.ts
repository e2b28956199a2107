/**
 * Where the log's socket is, and how to name it to the kernel: an address holds 107 bytes, a folder's path may be longer.
 * Then the folder is opened and the socket is named through it (`/proc/self/fd/7/socket`), which is Linux's way only.
 */
import { closeSync, constants, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";

/** sockaddr_un holds 108 bytes with the final zero. */
const addressBytesMax = 107;

export interface SocketAddress {
  /** For listen and connect; good until it is released. */
  readonly path: string;
  release(): void;
}

export function socketPath(dataFolder: string): string {
  return join(dataFolder, "log", "socket");
}

/** @throws ThroughlineError `config.invalid` when the path is too long where folders have no short names */
export function socketAddress(path: string, system: NodeJS.Platform = process.platform): SocketAddress {
  if (Buffer.byteLength(path) <= addressBytesMax) return { path, release: () => undefined };
  if (system !== "linux")
    throw new ThroughlineError("config.invalid", `The path of the data folder is too long for a socket: ${path}`);
  const folder = openFolder(dirname(path));
  return {
    path: join("/proc/self/fd", folder === null ? "none" : String(folder), basename(path)),
    release() {
      if (folder !== null) closeSync(folder);
    },
  };
}

/** @returns null when it is not there (yet): connecting fails as it does where the socket is not there */
function openFolder(folder: string): number | null {
  try {
    return openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw new ThroughlineError("config.unreadable", `The folder ${folder} cannot be opened`, cause);
  }
}
