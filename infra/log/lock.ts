/**
 * One process per data folder. The kernel keeps the lock (SQLite's exclusive file lock is the one Node can take without
 * another program), so it is gone the moment its process is, however that died, and a process id used again fools nobody.
 * The holder's id stands beside it in a file that is only for the message.
 * It cannot protect a folder on a network file system without locks.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ThroughlineError } from "../../schemas/errors.ts";

export interface Lock {
  release(): void;
}

/** @throws ThroughlineError `log.locked` naming the process that holds the folder */
export function lockFolder(folder: string): Lock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ownerFile = join(folder, "lock.owner");
  const file = join(folder, "lock");
  const kept = new DatabaseSync(file, { timeout: 0 });
  // By name only: opening and closing the file here once more would drop the lock that this process may hold on it.
  chmodSync(file, 0o600);
  try {
    kept.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    kept.close();
    throw new ThroughlineError("log.locked", `${folder} is in use by process ${ownerOf(ownerFile)}`, cause);
  }
  writeFileSync(ownerFile, String(process.pid), { mode: 0o600 });
  return { release: () => kept.close() };
}

function ownerOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "(id not written yet)";
  }
}
