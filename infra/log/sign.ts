/**
 * Ed25519 signatures of sources. Every text that is signed starts with what it is for, so that no signature can be
 * used as another kind. Public keys travel as base64 of their 32 bytes; a fingerprint is the SHA-256 of those, in hex.
 */
import { createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Stream } from "../../schemas/event.ts";

/** What a `log.checkpoint` states, beside who says it. */
export interface Checkpoint {
  readonly tenant: string;
  readonly source: string;
  readonly chain: "source" | "writer";
  readonly stream: Stream | "writer";
  /** Sequence (source) or position (writer) of the last record under the head, 16 digits. */
  readonly upTo: string;
  readonly head: string;
}

export function checkpointText(checkpoint: Checkpoint): string {
  const { tenant, source, chain, stream, upTo, head } = checkpoint;
  return `throughline checkpoint v1\n${tenant}\n${source}\n${chain}\n${stream}\n${upTo}\n${head}\n`;
}

/** What a source signs to say over a socket that it is this source; `nonce` (hex) is the host's and never repeats. */
export function attachText(tenant: string, source: string, nonce: string): string {
  return `throughline attach v1\n${tenant}\n${source}\n${nonce}\n`;
}

/** What the log's writer signs to say that it is the log this source belongs to; `nonce` (hex) is the source's. */
export function attachedText(tenant: string, source: string, nonce: string): string {
  return `throughline attached v1\n${tenant}\n${source}\n${nonce}\n`;
}

/** What a source signs with every batch it sends: the heads of both its streams after that batch. */
export function batchText(tenant: string, source: string, heads: readonly [Uint8Array, Uint8Array]): string {
  const [steps, events] = heads.map((head) => Buffer.from(head).toString("hex"));
  return `throughline batch v1\n${tenant}\n${source}\n${steps}\n${events}\n`;
}

export function signText(key: KeyObject, text: string): Buffer {
  return sign(null, Buffer.from(text), key);
}

export function signatureHolds(key: KeyObject, text: string, signature: Uint8Array): boolean {
  return signature.length === 64 && verify(null, Buffer.from(text), key, signature);
}

/** @param key the private key */
export function publicKeyText(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: "jwk" });
  return Buffer.from(x ?? "", "base64url").toString("base64");
}

/** @throws ThroughlineError `config.invalid` */
export function publicKeyOf(text: string): KeyObject {
  const raw = Buffer.from(text, "base64");
  if (raw.length !== 32) throw new ThroughlineError("config.invalid", "A source's public key is 32 bytes in base64");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
}

export function fingerprint(publicKey: string): string {
  return hash("sha256", Buffer.from(publicKey, "base64"), "hex");
}
