/**
 * Who may write to the log: the registry `sources.json` (source → role and public keys) and one private key file per
 * source, `<role>-<name>.pem`, 0600. One machine makes both on its first start, in `keys/` of its data folder; of many
 * machines the registry is the same everywhere, and each process holds its own private keys (registry.ts makes them).
 * The registry is also what an auditor is given to verify exports with, by another way than the export.
 * A process that runs as the same user can read all of them: keeping them apart is the installation's business.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../schemas/config.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { type Role, roles, type Stream } from "../../schemas/event.ts";
import { closed, findings, type Static, Type } from "../../schemas/shape.ts";
import { createFile, replaceFile } from "./durable-file.ts";
import { fingerprint, publicKeyOf, publicKeyText } from "./sign.ts";

const sequence = Type.Integer({ minimum: 0 });
/** The last sequences (writer: position) that a key may have signed for. */
const untilSchema = closed({ steps: sequence, events: sequence, writer: sequence });
const entrySchema = closed({
  role: Type.String(),
  publicKey: Type.String(),
  /** Present: the source says no more. */
  until: Type.Optional(untilSchema),
  /** Keys before this one, oldest first. */
  earlier: Type.Optional(Type.Array(closed({ publicKey: Type.String(), until: untilSchema }))),
});
const registrySchema = closed({ tenant: Type.String(), sources: Type.Record(Type.String(), entrySchema) });

export type Registry = Static<typeof registrySchema>;
export type Until = Static<typeof untilSchema>;

const standingSchema = closed({ standing: Type.Record(Type.String(), untilSchema) });
/** How far each source has got (standing.ts). */
export type Standing = Static<typeof standingSchema>["standing"];

export interface SourceKey {
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  readonly fingerprint: string;
  readonly key: KeyObject;
  /** Absent: it signs now, whatever comes. */
  readonly until?: Until;
}

/** A source that the log (or a verifier) knows, with its newest key. */
export interface Source extends SourceKey {
  readonly source: string;
  readonly role: Role;
  /** Keys it had before, oldest first. */
  readonly earlier?: readonly SourceKey[];
}

export interface Sources {
  readonly tenant: string;
  readonly known: ReadonlyMap<string, Source>;
  /** @throws ThroughlineError `log.refused` when its private key is not here */
  privateKey(source: string): KeyObject;
}

/**
 * The keys that may have signed for what a source said up to there, newest first; the newest may sign what earlier ones
 * said as well. None when the source had ended before.
 */
export function keysUpTo({ earlier = [], ...newest }: Source, stream: Stream | "writer", upTo: number): SourceKey[] {
  return [newest, ...earlier.toReversed()].filter(({ until }) => until === undefined || upTo <= until[stream]);
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
    const sources = Object.fromEntries(roles.map((role) => [`${role}/${name}`, makeKey(folder, `${role}/${name}`)]));
    createFile(file, registryText({ tenant, sources }));
  }
  return readSources(dataFolder);
}

/** Reads a data folder's registry and, on demand, its private keys. */
export function readSources(dataFolder: string): Sources {
  return sourcesAt(join(dataFolder, "keys", "sources.json"), join(dataFolder, "keys"));
}

/**
 * The registry and private keys that the configuration names; those of the data folder where it names none.
 * @throws ThroughlineError `config.unreadable`, `config.invalid` when it is no registry, or another tenant's
 */
export function sourcesOf({ data, sources: file, privateKeys, tenant }: Config): Sources {
  const folder = privateKeys ?? join(data, "keys");
  const sources = sourcesAt(file ?? join(data, "keys", "sources.json"), folder);
  if (sources.tenant !== tenant)
    throw new ThroughlineError("config.invalid", `The sources are of tenant ${sources.tenant}, not of ${tenant}`);
  return sources;
}

