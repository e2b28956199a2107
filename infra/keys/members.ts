/**
 * The keys of many machines, made in one place and carried from there: `sources.json` for all, and one folder for each
 * process with what that process needs and no more:
 *
 *     sources.json                      public: every process and every auditor
 *     gw1/  log-gw1.pem gateway-gw1.pem grant.keys master.key
 *     c1/   log-c1.pem correlator-c1.pem
 *     p1/   log-p1.pem log-p1-archive.pem projector-p1.pem api-p1.pem grant.keys master.key
 *
 * The folder as a whole is the tenant's trust: it belongs on no machine that runs a role. The registry is written last,
 * so what was begun and not ended is taken up again.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Role } from "../../schemas/event.ts";
import { createFile, replaceFile } from "../log/durable-file.ts";
import { makeKey, parseRegistry, type Registry, registryText } from "../log/sources.ts";
import { openGrantKeys } from "./grant-keys.ts";

/** A process: one name, and the roles that run in it. */
export interface Member {
  readonly name: string;
  readonly roles: readonly Exclude<Role, "log">[];
}

const registryFile = (folder: string) => join(folder, "sources.json");

/** @throws ThroughlineError `request.conflict` when there is a registry already, `request.invalid` for a name */
export async function makeMembers(folder: string, tenant: string, members: readonly Member[]): Promise<Registry> {
  if (existsSync(registryFile(folder)))
    throw new ThroughlineError("request.conflict", `${registryFile(folder)} is there already: add to it`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!/^[a-z][a-z0-9-]*$/.test(tenant)) throw new ThroughlineError("request.invalid", `${tenant} is no tenant's name`);
  const sources = makeKeys(folder, members);
  await makeSecrets(folder, members);
  return writeRegistry(folder, { tenant, sources });
}

/**
 * Adds processes to those of a folder. Their records are refused wherever the registry is not the new one yet.
 * @throws ThroughlineError `config.unreadable` without a registry or secrets to share, `request.conflict` for a known name
 */
export async function addMembers(folder: string, members: readonly Member[]): Promise<Registry> {
  const registry = readRegistry(folder);
  const made = makeKeys(folder, members, registry);
  await shareSecrets(folder, members);
  return writeRegistry(folder, { ...registry, sources: { ...registry.sources, ...made } });
}

/** @throws ThroughlineError `config.unreadable`, `config.invalid` */
export function readRegistry(folder: string): Registry {
  if (!existsSync(registryFile(folder)))
    throw new ThroughlineError("config.unreadable", `There is no ${registryFile(folder)}: \`sources init\` makes one`);
  return parseRegistry(readFileSync(registryFile(folder), "utf8"));
}

export function writeRegistry(folder: string, registry: Registry): Registry {
  replaceFile(registryFile(folder), registryText(registry), 0o644);
  return registry;
}

/** The sources that a process signs as. */
export function sourcesIn({ name, roles }: Member): string[] {
  const archive = roles.includes("projector") || roles.includes("api") ? [`log/${name}-archive`] : [];
  return [`log/${name}`, ...archive, ...roles.map((role) => `${role}/${name}`)];
}

function makeKeys(folder: string, members: readonly Member[], known?: Registry): Registry["sources"] {
  const sources: Registry["sources"] = {};
  for (const member of members) {
    const { name } = member;
    if (!/^[a-z][a-z0-9-]*$/.test(name) || name.endsWith("-archive"))
      throw new ThroughlineError("request.invalid", `${name} is no name of a process: a-z, 0-9 and -, no -archive`);
    for (const source of sourcesIn(member))
      if (known !== undefined && source in known.sources)
        throw new ThroughlineError("request.conflict", `${source} is known already`);
    const own = join(folder, name);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    for (const source of sourcesIn(member)) sources[source] = makeKey(own, source);
  }
  return sources;
}

const secrets = [
  { file: "grant.keys", roles: ["gateway", "api"] },
  { file: "master.key", roles: ["gateway", "projector", "api"] },
] as const;

const needs = (roles: readonly string[], { name, roles: own }: Member) =>
  own.some((role) => roles.includes(role)) ? [name] : [];

async function makeSecrets(folder: string, members: readonly Member[]): Promise<void> {
  for (const { file, roles } of secrets) {
    const [first] = members.flatMap((member) => needs(roles, member));
    if (first === undefined || holders(folder, file).length > 0) continue;
    const place = join(folder, first, file);
    if (file === "grant.keys") await openGrantKeys(place);
    else createFile(place, randomBytes(32));
  }
  await shareSecrets(folder, members);
}

/** Gives each process that needs it what the others have; one that has another already is an error. */
async function shareSecrets(folder: string, members: readonly Member[]): Promise<void> {
  for (const { file, roles } of secrets) {
    const names = members.flatMap((member) => needs(roles, member));
    const [kept, ...others] = holders(folder, file).map((path) => readFileSync(path));
    if (names.length > 0 && kept === undefined)
      throw new ThroughlineError(
        "config.unreadable",
        `No folder in ${folder} has ${file}: put it where the others are`,
      );
    if (others.some((other) => kept?.equals(other) !== true))
      throw new ThroughlineError("config.invalid", `The folders in ${folder} have different ${file}`);
    for (const name of names) createFile(join(folder, name, file), kept ?? "");
  }
}

function holders(folder: string, file: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name, file))
    .filter((path) => existsSync(path))
    .toSorted();
}
