/**
 * Text under a session's key, and hashes that are compared across sessions.
 * Sealed text is base64 of nonce(12) ‖ ciphertext ‖ tag(16), AES-256-GCM. It hides the text, not its length.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";

const nonceBytes = 12;
const tagBytes = 16;

/** @param key 32 bytes. @returns another result each time: a new nonce */
export function seal(key: Uint8Array, text: string): string {
  return sealBytes(key, Buffer.from(text), "").toString("base64");
}

/** @throws ThroughlineError `keys.missing` when this key does not open it */
export function open(key: Uint8Array, sealed: string): string {
  const bytes = openBytes(key, Buffer.from(sealed, "base64"), "");
  if (bytes === null) throw new ThroughlineError("keys.missing", "This key does not open that text");
  return bytes.toString("utf8");
}

/** HMAC-SHA-256, lower-case hex. @param tenantKey from Keys.tenantKey */
export function keyedHash(tenantKey: Uint8Array, text: string): string {
  return createHmac("sha256", tenantKey).update(text).digest("hex");
}

/** @param purpose bound to the result: the same must be given to open it */
export function sealBytes(key: Uint8Array, bytes: Uint8Array, purpose: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(purpose));
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
