import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Blobs } from "../../infra/blobs/blobs.ts";
import { openBlobs } from "../../infra/blobs/blobs-folder.ts";
import { isCode } from "../log/contract.ts";

/** What every implementation of Blobs promises. */
function blobsContract(name: string, open: () => Blobs): void {
  describe(`${name} keeps the contract of blobs`, () => {
    it("gives back what was put, by its content, once", async () => {
      const blobs = open();
      const bytes = Buffer.from("a recording");
      const reference = await blobs.put(bytes);
      assert.equal(reference, "sha256:973d5cd4d1c9a99d1e00481a952b1f3664919095bb4f153c489091d1123c9cde");
      assert.equal(await blobs.put(bytes), reference);
      assert.deepEqual(Buffer.from(await blobs.get(reference)), bytes);
      assert.equal(await blobs.has(reference), true);
      assert.deepEqual(Buffer.from(await blobs.get(await blobs.put(Buffer.alloc(0)))), Buffer.alloc(0));
    });

    it("does not find what was never put, nor what is no reference", async () => {
      const blobs = open();
      const nothing = `sha256:${"0".repeat(64)}`;
      assert.equal(await blobs.has(nothing), false);
      await assert.rejects(blobs.get(nothing), isCode("not.found"));
      await assert.rejects(blobs.get("sha256:../../keys/master.key"), isCode("not.found"));
    });
  });
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "throughline-blobs-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

blobsContract("a folder", () => openBlobs(folder));

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
