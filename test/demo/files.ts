/** Who plays in the demo, and the files an operator would write: throughline.yaml and the secrets it points to. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { accounts, type DemoAccount } from "./database.ts";
import type { Ports } from "./ports.ts";

const root = join(import.meta.dirname, "..", "..");

/** All three hold the approver role, so that a refused approval is refused for the right reason. */
export const workloads = ["extract", "transform", "load"].map((id) => ({
  id,
  name: `${id} job`,
  groups: ["pipelines", "data-owners"],
}));

export const people = [
  { login: "ana", name: "Ana (analyst)", groups: ["analysts"] },
  { login: "olga", name: "Olga (data owner)", groups: ["data-owners", "responders"] },
  { login: "ivan", name: "Ivan (investigator)", groups: ["investigators", "auditors"] },
];

export interface Secrets {
  readonly accounts: Record<DemoAccount, string>;
  readonly workloads: Record<string, string>;
  readonly people: Record<string, string>;
  readonly webhook: string;
}

/** Made at the first run, kept in the data folder. */
export async function secretsOf(folder: string): Promise<Secrets> {
  const file = join(folder, "secrets.json");
  if (existsSync(file)) return JSON.parse(await readFile(file, "utf8")) as Secrets;
  const made = () => randomBytes(15).toString("base64url");
  const secrets: Secrets = {
    accounts: Object.fromEntries(accounts.map((name) => [name, made()])) as Record<DemoAccount, string>,
    workloads: Object.fromEntries(workloads.map(({ id }) => [id, made()])),
    people: Object.fromEntries(people.map(({ login }) => [login, made()])),
    webhook: `whsec_${randomBytes(32).toString("base64")}`,
  };
  await writeFile(file, JSON.stringify(secrets, null, 2), { mode: 0o600 });
  return secrets;
}

export interface FileFacts {
  readonly folder: string;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly issuer: string;
  readonly api: string;
  readonly holdSeconds: number;
}

/** @returns the path of throughline.yaml */
export async function writeFiles(facts: FileFacts): Promise<string> {
  const { folder, secrets } = facts;
  await mkdir(join(folder, "secrets"), { recursive: true, mode: 0o700 });
  for (const account of accounts) {
    await writeFile(join(folder, "secrets", account), secrets.accounts[account], { mode: 0o600 });
  }
  await writeFile(join(folder, "secrets", "webhook"), secrets.webhook, { mode: 0o600 });
  const file = join(folder, "throughline.yaml");
  await writeFile(file, configText(facts));
  return file;
}

function configText({ ports, issuer, api, holdSeconds }: FileFacts): string {
  return `# Made by the demo; every key is explained in schemas/config.ts.
tenant: demo
name: one
data: ./throughline
policy: ${join(root, "infra/deploy/demo/policy.cedar")}
catalog: ${join(root, "infra/deploy/demo/catalog.yaml")}
rules: ${join(root, "schemas/rules")}
gateway:
  postgres: 127.0.0.1:${ports.gateway}
  requireTls: false
api:
  listen: 127.0.0.1:${ports.api}
  url: ${api}
  sessionHours: 8
identity:
  issuer: ${issuer}
  clientId: throughline
  audience: throughline
  groupsClaim: groups
  allowInsecure: true
targets:
  - name: orders
    kind: postgres
    address: 127.0.0.1:${ports.postgres}
    database: orders
    tls: disable
    catalogAccount: catalog
    opaque: hold
    mode: enforce
    accounts:
${accounts.map((name) => `      ${name}: { user: ${name}, passwordFile: secrets/${name} }`).join("\n")}
grants:
  hours: 8
holds:
  mode: wait
  waitSeconds: ${holdSeconds}
alerts:
  url: http://127.0.0.1:${ports.alerts}/
  secretFile: secrets/webhook
`;
}
