/**
 * The Store on one machine: the ClickHouse engine inside this process (chDB). The one file that imports it.
 *
 * One data folder per process, and a native query cannot be aborted: that is why projector and api run in a process of
 * their own. A second process on the same folder is refused by the engine.
 *
 * chDB's own `exec` reads what is to be inserted as UTF-8 text and so damages binary formats. Here the bytes pass
 * through a file beside the engine's own, which is gone when the insert is.
 */
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createChdbConnection } from "chdb/connection";
import { ThroughlineError } from "../../schemas/errors.ts";
import { openStore, type StoreOptions } from "./clickhouse.ts";
import { openEngine, type StoreConnection } from "./engine.ts";
import type { Store } from "./store.ts";

/** @throws ThroughlineError `store.unavailable` when the folder is in use or cannot be read, and as openStore does */
export async function openChdbStore(folder: string, options: StoreOptions): Promise<Store> {
  const engine = openEngine({ connection: await openChdb(folder) });
  return openStore(engine, options);
}

/** The engine as the official client takes it. */
export async function openChdb(folder: string): Promise<StoreConnection> {
  // It holds clear text, and the engine itself makes folders that everybody may read.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const inserts = join(folder, "inserts");
  // What a process that was killed in the middle of an insert left.
  await rm(inserts, { recursive: true, force: true });
  await mkdir(inserts, { mode: 0o700 });
  const connection = connect(folder);
  const exec = connection.exec.bind(connection);
  let inserted = 0;
  connection.exec = async (params) => {
    if (params.values === undefined) return exec(params);
    inserted += 1;
    const file = join(inserts, `${inserted}`);
    const { values, ...rest } = params;
    try {
      await writeFile(file, values, { mode: 0o600 });
      return await exec({ ...rest, query: fromFile(params.query, file) });
    } finally {
      // Half a file too: each try would leave another, and a full disk would never be anything else.
      await rm(file, { force: true });
    }
  };
  return connection;
}

function connect(folder: string): StoreConnection {
  try {
    // The same interface, declared twice: chDB compiles against the client's older package of types.
    return createChdbConnection({ path: folder }) as unknown as StoreConnection;
  } catch (cause) {
    throw new ThroughlineError("store.unavailable", `The store in ${folder} cannot be opened`, cause);
  }
}

/** `INSERT INTO t (…) SETTINGS … FORMAT f` as the engine has it for a file. */
function fromFile(query: string, file: string): string {
  const parts = /^(INSERT INTO [^)]*\)) (SETTINGS .*)$/s.exec(query.trim());
  if (!parts) throw new ThroughlineError("internal.bug", "An insert has not the form that chDB is given");
  return `${parts[1]} FROM INFILE '${file.replace(/[\\']/g, "\\$&")}' ${parts[2]}`;
}
