/** Sketches: what two things share is found in few hashes, under one key only, and nothing can be tried without it. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { turnEpochKeys } from "../../infra/keys/epoch-keys.ts";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import { packHashes, Sketch, type SketchKey, sketchKey, unpackHashes } from "../../infra/sketch/sketch.ts";

const key = sketchKey(1, Buffer.alloc(32, 1));

function of(values: Iterable<string>, under: SketchKey, valuesMax = 256): number[] {
  const sketch = new Sketch(under, valuesMax);
  for (const value of values) {
    sketch.rows += 1;
    sketch.add(value, false);
  }
  return sketch.take();
}

const shared = (one: readonly number[], other: readonly number[]): number =>
  one.filter((hash) => new Set(other).has(hash)).length;

function* people(from: number, until: number): Generator<string> {
  for (let n = from; n < until; n++) yield `person${n}examplecom`;
}

describe("a sketch", () => {
  it("has in common with the sketch of a part what that part is of the whole", () => {
    const whole = of(people(0, 100_000), key);
    const part = of(people(40_000, 60_000), key, 512);
    assert.equal(whole.length, 256);
    const common = shared(whole, part);
    assert.ok(common > 256 * 0.1 && common < 256 * 0.3, `${common}`);
    assert.equal(shared(of(people(0, 100), key), of(people(50, 150), key)), 50);
    assert.equal(shared(whole, of(people(100_000, 200_000), key)), 0);
  });
  it("is told in parts that together are the whole", () => {
    const sketch = new Sketch(key, 256);
    const told: number[] = [];
    let n = 0;
    for (const value of people(0, 10_000)) {
      sketch.add(value, false);
      if (++n % 500 === 0) told.push(...sketch.take());
    }
    assert.equal(new Set(told).size, told.length, "no hash twice");
    for (const hash of of(people(0, 10_000), key)) assert.ok(told.includes(hash));
    assert.ok(told.length < 256 * 6, `${told.length}`);
  });
  it("leaves out words that are in many rows, and keeps somebody's own however often it comes", () => {
    const sketch = new Sketch(key, 256);
    for (let n = 0; n < 1_000; n++) {
      sketch.rows += 1;
      sketch.add("awaitingcustomerresponse", true);
      sketch.add("annleeexamplecom", false);
      sketch.add(`anumberedphraseofletters${n % 100}`, true);
    }
    const told = sketch.take();
    assert.ok(!told.includes(key.hash("awaitingcustomerresponse")));
    assert.ok(told.includes(key.hash("annleeexamplecom")));
  });
  it("has nothing in common with one under another key, and holds no hash that can be made without it", () => {
    const values = [...people(0, 200)];
    const told = of(values, key);
    assert.equal(shared(told, of(values, sketchKey(1, Buffer.alloc(32, 2)))), 0);
    const guesses = new Set<number>();
    for (const value of values)
      for (const algorithm of ["sha256", "sha1", "md5", "sha512"]) {
        const digest = createHash(algorithm).update(value).digest();
        for (let at = 0; at + 6 <= digest.length; at++) guesses.add(digest.readUIntBE(at, 6));
      }
    assert.equal(told.filter((hash) => guesses.has(hash)).length, 0);
  });
  it("is packed in eight letters a hash", () => {
    const hashes = [0, 1, 2 ** 48 - 1, 123_456_789_012_345];
    assert.equal(packHashes(hashes).length, 32);
    assert.deepEqual(unpackHashes(packHashes(hashes)), hashes);
    assert.deepEqual(unpackHashes(`${packHashes(hashes)}AAA`), hashes);
  });
});

describe("keys of sketches", () => {
  it("are one per epoch, the same for all gateways, and erased when nothing under them is looked for", async () => {
    const folder = await mkdtemp(join(tmpdir(), "epochs-"));
    const [one, other] = [await openKeys(folder), await openKeys(folder)];
    const lengths = { epochMs: 10, keptMs: 31 };
    const epochs = async (keys: typeof one, nowMs: number) => {
      const live = await turnEpochKeys(keys, "acme", nowMs, lengths);
      return live.map(({ epoch, key: bytes }) => `${epoch} ${Buffer.from(bytes).toString("hex")}`);
    };
    try {
      const first = await epochs(one, 1_000);
      assert.deepEqual(await epochs(other, 1_005), first);
      assert.equal(first.length, 1);
      const second = await epochs(one, 1_010);
      assert.deepEqual(second.slice(1), first);
      assert.notEqual(second[0]?.split(" ")[1], first[0]?.split(" ")[1]);
      assert.deepEqual(
        (await epochs(one, 1_045)).map((text) => Number(text.split(" ")[0])),
        [104, 101],
      );
      assert.equal(await one.get("content acme 100"), null, "erased");
      await assert.rejects(one.get("content acme 99"), { code: "keys.missing" });
    } finally {
      await one.close();
      await other.close();
      await rm(folder, { recursive: true });
    }
  });
  it("are random", () => {
    const values = [...people(0, 50)];
    assert.equal(shared(of(values, sketchKey(1, randomBytes(32))), of(values, sketchKey(1, randomBytes(32)))), 0);
  });
});
