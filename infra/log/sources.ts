/**
 * Who may write to the log: the registry `keys/sources.json` (source → role and public key) and one private key file per
 * source, `keys/<role>-<name>.pem`, both 0600, made on the first start of a one-machine installation.
 * The registry is also what an auditor is given to verify exports with, by another way than the export.
 * A process that runs as the same user can read all of them: keeping them apart is the installation's business.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Role, roles } from "../../schemas/event.ts";
import { closed, findings, type Static, Type } from "../../schemas/shape.ts";
import { createFile } from "./durable-file.ts";
import { fingerprint, publicKeyOf, publicKeyText } from "./sign.ts";

const registrySchema = closed({
  tenant: Type.String(),
  sources: Type.Record(Type.String(), closed({ role: Type.String(), publicKey: Type.String() })),
});

/** A source that the log (or a verifier) knows. */
export interface Source {
  readonly source: string;
  readonly role: Role;
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  readonly fingerprint: string;
  readonly key: KeyObject;
}

export interface Sources {
  readonly tenant: string;
  readonly known: ReadonlyMap<string, Source>;
  /** @throws ThroughlineError `log.refused` when its private key is not here */
  privateKey(source: string): KeyObject;
}

/**
 * Opens the registry of a data folder, making keys for every role under `name` when there is none.
 * @throws ThroughlineError `log.refused` when the registry is gone though a log is there: new keys would disown it
 */
export function openSources(dataFolder: string, tenant: string, name: string): Sources {
  const folder = join(dataFolder, "keys");
  const file = join(folder, "sources.json");
  if (!existsSync(file)) {
    if (existsSync(join(dataFolder, "log", "0000000000000001.log")))
      throw new ThroughlineError("log.refused", `${file} is gone, but the log it belongs to is here`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    createFile(file, makeRegistry(folder, tenant, name));
  }
  return readSources(dataFolder);
}

/** Reads a data folder's registry and, on demand, its private keys. */
export function readSources(dataFolder: string): Sources {
  const folder = join(dataFolder, "keys");
  const { tenant, known } = parseSources(readText(join(folder, "sources.json")));
  const privateKey = (source: string) => {
    const file = join(folder, `${source.replace("/", "-")}.pem`);
    if (!existsSync(file))
      throw new ThroughlineError("log.refused", `The signing key of ${source} is not here: ${file}`);
    return createPrivateKey(readText(file));
  };
  return { tenant, known, privateKey };
}

/** @param text the content of a `sources.json`. @throws ThroughlineError `config.invalid` */
export function parseSources(text: string): { readonly tenant: string; readonly known: ReadonlyMap<string, Source> } {
  const value = parseJson(text);
  const [wrong] = findings(registrySchema, value);
  if (wrong) throw new ThroughlineError("config.invalid", `sources.json: ${wrong.path.join(".")}: ${wrong.message}`);
  const registry = value as Static<typeof registrySchema>;
  const known = new Map<string, Source>();
  for (const [source, { role, publicKey }] of Object.entries(registry.sources)) {
    const said = roleOf(source);
    if (said === null || said !== role)
      throw new ThroughlineError("config.invalid", `sources.json: ${source} is no ${role}`);
    known.set(source, {
      source,
      role: said,
      publicKey,
      fingerprint: fingerprint(publicKey),
      key: publicKeyOf(publicKey),
    });
  }
  return { tenant: registry.tenant, known };
}

/** The role that a source's name states, or null. */
export function roleOf(source: string): Role | null {
  const [first] = source.split("/", 1);
  return roles.find((role) => role === first) ?? null;
}

function makeRegistry(folder: string, tenant: string, name: string): string {
  const sources: Static<typeof registrySchema>["sources"] = {};
  for (const role of roles) {
    const { privateKey } = generateKeyPairSync("ed25519");
    createFile(join(folder, `${role}-${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
    const kept = createPrivateKey(readText(join(folder, `${role}-${name}.pem`)));
    sources[`${role}/${name}`] = { role, publicKey: publicKeyText(kept) };
  }
  return `${JSON.stringify({ tenant, sources }, null, 2)}\n`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ThroughlineError("config.unreadable", `Cannot read ${file}`, cause);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ThroughlineError("config.invalid", "sources.json is not JSON", cause);
  }
}
