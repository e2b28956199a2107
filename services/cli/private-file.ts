/**
 * Files with secrets: 0600 in a 0700 folder, replaced whole, so that a reader sees the old text or the new, and nobody
 * else sees either. It refuses to follow a symbolic link that somebody else left in the way.
 */
import { chmod, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { failed } from "./failure.ts";

/** @returns the text, or null when there is no such file. */
export async function readPrivate(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isCode(error, "ENOENT")) return null;
    throw failed("config.unreadable", `Cannot read ${path}.`);
  }
}

/** @throws CliFailure `config.unreadable` when the folder cannot be written. */
export async function writePrivate(path: string, text: string, mode = 0o600): Promise<void> {
  const next = `${path}.${process.pid}.new`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // wx: a file or link of that name that is already there is not ours.
    const file = await open(next, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(next, mode);
    await rename(next, path);
  } catch (error) {
    throw failed("config.unreadable", `Cannot write ${path}: ${error instanceof Error ? error.message : "unknown"}.`);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
