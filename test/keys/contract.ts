/** What every implementation of Keys promises. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import type { Keys } from "../../infra/keys/keys.ts";
import { isCode } from "../log/contract.ts";

/** @param open opens the same keys again with each call; whoever opens closes */
export function keysContract(name: string, open: () => Promise<Keys>): void {
  const fresh = () => `session-${randomUUID()}`;
  const using = async (work: (keys: Keys, other: Keys) => Promise<void>) => {
    const [keys, other] = [await open(), await open()];
    try {
      await work(keys, other);
    } finally {
      await keys.close();
      await other.close();
    }
  };
  describe(`${name} keeps the contract of keys`, () => {
    it("gives the same key back, here and wherever else these keys are open", () =>
      using(async (keys, other) => {
        const ids = Array.from({ length: 20 }, fresh);
        const made = await Promise.all(ids.map((id) => keys.create(id)));
        assert.equal(new Set(made.map((key) => Buffer.from(key).toString("hex"))).size, ids.length);
        for (const [i, id] of ids.entries()) {
          assert.equal(made[i]?.length, 32);
          assert.deepEqual(Buffer.from((await keys.get(id)) ?? []), Buffer.from(made[i] ?? []));
          assert.deepEqual(Buffer.from((await other.get(id)) ?? []), Buffer.from(made[i] ?? []));
        }
      }));

    it("makes a key once", () =>
      using(async (keys, other) => {
        const id = fresh();
        const key = await keys.create(id);
        await assert.rejects(keys.create(id), isCode("request.invalid"));
        await assert.rejects(other.create(id), isCode("request.invalid"));
        assert.deepEqual(Buffer.from((await other.get(id)) ?? []), Buffer.from(key));
      }));

    it("tells erased from unknown, for ever, and leaves others alone", () =>
      using(async (keys, other) => {
        const [one, two] = [fresh(), fresh()];
        await keys.create(one);
        await keys.create(two);
        await keys.erase(one);
        await keys.erase(one);
        for (const which of [keys, other]) {
          assert.equal(await which.get(one), null);
          assert.notEqual(await which.get(two), null);
          await assert.rejects(which.create(one), isCode("request.invalid"));
        }
        await assert.rejects(keys.get(fresh()), isCode("keys.missing"));
        await assert.rejects(keys.erase(fresh()), isCode("keys.missing"));
      }));

    it("takes any id of 1 to 188 bytes and confuses none", () =>
      using(async (keys) => {
        const odd = [`../${fresh()}`, `${fresh()} ü\n`, `${fresh()}?versioning`, `proof-${fresh()}`].map((id) =>
          id.padEnd(188),
        );
        for (const id of odd.map((id) => Buffer.from(id).subarray(0, 188).toString())) {
          const key = Buffer.from(await keys.create(id));
          assert.deepEqual(Buffer.from((await keys.get(id)) ?? []), key);
        }
        await assert.rejects(keys.create(""), isCode("request.invalid"));
        await assert.rejects(keys.create("x".repeat(189)), isCode("request.invalid"));
      }));

    it("has one key for the hashes of a tenant, the same wherever it is open", () =>
      using(async (keys, other) => {
        const key = Buffer.from(await keys.tenantKey("acme"));
        assert.equal(key.length, 32);
        assert.deepEqual(Buffer.from(await other.tenantKey("acme")), key);
      }));
  });
}
