import assert from "node:assert/strict";
import fs, { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import promises, { type FileHandle, open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openBlobs } from "../../infra/blobs/blobs-folder.ts";
import { objectBlobs } from "../../infra/blobs/blobs-objects.ts";
import { folderObjects } from "../../infra/blobs/objects-folder.ts";
import { isCode } from "../log/contract.ts";
import { blobsContract, objectsContract } from "./contract.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "throughline-blobs-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const filesIn = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

blobsContract("a folder", () => openBlobs(folder));
blobsContract("a folder that machines share", () => objectBlobs(folderObjects(join(folder, "acme"))));
objectsContract("a folder", () => folderObjects(join(folder, "acme")));

describe("a folder of blobs", () => {
  it("notices that a blob was changed, and leaves nothing half written behind", async () => {
    const blobs = openBlobs(folder);
    const reference = await blobs.put(Buffer.from("a recording"));
    const digest = reference.slice(7);
    const shard = join(folder, "blobs", digest.slice(0, 2));
    assert.deepEqual(readdirSync(shard), [digest]);
    assert.equal(statSync(join(shard, digest)).mode & 0o077, 0);
    writeFileSync(join(shard, digest), "another recording");
    await assert.rejects(blobs.get(reference), isCode("export.damaged"));
  });
});

describe("a full disk", () => {
  const full = () => Object.assign(new Error("no space left on device"), { code: "ENOSPC" });

  it("keeps no half of a blob, however often it is tried", async (t) => {
    const written = fs.writeSync;
    t.mock.method(fs, "writeSync", (fd: number, bytes: Buffer, at: number) => {
      if (at > 0) throw full();
      return written(fd, bytes, at, 10);
    });
    syncBuiltinESMExports();
    const blobs = openBlobs(folder);
    try {
      for (let tries = 0; tries < 2; tries++) await assert.rejects(blobs.put(Buffer.alloc(100)), { code: "ENOSPC" });
    } finally {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    }
    assert.deepEqual(filesIn(folder), []);
  });

  it("keeps no half of an object either", async (t) => {
    const handle = await open(join(folder, "any"), "w");
    const prototype: FileHandle = Object.getPrototypeOf(handle);
    await handle.close();
    t.mock.method(prototype, "writeFile", async function (this: FileHandle, bytes: Uint8Array) {
      await this.write(bytes, 0, 10);
      throw full();
    });
    const objects = folderObjects(folder);
    await assert.rejects(objects.put("a/b", Buffer.alloc(100)), isCode("blobs.unavailable"));
    assert.deepEqual(filesIn(folder), ["any"]);
  });
});

describe("a file system that goes away in the middle", () => {
  it("is unavailable, which passes: nothing there counts as missing or as a fault of the program", async (t) => {
    const [blobs, objects] = [openBlobs(folder), folderObjects(folder)];
    const reference = await blobs.put(Buffer.from("a recording"));
    await objects.put("a/b", Buffer.from("an object"));
    const stale = async () => {
      throw Object.assign(new Error("stale file handle"), { code: "ESTALE" });
    };
    const handle = await open(join(folder, "a", "b"));
    t.mock.method(Object.getPrototypeOf(handle) as FileHandle, "readFile", stale);
    await handle.close();
    t.mock.method(promises, "readFile", stale);
    t.mock.method(promises, "stat", stale);
    syncBuiltinESMExports();
    try {
      await assert.rejects(objects.get("a/b", 100), isCode("blobs.unavailable"));
      await assert.rejects(objects.has("a/b"), isCode("blobs.unavailable"));
      await assert.rejects(blobs.get(reference), isCode("blobs.unavailable"));
    } finally {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    }
    assert.equal(String(await objects.get("a/b", 100)), "an object");
    assert.equal(String(await blobs.get(reference)), "a recording");
  });
});

describe("a folder of objects", () => {
  it("creates for one of many that try at once", async () => {
    const tries = Array.from({ length: 20 }, (_, i) => folderObjects(folder).create("a/b", Buffer.from(`try ${i}`)));
    const made = await Promise.all(tries);
    assert.equal(made.filter(Boolean).length, 1);
    assert.equal(String(await folderObjects(folder).get("a/b", 10)), `try ${made.indexOf(true)}`);
    assert.deepEqual(readdirSync(join(folder, "a")), ["b"]);
  });

  it("writes zeros over what it replaces, and a reader sees the old or the new, never those", async () => {
    const objects = folderObjects(folder);
    await objects.put("a/b", Buffer.from("secret"));
    linkSync(join(folder, "a", "b"), join(folder, "old"));
    let reading = true;
    const reader = (async () => {
      const seen = new Set<string>();
      while (reading) seen.add(String(await objects.get("a/b", 10)));
      return seen;
    })();
    for (let i = 0; i < 50; i++) await objects.put("a/b", Buffer.from(`word ${i % 10}`));
    reading = false;
    for (const text of await reader) assert.match(text, /^(secret|word \d)$/);
    assert.deepEqual(readFileSync(join(folder, "old")), Buffer.alloc(6));
    assert.equal(statSync(join(folder, "a", "b")).mode & 0o077, 0);
  });
});
