/**
 * Grant keys: what a Grant's secret is derived from, so that no secret is stored and any process that holds this file
 * can issue one (api) or check one (gateway).
 *
 * The file is made at first start, readable by its owner only, and never overwritten. A grant id names the version of
 * the key it was made with (`g1-…`), so keys can be added without ending what was issued. Whoever can read the file
 * can make the secret of any grant id, but not a Grant: that is an event (`grant.issued`), and only the api may say it.
 */
import { createHmac, randomBytes } from "node:crypto";
import { readFileSync, type Stats, statSync } from "node:fs";
import { link, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { GrantId } from "../../schemas/identity.ts";
import { closed, findings, type Static, Type } from "../../schemas/shape.ts";

/** `{"keys":[{"version":1,"key":"<32 bytes, base64>"}]}`, oldest first; the last one makes new ids. */
const fileSchema = closed({
  keys: Type.Array(
    closed({ version: Type.Integer({ minimum: 1 }), key: Type.String({ pattern: "^[A-Za-z0-9+/]{43}=$" }) }),
    { minItems: 1 },
  ),
});
type KeyFile = Static<typeof fileSchema>;

const idPattern = /^g([1-9][0-9]{0,5})-[a-z2-7]{16}$/;

export interface GrantKeys {
  /** A new id: the newest key's version and 80 random bits. No permission by itself. */
  newGrantId(): GrantId;
  /** 26 printable characters (130 bits); null when the id is malformed or names a key that is not here. */
  secretOf(grantId: string): string | null;
  /** 16 bytes, the same for the same name every time, whether or not such a Grant exists. */
  saltOf(name: string): Buffer;
  /** Adds a key; ids made before keep working. Durable when it resolves. */
  rotate(): Promise<void>;
}

/**
 * @param file made when it is missing
 * @param othersMask the permissions that nobody else may have on it
 * @throws ThroughlineError `keys.exposed` when others may read it, `keys.unreadable` when it is not a key file
 */
export async function openGrantKeys(file: string, othersMask = 0o077): Promise<GrantKeys> {
  await makeOnce(file);
  let seen = statSync(file);
  let keys = readKeys(file, seen, othersMask);
  const newest = () => keys.at(-1)!;
  const keyOf = (version: number) => keys.find((candidate) => candidate.version === version)?.key;
  /** Another process may have rotated: looks again, but reads only a file that changed, so that guesses stay cheap. */
  const lookAgain = () => {
    const now = statSync(file);
    if (now.mtimeMs === seen.mtimeMs && now.ino === seen.ino) return;
    keys = readKeys(file, now, othersMask);
    seen = now;
  };
  return {
    newGrantId: () => `g${newest().version}-${base32(randomBytes(10))}` as GrantId,
    secretOf(grantId) {
      const version = Number(idPattern.exec(grantId)?.[1]);
      if (Number.isNaN(version)) return null;
      if (version > newest().version) lookAgain();
      const key = keyOf(version);
      return key === undefined ? null : base32(digest(key, "secret", grantId).subarray(0, 17)).slice(0, 26);
    },
    saltOf: (name) => digest(keys[0]!.key, "salt", name).subarray(0, 16),
    async rotate() {
      const next = { version: newest().version + 1, key: randomBytes(32) };
      await writeDurably(`${file}.new`, [...keys, next]);
      await rename(`${file}.new`, file);
      await syncFolder(dirname(file));
      lookAgain();
    },
  };
}

interface VersionedKey {
  readonly version: number;
  readonly key: Buffer;
}

/** The labels keep secrets and salts apart: knowing one tells nothing of the other. */
function digest(key: Buffer, label: "secret" | "salt", name: string): Buffer {
  return createHmac("sha256", key).update(`throughline grant ${label} 1\0${name}`).digest();
}

/** RFC 4648 alphabet in lower case: nothing that a shell, a URL or an eye mistakes. */
function base32(bytes: Uint8Array): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  let bits = 0;
  let value = 0;
  let out = "";
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) out += alphabet[(value >> (bits - 5)) & 31];
  }
  return out;
}

/** Two processes may start at once: a hard link fails where a file already is, so both end with the same one. */
async function makeOnce(file: string): Promise<void> {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  await writeDurably(draft, [{ version: 1, key: randomBytes(32) }]);
  try {
    await link(draft, file);
    await syncFolder(dirname(file));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
  } finally {
    await rm(draft);
  }
}

async function writeDurably(file: string, keys: readonly VersionedKey[]): Promise<void> {
  const content: KeyFile = {
    keys: keys.map(({ version, key }) => ({ version, key: key.toString("base64") })),
  };
  const handle = await open(file, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(content)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function readKeys(file: string, { mode }: Stats, othersMask: number): VersionedKey[] {
  if ((mode & othersMask) !== 0) {
    throw new ThroughlineError("keys.exposed", `${file} has mode ${(mode & 0o777).toString(8)}: others may read it`);
  }
  const content = parseKeyFile(readFileSync(file, "utf8"), file);
  return content.keys.map(({ version, key }) => ({ version, key: Buffer.from(key, "base64") }));
}

function parseKeyFile(text: string, file: string): KeyFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which is key material: it is not kept as a cause.
    throw new ThroughlineError("keys.unreadable", `${file} is not JSON`);
  }
  const wrong = findings(fileSchema, value)[0];
  if (wrong) throw new ThroughlineError("keys.unreadable", `${file}: ${wrong.path.join(".")} is not as expected`);
  return value as KeyFile;
}
