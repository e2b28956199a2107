/** What every implementation of Blobs, and of the objects below them, promises. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import type { Blobs } from "../../infra/blobs/blobs.ts";
import type { Objects } from "../../infra/blobs/objects.ts";
import { isCode } from "../log/contract.ts";

export function blobsContract(name: string, open: () => Blobs): void {
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

    it("keeps every byte of a large one, and what another opened instance put", async () => {
      const bytes = Buffer.alloc(3 * 1024 * 1024 + 7, randomUUID());
      const reference = await open().put(bytes);
      assert.ok(bytes.equals(await open().get(reference)));
    });

    it("does not find what was never put, nor what is no reference", async () => {
      const blobs = open();
      const nothing = `sha256:${"0".repeat(64)}`;
      assert.equal(await blobs.has(nothing), false);
      await assert.rejects(blobs.get(nothing), isCode("not.found"));
      await assert.rejects(blobs.get("sha256:../../keys/master.key"), isCode("not.found"));
      await assert.rejects(blobs.has(`${nothing}/..`), isCode("not.found"));
    });
  });
}

export function objectsContract(name: string, open: () => Objects): void {
  const fresh = () => `test/${randomUUID()}`;
  describe(`${name} keeps the contract of objects`, () => {
    it("has nothing, then what was put, then what was put over it", async () => {
      const [objects, one] = [open(), fresh()];
      assert.equal(await objects.get(one, 100), null);
      assert.equal(await objects.has(one), false);
      await objects.put(one, Buffer.from("first"));
      assert.equal(await objects.has(one), true);
      await objects.put(one, Buffer.from("second"));
      assert.equal(String(await objects.get(one, 100)), "second");
    });

    it("creates once, whatever was there before: nothing that came first is written over", async () => {
      const [objects, one, two] = [open(), fresh(), fresh()];
      assert.equal(await objects.create(one, Buffer.from("first")), true);
      assert.equal(await objects.create(one, Buffer.from("second")), false);
      assert.equal(await objects.create(one, Buffer.from("first")), false);
      assert.equal(String(await objects.get(one, 100)), "first");
      await objects.put(two, Buffer.from("put"));
      assert.equal(await open().create(two, Buffer.from("created")), false);
      assert.equal(String(await objects.get(two, 100)), "put");
    });

    it("gives nothing larger than was asked for", async () => {
      const [objects, one] = [open(), fresh()];
      await objects.put(one, Buffer.alloc(101));
      await assert.rejects(objects.get(one, 100), isCode("frame.too_large"));
      assert.equal((await objects.get(one, 101))?.length, 101);
    });

    it("is never asked for what is outside its own place", async () => {
      const objects = open();
      for (const name of ["../b/x", "/etc/passwd", "a//b", "a/./b", "A", "a b", "a?versioning", "", "a/"])
        await assert.rejects(async () => objects.get(name, 1), isCode("internal.bug"));
    });
  });
}
