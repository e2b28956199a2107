/**
 * Text under a session's key, and hashes that are compared across sessions.
 * Sealed text is base64 of nonce(12) ‖ ciphertext ‖ tag(16), AES-256-GCM. It hides the text, not its length.
 *
 * Taking in a key costs ten times what using it does, and so does asking the kernel for twelve random bytes: whoever seals
 * or hashes for every command keeps a key of `keptKey`, and a `Nonces`.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";

const nonceBytes = 12;
const tagBytes = 16;

const noPurpose = Buffer.alloc(0);
/** Just under 4 KiB. */
const noncesDrawn = 341;

/** A key that was taken in once, for many uses. */
export function keptKey(key: Uint8Array): KeyObject {
  return createSecretKey(key);
}

/** Random nonces, drawn from the kernel some hundreds at a time; none is given twice. */
export class Nonces {
  readonly #pool: Buffer;
  #next: number;

  /** @param drawn how many at a time */
  constructor(drawn = noncesDrawn) {
    this.#pool = Buffer.alloc(drawn * nonceBytes);
    this.#next = this.#pool.length;
  }

  next(): Buffer {
    if (this.#next === this.#pool.length) {
      randomFillSync(this.#pool);
      this.#next = 0;
    }
    const at = this.#next;
    this.#next += nonceBytes;
    // A copy: the pool is filled anew while what was sealed lives on.
    return Buffer.from(this.#pool.subarray(at, this.#next));
  }
}

/** @param key 32 bytes. @returns another result each time: a new nonce */
export function seal(key: Uint8Array | KeyObject, text: string, nonces: Nonces = new Nonces(1)): string {
  return sealWith(key, Buffer.from(text), noPurpose, nonces).toString("base64");
}

/** @throws ThroughlineError `keys.missing` when this key does not open it */
export function open(key: Uint8Array, sealed: string): string {
  const bytes = openBytes(key, Buffer.from(sealed, "base64"), "");
  if (bytes === null) throw new ThroughlineError("keys.missing", "This key does not open that text");
  return bytes.toString("utf8");
}

/** HMAC-SHA-256, lower-case hex. @param tenantKey from Keys.tenantKey */
export function keyedHash(tenantKey: Uint8Array | KeyObject, text: string): string {
  return createHmac("sha256", tenantKey).update(text).digest("hex");
}

/** @param purpose bound to the result: the same must be given to open it */
export function sealBytes(key: Uint8Array, bytes: Uint8Array, purpose: string): Buffer {
  return sealWith(key, bytes, Buffer.from(purpose), new Nonces(1));
}

function sealWith(key: Uint8Array | KeyObject, bytes: Uint8Array, purpose: Buffer, nonces: Nonces): Buffer {
  const nonce = nonces.next();
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(purpose);
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

/** @returns null when key, purpose and bytes do not belong together */
export function openBytes(key: Uint8Array, sealed: Uint8Array, purpose: string): Buffer | null {
  if (sealed.length < nonceBytes + tagBytes) return null;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(purpose)).setAuthTag(sealed.subarray(sealed.length - tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)), decipher.final()]);
  } catch {
    // Node says "unable to authenticate data" and nothing else here.
    return null;
  }
}
