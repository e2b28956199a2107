/**
 * One session key as an object, named by the hash of its id so that no id can name another place:
 *
 *     keys/7d/7d1a54127b22…     {"version":1,"keyId":"s1","wrapped":"<60 bytes, base64>"}
 *     once erased               {"version":1,"keyId":"s1","erased":"<28 bytes, base64>"}
 *
 * `wrapped` is the key, `erased` is nothing at all, each sealed by the tenant's wrapping key and bound to tenant and id:
 * whoever may write to the storage can neither swap keys nor pretend that one was erased.
 */
import { hash } from "node:crypto";
import { ThroughlineError } from "../../schemas/errors.ts";
import { closed, findings, type Static, Type } from "../../schemas/shape.ts";
import { openBytes, sealBytes } from "./seal.ts";

const base64 = (bytes: number) =>
  Type.String({ pattern: `^[A-Za-z0-9+/]{${Math.floor((bytes * 4) / 3)},${bytes * 2}}={0,2}$` });
const liveSchema = closed({ version: Type.Literal(1), keyId: Type.String(), wrapped: base64(60) });
const erasedSchema = closed({ version: Type.Literal(1), keyId: Type.String(), erased: base64(28) });

export const keyObjectBytesMax = 1024;
/** As in key-slot.ts, so that keys may move between the two. */
const idBytesMax = 188;

/** Whose keys, and what wraps them. */
export interface Wrapping {
  readonly tenant: string;
  /** 32 bytes, the tenant's own. */
  readonly key: Uint8Array;
}

/** @throws ThroughlineError `request.invalid` when the id is empty or over 188 bytes */
export function keyObjectName({ tenant }: Wrapping, keyId: string): string {
  const bytes = Buffer.byteLength(keyId);
  if (bytes === 0 || bytes > idBytesMax)
    throw new ThroughlineError("request.invalid", `A key id has 1 to ${idBytesMax} bytes`);
  const digest = hash("sha256", `${tenant}\n${keyId}`, "hex");
  return `keys/${digest.slice(0, 2)}/${digest}`;
}

/** @param key null writes the tombstone */
export function writeKeyObject({ tenant, key: wrapping }: Wrapping, keyId: string, key: Uint8Array | null): Buffer {
  const kind = key === null ? "erased" : "wrapped";
  const sealed = sealBytes(wrapping, key ?? new Uint8Array(0), purposeOf(kind, tenant, keyId)).toString("base64");
  return Buffer.from(`${JSON.stringify({ version: 1, keyId, [kind]: sealed })}\n`);
}

/**
 * @returns the key, null for a tombstone
 * @throws ThroughlineError `keys.unreadable` when it is damaged or of another id, `keys.master` when it does not open
 */
export function readKeyObject({ tenant, key: wrapping }: Wrapping, keyId: string, bytes: Uint8Array): Buffer | null {
  const said = parsed(keyId, bytes);
  if (said.keyId !== keyId)
    throw new ThroughlineError("keys.unreadable", `In the place of the key ${keyId} is another`);
  const kind = "erased" in said ? "erased" : "wrapped";
  const sealed = Buffer.from("erased" in said ? said.erased : said.wrapped, "base64");
  const key = openBytes(wrapping, sealed, purposeOf(kind, tenant, keyId));
  if (key === null || key.length !== (kind === "erased" ? 0 : 32))
    throw new ThroughlineError("keys.master", `The master key does not open the key ${keyId} (${kind})`);
  return kind === "erased" ? null : key;
}

const purposeOf = (kind: "wrapped" | "erased", tenant: string, keyId: string) =>
  `throughline session key object v1\n${kind}\n${tenant}\n${keyId}`;

function parsed(keyId: string, bytes: Uint8Array): Static<typeof liveSchema> | Static<typeof erasedSchema> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    // The parser quotes the text, and it is a key's: no cause.
    throw new ThroughlineError("keys.unreadable", `The object of the key ${keyId} is not JSON`);
  }
  if (findings(liveSchema, value).length === 0) return value as Static<typeof liveSchema>;
  if (findings(erasedSchema, value).length === 0) return value as Static<typeof erasedSchema>;
  throw new ThroughlineError("keys.unreadable", `The object of the key ${keyId} has another shape`);
}
