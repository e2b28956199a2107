/** Signing and cookie keys of the development identity provider: made once, readable by their owner only. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface ProviderKeys {
  readonly jwks: { readonly keys: object[] };
  readonly cookies: string[];
}

export async function keptKeys(folder: string): Promise<ProviderKeys> {
  const file = join(folder, "provider-keys.json");
  const kept = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return null;
    throw cause;
  });
  if (kept !== null) return JSON.parse(kept) as ProviderKeys;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = {
    ...privateKey.export({ format: "jwk" }),
    alg: "ES256",
    use: "sig",
    kid: randomBytes(8).toString("hex"),
  };
  const keys: ProviderKeys = { jwks: { keys: [key] }, cookies: [randomBytes(32).toString("base64url")] };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, JSON.stringify(keys), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return keys;
}
