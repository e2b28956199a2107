/**
 * `throughline store rebuild`: empties the store and fills it from the log. Gateways and correlators may run; projector and
 * api must not (the store's lock says so), because nobody may read half a store for a whole one. Started again after it
 * was interrupted, it goes on. When the service is started instead, its projector goes on.
 *
 * The log is read from the data folder; on one machine whose gateway runs, through that gateway's socket.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openBlobsFor } from "../infra/blobs/open.ts";
import { loadConfig } from "../infra/config.ts";
import { openKeysFor } from "../infra/keys/open.ts";
import { openJournal } from "../infra/log/journal.ts";
import type { Log } from "../infra/log/log.ts";
import { encodePosition } from "../infra/log/position.ts";
import { openSocketLog } from "../infra/log/socket-client.ts";
import { sourcesOf } from "../infra/log/sources.ts";
import { openEmptiedStore } from "../infra/store/open.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { type Progress, rebuild } from "./projector/rebuild.ts";

export interface RebuildOptions {
  readonly file: string;
  readonly now: () => number;
  readonly progress: (progress: Progress) => void;
  readonly complain: (what: string) => void;
  readonly fatal: (error: Error) => void;
}

/** @returns how many records were written @throws ThroughlineError `log.locked`, `store.unavailable`, `config.invalid` */
export async function rebuildStore(options: RebuildOptions): Promise<number> {
  const config = await loadConfig(options.file);
  const store = await openEmptiedStore(config, encodePosition);
  const log = await openLogOf(config, options);
  const keys = await openKeysFor(config, options.now);
  try {
    const { now, progress, complain } = options;
    const shared = { log, store, keys, blobs: openBlobsFor(config, now), tenant: config.tenant };
    const written = await rebuild({ ...shared, now, wait, progress, complain });
    await store.filled();
    return written;
  } finally {
    await log.close();
    await store.close();
    await keys.close();
  }
}

/** The log of a data folder, from the folder itself or from the process that has it open. */
export async function openLogOf(config: Config, { now, fatal }: Pick<RebuildOptions, "now" | "fatal">): Promise<Log> {
  const { data: folder, tenant, name } = config;
  const sources = sourcesOf(config);
  try {
    // The archive of a shared log has a writer of its own: the process's is that of its spool.
    return await openJournal({ folder, tenant, name: config.log ? `${name}-archive` : name, now, fatal, sources });
  } catch (error) {
    const isHeld = error instanceof ThroughlineError && error.code === "log.locked";
    if (!isHeld || config.log) throw error;
    return await openSocketLog({ folder, name, roles: ["projector"], now });
  }
}

/** Resolves after so many milliseconds, or at once when the signal says so. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined);
}