function sourcesAt(file: string, folder: string): Sources {
  const { tenant, known } = parseSources(readText(file));
  const privateKey = (source: string) => {
    const place = keyFile(folder, source);
    if (known.get(source)?.until !== undefined)
      throw new ThroughlineError("log.refused", `${source} has ended: sources.json lets it say no more`);
    if (!existsSync(place))
      throw new ThroughlineError("log.refused", `The signing key of ${source} is not here: ${place}`);
    const key = privateKeyIn(place);
    // With another key everything it says would be refused elsewhere: it had better not start.
    if (known.get(source)?.publicKey !== publicKeyText(key))
      throw new ThroughlineError("log.refused", `${place} is not the key that sources.json has for ${source}`);
    return key;
  };
  return { tenant, known, privateKey };
}

/** @param text the content of a `sources.json`. @throws ThroughlineError `config.invalid` */
export function parseSources(text: string): { readonly tenant: string; readonly known: ReadonlyMap<string, Source> } {
  const registry = parseRegistry(text);
  const known = new Map<string, Source>();
  for (const [source, entry] of Object.entries(registry.sources)) {
    const role = roleOf(source);
    if (role === null || role !== entry.role)
      throw new ThroughlineError("config.invalid", `sources.json: ${source} is no ${entry.role}`);
    const earlier = (entry.earlier ?? []).map((key) => sourceKey(key.publicKey, key.until));
    known.set(source, { source, role, ...sourceKey(entry.publicKey, entry.until), earlier });
  }
  const keys = [...known.values()].flatMap((source) => [source, ...(source.earlier ?? [])]);
  // Whoever held one key of two sources could speak in the other's role.
  if (new Set(keys.map((key) => key.fingerprint)).size < keys.length)
    throw new ThroughlineError("config.invalid", "sources.json: a public key stands there twice");
  return { tenant: registry.tenant, known };
}

/** @throws ThroughlineError `config.invalid` */
export function parseRegistry(text: string): Registry {
  const value = parseJson(text);
  const [wrong] = findings(registrySchema, value);
  if (wrong) throw new ThroughlineError("config.invalid", `sources.json: ${wrong.path.join(".")}: ${wrong.message}`);
  return value as Registry;
}

/** @param text as `throughline --json sources standing` printed it. @throws ThroughlineError `config.invalid` */
export function parseStanding(text: string): Standing {
  const value = parseJson(text, "what stands");
  const [wrong] = findings(standingSchema, value);
  if (wrong) throw new ThroughlineError("config.invalid", `what stands: ${wrong.path.join(".")}: ${wrong.message}`);
  return (value as Static<typeof standingSchema>).standing;
}

export const registryText = (registry: Registry) => `${JSON.stringify(registry, null, 2)}\n`;

/** The role that a source's name states, or null. */
export function roleOf(source: string): Role | null {
  const [first] = source.split("/", 1);
  return roles.find((role) => role === first) ?? null;
}

/**
 * Makes a source's private key, or takes the one that is there.
 * @param old the public key that it must not be any more: that one is replaced. @returns its entry in the registry
 */
export function makeKey(folder: string, source: string, old?: string): Registry["sources"][string] {
  const file = keyFile(folder, source);
  const publicKey = () => publicKeyText(privateKeyIn(file));
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  if (old !== undefined && existsSync(file) && publicKey() === old) replaceFile(file, pem);
  else createFile(file, pem);
  return { role: roleOf(source) ?? "", publicKey: publicKey() };
}

/** Where a folder of private keys has this source's. */
function keyFile(folder: string, source: string): string {
  return join(folder, `${source.replace("/", "-")}.pem`);
}

function sourceKey(publicKey: string, until: Until | undefined): SourceKey {
  const key = { publicKey, fingerprint: fingerprint(publicKey), key: publicKeyOf(publicKey) };
  return until === undefined ? key : { ...key, until };
}

function privateKeyIn(file: string): KeyObject {
  try {
    return createPrivateKey(readText(file));
  } catch (cause) {
    if (cause instanceof ThroughlineError) throw cause;
    // OpenSSL's words may quote what it read: they are not kept.
    throw new ThroughlineError("keys.unreadable", `${file} holds no private key`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ThroughlineError("config.unreadable", `Cannot read ${file}`, cause);
  }
}

function parseJson(text: string, what = "sources.json"): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ThroughlineError("config.invalid", `${what} is not JSON`, cause);
  }
}
