import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { slotBytes } from "../../infra/keys/key-slot.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import { keptKey, keyedHash, Nonces, open, openBytes, seal, sealBytes } from "../../infra/keys/seal.ts";
import { isCode } from "../log/contract.ts";
import { keysContract } from "./contract.ts";

let folder: string;
let file: string;
let keys: Keys;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "throughline-keys-"));
  file = join(folder, "keys", "session.keys");
  keys = await openKeys(folder);
});
afterEach(async () => {
  await keys.close();
  rmSync(folder, { recursive: true });
});

keysContract("a data folder", () => openKeys(folder));

describe("session keys", () => {
  it("come back after a restart, and in another process that opened before they were made", async () => {
    const other = await openKeys(folder);
    const made = await Promise.all(Array.from({ length: 300 }, (_, i) => keys.create(`session-${i}`)));
    assert.equal(new Set(made.map((key) => Buffer.from(key).toString("hex"))).size, 300);
    for (const [i, key] of made.entries()) assert.deepEqual(await other.get(`session-${i}`), key);
    await other.close();
    await keys.close();
    keys = await openKeys(folder);
    assert.deepEqual(await keys.get("session-7"), made[7]);
  });

  it("stand in the file only wrapped, and once erased not at all, in every process at once", async () => {
    const other = await openKeys(folder);
    const key = Buffer.from(await keys.create("session-1"));
    await keys.create("session-2");
    assert.equal(readFileSync(file).indexOf(key), -1);
    const before = readFileSync(file);
    const wrapped = before.subarray(slotBytes + 8, slotBytes + 68);
    assert.notDeepEqual(wrapped, Buffer.alloc(60));
    await other.get("session-1");
    await keys.erase("session-1");
    const after = readFileSync(file);
    assert.equal(after.indexOf(wrapped), -1);
    assert.equal(after.length, before.length);
    assert.equal(await keys.get("session-1"), null);
    assert.equal(await other.get("session-1"), null);
    assert.notEqual(await keys.get("session-2"), null);
    await keys.close();
    keys = await openKeys(folder);
    assert.equal(await keys.get("session-1"), null, "erased and unknown differ");
    await assert.rejects(keys.create("session-1"), isCode("request.invalid"));
    await other.close();
  });

  it("that never were are missing, not erased", async () => {
    await assert.rejects(keys.get("nobody"), isCode("keys.missing"));
    await assert.rejects(keys.erase("nobody"), isCode("keys.missing"));
  });

  it("do not open with another master key, and a lost one is not made anew", async () => {
    await keys.create("session-1");
    const master = join(folder, "keys", "master.key");
    const good = readFileSync(master);
    writeFileSync(master, Buffer.alloc(32, 7));
    await assert.rejects(openKeys(folder), isCode("keys.master"));
    rmSync(master);
    await assert.rejects(openKeys(folder), isCode("keys.master"));
    writeFileSync(master, good);
  });

  it("cannot be moved to another session's slot", async () => {
    await keys.create("session-a");
    await keys.create("session-b");
    const bytes = readFileSync(file);
    const [a, b] = [slotBytes + 8, 2 * slotBytes + 8];
    bytes.copy(bytes, a, b, b + 60);
    writeFileSync(file, bytes);
    await assert.rejects(keys.get("session-a"));
  });

  it("survive a slot that a crash left half written", async () => {
    const first = await keys.create("session-1");
    await keys.create("session-2");
    await keys.close();
    truncateSync(file, statSync(file).size - 200);
    keys = await openKeys(folder);
    const third = await keys.create("session-3");
    assert.deepEqual(await keys.get("session-1"), first);
    assert.deepEqual(await keys.get("session-3"), third);
    await assert.rejects(keys.get("session-2"), isCode("keys.missing"));
  });

  it("are for their user alone, and an id has a length", async () => {
    assert.equal(statSync(file).mode & 0o077, 0);
    assert.equal(statSync(join(folder, "keys", "master.key")).mode & 0o077, 0);
    await assert.rejects(keys.create(""), isCode("request.invalid"));
    await assert.rejects(keys.create("x".repeat(189)), isCode("request.invalid"));
  });

  it("give each tenant its own key, the same every time", async () => {
    const [a, b] = [await keys.tenantKey("a"), await keys.tenantKey("b")];
    assert.notDeepEqual(a, b);
    await keys.close();
    keys = await openKeys(folder);
    assert.deepEqual(await keys.tenantKey("a"), a);
  });
});

describe("sealing", () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });

  it("opens what it sealed, and never seals the same twice", () => {
    fc.assert(
      fc.property(key, fc.string({ unit: "grapheme" }), (one, text) => {
        const sealed = seal(one, text);
        assert.equal(open(one, sealed), text);
        assert.notEqual(seal(one, text), sealed);
        assert.equal(Buffer.from(sealed, "base64").length, 28 + Buffer.byteLength(text));
      }),
    );
  });

  it("with a kept key and drawn nonces is the same, and no nonce comes twice", () => {
    const [one, nonces] = [Buffer.alloc(32, 1), new Nonces()];
    const kept = keptKey(one);
    assert.equal(keyedHash(kept, "select 1"), keyedHash(one, "select 1"));
    const sealed = Array.from({ length: 2_000 }, () => seal(kept, "select 1", nonces));
    for (const text of sealed) assert.equal(open(one, text), "select 1");
    assert.equal(new Set(sealed.map((text) => text.slice(0, 16))).size, sealed.length);
    const few = new Nonces(2);
    const held = [few.next(), few.next()].map((nonce) => [nonce, nonce.toString("hex")] as const);
    few.next();
    for (const [nonce, was] of held) assert.equal(nonce.toString("hex"), was, "drawing more changes none given before");
  });

  it("refuses another key, another purpose, and every flipped bit", () => {
    const one = Buffer.alloc(32, 1);
    const sealed = seal(one, "select 1");
    assert.throws(() => open(Buffer.alloc(32, 2), sealed), isCode("keys.missing"));
    assert.throws(() => open(one, ""), isCode("keys.missing"));
    const bytes = Buffer.from(sealed, "base64");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const wrong = Buffer.from(bytes);
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(openBytes(one, wrong, ""), null);
    }
    assert.equal(openBytes(one, sealBytes(one, bytes, "a"), "b"), null);
  });

  it("hashes as HMAC-SHA-256 of RFC 4231", () => {
    const hashed = keyedHash(Buffer.from("Jefe"), "what do ya want for nothing?");
    assert.equal(hashed, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  });
});
