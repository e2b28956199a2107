/**
 * Objects as files of a folder that several machines mount: 0600 each, whole or absent. What is overwritten is also
 * written over with zeros. It cannot reach what a file system, a snapshot or an SSD keeps beside the file.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { createFile, syncFolder } from "../log/durable-file.ts";
import { checkName, type Objects } from "./objects.ts";

/** @param folder made when needed; the tenant's own */
export function folderObjects(folder: string): Objects {
  const pathOf = (name: string) => join(folder, checkName(name));
  return {
    get: (name, bytesMax) => reach(pathOf(name), (path) => read(path, bytesMax)),
    has: (name) => reach(pathOf(name), isThere),
    put: (name, bytes) =>
      reach(pathOf(name), async (path) => {
        await makeFolder(dirname(path), folder);
        await replace(path, bytes);
      }),
    create: (name, bytes) =>
      reach(pathOf(name), async (path) => {
        await makeFolder(dirname(path), folder);
        return createFile(path, bytes);
      }),
    keepsVersions: async () => false,
  };
}

/** A server of files that goes away in the middle of anything (ESTALE, EIO) comes back: whoever asked asks again. */
async function reach<T>(path: string, work: (path: string) => Promise<T>): Promise<T> {
  try {
    return await work(path);
  } catch (cause) {
    if (cause instanceof ThroughlineError) throw cause;
    throw new ThroughlineError("blobs.unavailable", `The storage does not give or take ${path}`, cause);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw cause;
  }
}

async function read(path: string, bytesMax: number): Promise<Buffer | null> {
  for (;;) {
    const file = await openExisting(path, "r");
    if (file === null) return null;
    try {
      const { size, ino } = await file.stat();
      if (size > bytesMax) throw new ThroughlineError("frame.too_large", `${path} has ${size} bytes`);
      const bytes = await file.readFile();
      // What was replaced meanwhile is being written over with zeros: it is read again under its name.
      if ((await stat(path)).ino === ino) return bytes;
    } finally {
      await file.close();
    }
  }
}

async function replace(path: string, bytes: Uint8Array): Promise<void> {
  const old = await openExisting(path, "r+");
  try {
    await rename(await writeBeside(path, bytes), path);
    syncFolder(dirname(path));
    if (old !== null) await blank(old);
  } finally {
    await old?.close();
  }
}

async function writeBeside(path: string, bytes: Uint8Array): Promise<string> {
  const beside = `${path}.${randomUUID()}.new`;
  const file = await open(beside, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    // Half a file as well: each try would leave another.
    await rm(beside, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return beside;
}

async function blank(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const zeros = Buffer.alloc(Math.min(size, 1024 * 1024));
  for (let at = 0; at < size; at += zeros.length) await file.write(zeros, 0, Math.min(zeros.length, size - at), at);
  await file.datasync();
}

async function openExisting(path: string, flags: "r" | "r+"): Promise<FileHandle | null> {
  try {
    return await open(path, flags);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw cause;
  }
}

/** Makes folders down to this one, durably. */
async function makeFolder(folder: string, root: string): Promise<void> {
  if (existsSync(folder)) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (let at = folder; at.startsWith(root); at = dirname(at)) syncFolder(dirname(at));
}
