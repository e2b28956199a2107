import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Objects } from "../../infra/blobs/objects.ts";
import { folderObjects } from "../../infra/blobs/objects-folder.ts";
import { s3Objects } from "../../infra/blobs/objects-s3.ts";
import { KeptKeys } from "../../infra/keys/kept-keys.ts";
import { keyObjectName } from "../../infra/keys/key-object.ts";
import type { Keys } from "../../infra/keys/keys.ts";
import { openObjectKeys } from "../../infra/keys/keys-objects.ts";
import { limits } from "../../schemas/limits.ts";
import { type Front, openFront } from "../blobs/front.ts";
import { type Moto, startMoto } from "../blobs/moto.ts";
import { isCode } from "../log/contract.ts";
import { keysContract } from "./contract.ts";

let folder: string;
let moto: Moto;
let front: Front;
let nowMs = 0;
before(async () => {
  moto = await startMoto();
});
after(() => moto.close());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "throughline-keys-"));
  front = await openFront(moto.endpoint);
});
afterEach(async () => {
  await front.close();
  rmSync(folder, { recursive: true });
});

const master = (byte = 1) => Buffer.alloc(32, byte);
const shelf = (tenant = "acme") => folderObjects(join(folder, tenant));
const open = (objects: Objects, tenant = "acme", byte = 1) =>
  openObjectKeys({ objects, tenant, master: master(byte), now: () => nowMs });
/** Each test its own prefix in the one bucket; through the front. */
let shelves = 0;
const bucket = (prefix = `acme-${shelves++}/`) => {
  const { bucket, credentials } = moto;
  const where = { endpoint: front.endpoint, bucket, region: "us-east-1", pathStyle: true, ...credentials };
  return s3Objects({ ...where, now: Date.now, bounds: { objectAnswerMsMax: 2_000 } }, prefix);
};
const nameOf = (keyId: string, tenant = "acme") => keyObjectName({ tenant, key: master() }, keyId);

keysContract("a folder that machines share", () => open(shelf()));
keysContract("S3-compatible storage", () => open(bucket("contract/")));

describe("session keys as objects", () => {
  let objects: Objects;
  let keys: Keys;
  beforeEach(async () => {
    objects = shelf();
    keys = await open(objects);
  });
  afterEach(() => keys.close());

  it("stand there only wrapped, and once erased not at all", async () => {
    const key = Buffer.from(await keys.create("s1"));
    const stored = await objects.get(nameOf("s1"), 1024);
    const wrapped = (JSON.parse(String(stored)) as { wrapped: string }).wrapped;
    assert.equal(Buffer.from(wrapped, "base64").length, 60);
    assert.equal(Buffer.from(wrapped, "base64").indexOf(key), -1);
    assert.equal(String(stored).includes(key.toString("base64")), false);
    await keys.erase("s1");
    const tombstone = JSON.parse(String(await objects.get(nameOf("s1"), 1024))) as object;
    assert.deepEqual(Object.keys(tombstone), ["version", "keyId", "erased"]);
  });

  it("do not open with another master key", async () => {
    await assert.rejects(open(objects, "acme", 2), isCode("keys.master"));
  });

  it("of one tenant do not open for another, even with the same master key and the object in its place", async () => {
    await keys.create("s1");
    const other = await open(shelf("other"), "other");
    await assert.rejects(other.get("s1"), isCode("keys.missing"));
    const stolen = await objects.get(nameOf("s1"), 1024);
    await shelf("other").put(nameOf("s1", "other"), stolen ?? Buffer.alloc(0));
    await assert.rejects(other.get("s1"), isCode("keys.master"));
    await assert.rejects(other.tenantKey("acme"), isCode("request.invalid"));
    assert.notDeepEqual(await other.tenantKey("other"), await keys.tenantKey("acme"));
    await other.close();
    await assert.rejects(open(objects, "other"), isCode("keys.master"), "acme's place is not taken over either");
  });

  it("cannot be swapped, nor said to be erased, by whoever may write to the storage", async () => {
    await keys.create("s1");
    await keys.create("s2");
    const second = (await objects.get(nameOf("s2"), 1024)) ?? Buffer.alloc(0);
    await objects.put(nameOf("s1"), second);
    await assert.rejects(keys.get("s1"), isCode("keys.unreadable"));
    await objects.put(nameOf("s1"), Buffer.from(String(second).replace('"s2"', '"s1"')));
    await assert.rejects(keys.get("s1"), isCode("keys.master"));
    await objects.put(nameOf("s1"), Buffer.from(String(second).replace('"s2"', '"s1"').replace("wrapped", "erased")));
    await assert.rejects(keys.get("s1"), (error) => isCode("keys.unreadable")(error) || isCode("keys.master")(error));
    await keys.erase("s2");
    const erased = (await objects.get(nameOf("s2"), 1024)) ?? Buffer.alloc(0);
    await objects.put(nameOf("s1"), Buffer.from(String(erased).replace('"s2"', '"s1"')));
    await assert.rejects(keys.get("s1"), isCode("keys.master"));
    for (const damaged of ["", "{}", '{"version":1', String(second).slice(0, 40)]) {
      await objects.put(nameOf("s1"), Buffer.from(damaged));
      await assert.rejects(keys.get("s1"), isCode("keys.unreadable"));
    }
  });

  it("hash with the tenant key that was given, whatever the master key", async () => {
    const given = () => ({
      objects,
      tenant: "acme",
      master: master(),
      tenantKey: Buffer.alloc(32, 9),
      now: () => nowMs,
    });
    const other = await openObjectKeys(given());
    assert.deepEqual(Buffer.from(await other.tenantKey("acme")), Buffer.alloc(32, 9));
    await other.close();
  });
});

