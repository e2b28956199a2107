/** The files that an operator is given, read as their tools read them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { parseAllDocuments } from "yaml";

export const root = join(import.meta.dirname, "..", "..");
export const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

/** Which words are roles that may run together where the log is shared (services/main.ts). */
export const rolesOfMany = ["gateway", "correlator", "projector api"];
export const rolesOfOne = ["gateway correlator", "projector api"];

/** Every document, with anchors and merge keys resolved. */
export function documentsOf<T>(path: string): T[] {
  return parseAllDocuments(textOf(path), { merge: true, uniqueKeys: true }).map((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`${path}: ${error.message}`);
    return document.toJS({ maxAliasCount: 1_000 }) as T;
  });
}

const ajv = new Ajv({ strict: false, allErrors: true });

/** What a JSON schema finds wrong, one line each. @param schema a file of this folder @param reference of a definition in it */
export function faults(schema: string, reference: string, value: unknown): string[] {
  if (!ajv.getSchema(schema)) ajv.addSchema(JSON.parse(textOf(`test/deploy/${schema}`)), schema);
  const validate = ajv.getSchema(`${schema}${reference}`);
  if (!validate) throw new Error(`${schema} has no ${reference}`);
  validate(value);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

export interface Service {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly restart?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly network_mode?: string;
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly stop_grace_period?: string;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export const compose = (): Compose => documentsOf<Compose>("docker-compose.yml")[0]!;

export const networksOf = ({ networks = [] }: Service): string[] =>
  Array.isArray(networks) ? [...networks] : Object.keys(networks);

export interface Mount {
  /** `./…` of the repository, or the name of a volume. */
  readonly from: string;
  readonly to: string;
  readonly readOnly: boolean;
}

export const mountsOf = ({ volumes = [] }: Service): Mount[] =>
  volumes.map((volume) => {
    const [from = "", to = "", mode = "rw"] = volume.split(":");
    return { from, to, readOnly: mode.split(",").includes("ro") };
  });

/** The words of a command before its first option, and the option's value. */
export function wordsOf(command: readonly string[]): { roles: string; option: (name: string) => string | undefined } {
  const first = command.findIndex((word) => word.startsWith("--"));
  return {
    roles: command.slice(0, first < 0 ? undefined : first).join(" "),
    option: (name) => (command.includes(name) ? command[command.indexOf(name) + 1] : undefined),
  };
}
