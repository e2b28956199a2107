/**
 * The Store on one machine: the ClickHouse engine inside this process (chDB). The one file that imports it.
 *
 * One data folder per process, and a native query cannot be aborted: that is why projector and api run in a process of
 * their own. A second process on the same folder is refused by the engine.
 */
import { chmod, mkdir } from "node:fs/promises";
import { createChdbConnection } from "chdb/connection";
import { openStore, type StoreConnection, type StoreOptions } from "./clickhouse.ts";
import type { Store } from "./store.ts";

/** @throws ThroughlineError `store.unavailable` when the folder is in use or cannot be read */
export async function openChdbStore(folder: string, encodePosition: StoreOptions["encodePosition"]): Promise<Store> {
  // It holds clear text, and the engine itself makes folders that everybody may read.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  // The same interface, declared twice: chDB compiles against the client's older package of types.
  const connection = createChdbConnection({ path: folder }) as unknown as StoreConnection;
  return openStore({ at: { connection }, encodePosition });
}