describe("an erasure", () => {
  it("holds in other processes within keyCachedMsMax, and at once where it was asked", async () => {
    const objects = shelf();
    const [keys, other] = [await open(objects), await open(objects)];
    await keys.create("s1");
    nowMs = 1_000;
    assert.notEqual(await other.get("s1"), null);
    assert.notEqual(await keys.get("s1"), null);
    await keys.erase("s1");
    assert.equal(await keys.get("s1"), null);
    nowMs += limits.keyCachedMsMax;
    assert.equal(await other.get("s1"), null);
    await keys.close();
    await other.close();
  });

  it("is not undone by an answer that was under way", async () => {
    const [objects, gate] = [shelf(), Promise.withResolvers<void>()];
    let slow = false;
    const held: Objects = {
      ...objects,
      async get(name, bytesMax) {
        const isFirst = slow;
        slow = false;
        const bytes = await objects.get(name, bytesMax);
        if (isFirst) await gate.promise;
        return bytes;
      },
    };
    const keys = await open(held);
    await keys.create("s1");
    slow = true;
    const reading = keys.get("s1");
    await keys.erase("s1");
    gate.resolve();
    assert.equal(await reading, null);
    assert.equal(await keys.get("s1"), null);
    await keys.close();
  });

  it("is not undone by a create that was slow on the way", async () => {
    const keys = await open(bucket());
    front.next("delay", "pass");
    await keys.create("s1");
    await keys.erase("s1");
    assert.deepEqual(await front.release(), [412]);
    assert.equal(await keys.get("s1"), null);
    nowMs += limits.keyCachedMsMax;
    assert.equal(await keys.get("s1"), null);
    await keys.close();
  });

  it("cannot be promised by storage that ignores the condition, or keeps versions: it is refused", async () => {
    const objects = shelf();
    const heedless: Objects = {
      ...objects,
      async create(name, bytes) {
        await objects.put(name, bytes);
        return true;
      },
    };
    await assert.rejects(open(heedless), isCode("config.invalid"));
    await (await open(objects)).close();
    await assert.rejects(open(heedless), isCode("config.invalid"));
    await (await open(objects)).close();
    await moto.versioning(true);
    try {
      await assert.rejects(open(bucket()), isCode("config.invalid"));
    } finally {
      await moto.versioning(false);
    }
    await assert.rejects(
      open(bucket()),
      isCode("config.invalid"),
      "what was kept before it was suspended is still there",
    );
  });
});

describe("keys in storage that fails", () => {
  it("are made whole or not at all, and a lost answer is no second key", async () => {
    front.fault = ({ path }) => (path.includes("versioning") ? { status: 501 } : "pass");
    const keys = await open(bucket());
    front.next("lose the answer");
    const key = Buffer.from(await keys.create("s1"));
    assert.deepEqual(Buffer.from((await keys.get("s1")) ?? []), key);
    front.fault = () => ({ status: 500 });
    await assert.rejects(keys.create("s2"), isCode("blobs.unavailable"));
    await assert.rejects(keys.get("s2"), isCode("blobs.unavailable"));
    await assert.rejects(keys.erase("s1"), isCode("blobs.unavailable"));
    front.fault = null;
    await assert.rejects(keys.get("s2"), isCode("keys.missing"));
    front.next("pass", "truncate");
    await keys.erase("s1");
    assert.equal(await keys.get("s1"), null);
    await keys.close();
  });
});

describe("keys that are kept in memory", () => {
  it("are bounded in number and time, given as copies, and wiped when they go", () => {
    const kept = new KeptKeys(10, 2);
    kept.keep("a", Buffer.alloc(32, 1), 0);
    const copy = kept.get("a", 9);
    copy?.fill(0);
    assert.deepEqual(Buffer.from(kept.get("a", 9) ?? []), Buffer.alloc(32, 1));
    assert.equal(kept.get("a", 10), undefined);
    kept.keep("a", Buffer.alloc(32, 1), 10);
    kept.keep("b", Buffer.alloc(32, 2), 10);
    kept.keep("c", Buffer.alloc(32, 3), 10);
    assert.equal(kept.get("a", 10), undefined);
    assert.notEqual(kept.get("c", 10), undefined);
    kept.keep("c", null, 10);
    kept.keep("c", Buffer.alloc(32, 3), 11);
    assert.equal(kept.get("c", 1_000), null, "erased stays erased");
  });
});
