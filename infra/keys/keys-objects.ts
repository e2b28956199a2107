/**
 * Keys in storage that many machines share: one object per key (key-object.ts), wrapped by a key that follows from the
 * master key and the tenant. Gateways make them, projector and api read them; correlators need none and get no master key.
 *
 * An id has one life: absent, live, erased. Making one is a conditional write (If-None-Match), so that a write that was
 * slow on the way never brings an erased key back; erasing overwrites it with a tombstone. It holds in this process at
 * once and in every other within `keyCachedMsMax`. It refuses storage that ignores the condition, or that keeps versions
 * of what is overwritten: nothing would be erased there. It cannot reach copies that the storage makes of itself.
 */
import { hkdfSync, randomBytes } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Limits, limits } from "../../schemas/limits.ts";
import type { Objects } from "../blobs/objects.ts";
import { KeptKeys } from "./kept-keys.ts";
import { keyObjectBytesMax, keyObjectName, readKeyObject, type Wrapping, writeKeyObject } from "./key-object.ts";
import type { Keys } from "./keys.ts";

export interface ObjectKeysOptions {
  /** The tenant's own place. */
  readonly objects: Objects;
  readonly tenant: string;
  /** 32 bytes, taken over. */
  readonly master: Buffer;
  /** 32 bytes; absent: follows from the master key, the same as keys-folder.ts derives. */
  readonly tenantKey?: Buffer;
  /** A clock that never goes back, milliseconds. */
  readonly now: () => number;
  /** For tests; otherwise as in schemas/limits.ts. */
  readonly bounds?: Partial<Pick<Limits, "keyCachedMsMax" | "keysCachedMax">>;
}

/** Proves the master key; in no session's place, for those are in folders of two letters. */
const proofName = "keys/proof";
const proofId = "throughline master";

/**
 * @throws ThroughlineError `keys.master` when the keys here were made with another one, `config.invalid` when this
 * storage cannot erase, `blobs.unavailable`, `blobs.refused`
 */
export async function openObjectKeys(options: ObjectKeysOptions): Promise<Keys> {
  const { objects, master, tenant } = options;
  if (await objects.keepsVersions())
    throw new ThroughlineError(
      "config.invalid",
      "The bucket keeps versions: an erased key could be had back from them",
    );
  const wrapping = { tenant, key: derived(master, `throughline wrapping v1\n${tenant}`) };
  await prove(objects, wrapping);
  return new ObjectKeys(options, wrapping);
}

async function prove(objects: Objects, wrapping: Wrapping): Promise<void> {
  const proof = () => writeKeyObject(wrapping, proofId, randomBytes(32));
  let there = await objects.get(proofName, keyObjectBytesMax);
  if (there === null) {
    await objects.create(proofName, proof());
    there = await objects.get(proofName, keyObjectBytesMax);
  }
  const key = there === null ? null : readKeyObject(wrapping, proofId, there);
  if (key === null) throw new ThroughlineError("keys.master", "The proof of the master key is gone");
  // Another proof of the same master key: should it be taken, nothing is lost but the trust in this storage.
  if (await objects.create(proofName, proof()))
    throw new ThroughlineError(
      "config.invalid",
      "The object storage ignores If-None-Match: keys cannot be erased there",
    );
}

class ObjectKeys implements Keys {
  readonly #options: ObjectKeysOptions;
  readonly #wrapping: Wrapping;
  readonly #kept: KeptKeys;

  constructor(options: ObjectKeysOptions, wrapping: Wrapping) {
    this.#options = options;
    this.#wrapping = wrapping;
    const { keyCachedMsMax, keysCachedMax } = { ...limits, ...options.bounds };
    this.#kept = new KeptKeys(keyCachedMsMax, keysCachedMax);
  }

  async create(keyId: string): Promise<Uint8Array> {
    const name = keyObjectName(this.#wrapping, keyId);
    const key = randomBytes(32);
    if (!(await this.#options.objects.create(name, writeKeyObject(this.#wrapping, keyId, key))))
      throw new ThroughlineError("request.invalid", `The key ${keyId} is there already`);
    return key;
  }

  async get(keyId: string): Promise<Uint8Array | null> {
    const askedMs = this.#options.now();
    const kept = this.#kept.get(keyId, askedMs);
    if (kept !== undefined) return kept;
    const key = await this.#read(keyId);
    this.#kept.keep(keyId, key, askedMs);
    // It may have been erased here while the answer was under way.
    return this.#kept.get(keyId, askedMs) === null ? null : key;
  }

  async #read(keyId: string): Promise<Buffer | null> {
    const bytes = await this.#options.objects.get(keyObjectName(this.#wrapping, keyId), keyObjectBytesMax);
    if (bytes === null) throw new ThroughlineError("keys.missing", `No key ${keyId} was ever here`);
    return readKeyObject(this.#wrapping, keyId, bytes);
  }

  async erase(keyId: string): Promise<void> {
    const name = keyObjectName(this.#wrapping, keyId);
    if ((await this.#options.objects.get(name, keyObjectBytesMax)) === null)
      throw new ThroughlineError("keys.missing", `No key ${keyId} was ever here`);
    await this.#options.objects.put(name, writeKeyObject(this.#wrapping, keyId, null));
    this.#kept.keep(keyId, null, this.#options.now());
  }

  async tenantKey(tenant: string): Promise<Uint8Array> {
    const { tenantKey, master } = this.#options;
    if (tenant !== this.#wrapping.tenant)
      throw new ThroughlineError("request.invalid", `These are the keys of ${this.#wrapping.tenant}, not of ${tenant}`);
    return tenantKey === undefined ? derived(master, `throughline tenant v1\n${tenant}`) : new Uint8Array(tenantKey);
  }

  async close(): Promise<void> {
    this.#kept.clear();
    this.#options.master.fill(0);
    this.#options.tenantKey?.fill(0);
    this.#wrapping.key.fill(0);
  }
}

function derived(master: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", master, "", purpose, 32));
}
