/**
 * Keys in two files: `master.key` (32 bytes, made at first start) and `session.keys`, slots that are only ever appended or
 * overwritten by their tombstone (key-slot.ts). Many sessions that open at once share one sync.
 *
 * Two processes may use the folder: one creates (the gateway), both read, either erases; what is on disk is asked each
 * time, so an erasure holds everywhere at once. It refuses a master key that is gone or not the one the file was made
 * with. It cannot reach copies: backups, snapshots, blocks that an SSD has set aside; nor keys that a running session
 * still has in memory.
 */
import { hkdfSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { createFile } from "../log/durable-file.ts";
import { isFull } from "../log/reserve.ts";
import { readSlot, type Slot, slotBytes, writeSlot } from "./key-slot.ts";
import type { Keys } from "./keys.ts";
import { openBytes, sealBytes } from "./seal.ts";

const purpose = "throughline session key v1\n";
/** The first slot holds a key that proves the master key; its id is no id of a session. */
const proofId = "throughline master";

interface Wish {
  readonly slot: Buffer;
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

/** Opens the keys of a data folder (`<folder>/keys`). @throws ThroughlineError `keys.master` */
export async function openKeys(dataFolder: string): Promise<Keys> {
  const folder = join(dataFolder, "keys");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [masterFile, keysFile] = [join(folder, "master.key"), join(folder, "session.keys")];
  if (!existsSync(masterFile)) {
    if (existsSync(keysFile)) throw new ThroughlineError("keys.master", `${masterFile} is gone, ${keysFile} is not`);
    createFile(masterFile, randomBytes(32));
  }
  const master = readFileSync(masterFile);
  if (master.length !== 32) throw new ThroughlineError("keys.master", `${masterFile} does not hold 32 bytes`);
  if (!existsSync(keysFile))
    createFile(keysFile, writeSlot({ keyId: proofId, wrapped: sealBytes(master, randomBytes(32), purpose + proofId) }));
  const keys = new FolderKeys(master, await open(keysFile, "a", 0o600), await open(keysFile, "r+"));
  try {
    await keys.prove();
  } catch (error) {
    await keys.close();
    throw error;
  }
  return keys;
}

class FolderKeys implements Keys {
  readonly #master: Buffer;
  /** Appends only: the kernel puts every append behind the last one, whichever process it is from. */
  readonly #tail: FileHandle;
  readonly #slots: FileHandle;
  readonly #offsets = new Map<string, number>();
  #indexed = 0;
  #wishes: Wish[] = [];
  #writing: Promise<void> | null = null;
  #aligned = false;

  constructor(master: Buffer, tail: FileHandle, slots: FileHandle) {
    this.#master = master;
    this.#tail = tail;
    this.#slots = slots;
  }

  async prove(): Promise<void> {
    const key = await this.get(proofId).catch((cause: unknown) => {
      throw new ThroughlineError("keys.master", "The master key does not open session.keys", cause);
    });
    if (key === null) throw new ThroughlineError("keys.master", "session.keys has lost its proof of the master key");
  }

  async create(keyId: string): Promise<Uint8Array> {
    const key = randomBytes(32);
    const slot = writeSlot({ keyId, wrapped: sealBytes(this.#master, key, purpose + keyId) });
    if ((await this.#find(keyId)) !== null)
      throw new ThroughlineError("request.invalid", `The key ${keyId} is there already`);
    await new Promise<void>((done, failed) => {
      this.#wishes.push({ slot, done, failed });
      this.#writing ??= this.#write();
    });
    return key;
  }

  /** Writes and syncs what has gathered, until nothing is left. */
  async #write(): Promise<void> {
    while (this.#wishes.length > 0) {
      const wishes = this.#wishes;
      this.#wishes = [];
      try {
        await this.#align();
        await writeFully(this.#tail, Buffer.concat(wishes.map(({ slot }) => slot)), null);
        await this.#tail.datasync();
        for (const { done } of wishes) done();
      } catch (cause) {
        this.#aligned = false;
        const error = new ThroughlineError(
          isFull(cause) ? "log.full" : "log.sync_failed",
          "A session key could not be made durable",
          cause,
        );
        for (const { failed } of wishes) failed(error);
      }
    }
    this.#writing = null;
  }

  /** Fills up a slot that a crash, or a full disk, left half written; nobody was given its key. */
  async #align(): Promise<void> {
    if (this.#aligned) return;
    const { size } = await this.#tail.stat();
    const over = size % slotBytes;
    if (over > 0) await writeFully(this.#tail, Buffer.alloc(slotBytes - over), null);
    this.#aligned = true;
  }

  async get(keyId: string): Promise<Uint8Array | null> {
    const found = await this.#find(keyId);
    if (found === null) throw new ThroughlineError("keys.missing", `No key ${keyId} was ever here`);
    if (found.wrapped === null) return null;
    const key = openBytes(this.#master, found.wrapped, purpose + keyId);
    if (key === null) throw new ThroughlineError("keys.master", `The master key does not open the key ${keyId}`);
    return key;
  }

  async erase(keyId: string): Promise<void> {
    if ((await this.#find(keyId)) === null) throw new ThroughlineError("keys.missing", `No key ${keyId} was ever here`);
    await writeFully(this.#slots, writeSlot({ keyId, wrapped: null }), this.#offsets.get(keyId) ?? 0);
    await this.#slots.datasync();
  }

  async #find(keyId: string): Promise<Slot | null> {
    if (!this.#offsets.has(keyId)) await this.#index();
    const offset = this.#offsets.get(keyId);
    if (offset === undefined) return null;
    const slot = Buffer.alloc(slotBytes);
    await this.#slots.read(slot, 0, slotBytes, offset);
    const found = readSlot(slot);
    if (found?.keyId !== keyId) throw new ThroughlineError("keys.missing", `The slot of the key ${keyId} is damaged`);
    return found;
  }

  /** Notes the ids of slots that were added since the last time, by whichever process. */
  async #index(): Promise<void> {
    const { size } = await this.#slots.stat();
    const end = size - (size % slotBytes);
    while (this.#indexed < end) {
      const from = this.#indexed;
      const block = Buffer.alloc(Math.min(end - from, slotBytes * 4096));
      await this.#slots.read(block, 0, block.length, from);
      for (let at = 0; at < block.length; at += slotBytes) {
        const slot = readSlot(block.subarray(at, at + slotBytes));
        if (slot !== null) this.#offsets.set(slot.keyId, from + at);
      }
      this.#indexed = Math.max(this.#indexed, from + block.length);
    }
  }

  async tenantKey(tenant: string): Promise<Uint8Array> {
    return new Uint8Array(hkdfSync("sha256", this.#master, "", `throughline tenant v1\n${tenant}`, 32));
  }

  async close(): Promise<void> {
    if (this.#writing !== null) await this.#writing;
    await this.#tail.close();
    await this.#slots.close();
    this.#master.fill(0);
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, offset: number | null): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, offset === null ? null : offset + at);
    at += bytesWritten;
  }
}
