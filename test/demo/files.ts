/** Who plays in the demo, and the files an operator would write: throughline.yaml and the secrets it points to. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
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

/** Names of the second rule's tables: other ones in every data folder, so that nothing can be written for them. */
export interface Generated {
  readonly rule: string;
  readonly source: string;
  readonly copy: string;
  readonly column: string;
}

export async function generated(folder: string): Promise<Generated> {
  const file = join(folder, "generated.json");
  if (existsSync(file)) return JSON.parse(await readFile(file, "utf8")) as Generated;
  const id = randomBytes(3).toString("hex");
  const names = { rule: `gen_${id}`, source: `ledger_${id}`, copy: `ledger_copy_${id}`, column: `amount_${id}` };
  await writeFile(file, JSON.stringify(names));
  return names;
}

const generatedRule = ({
  rule,
  source,
  copy,
}: Generated): string => `title: Ledger read by one account, copied by another, truncated by a third
id: ${randomBytes(4).toString("hex")}-0000-4000-8000-000000000001
name: ${rule}_read
status: test
logsource: { product: throughline, category: command }
detection:
  selection: { operation: read, resource|contains: ".${source}" }
  condition: selection
---
title: Ledger copied
id: ${randomBytes(4).toString("hex")}-0000-4000-8000-000000000002
name: ${rule}_copy
status: test
logsource: { product: throughline, category: command }
detection:
  selection: { operation: transform, resource|contains: ".${source}" }
  condition: selection
---
title: Copy of the ledger emptied
id: ${randomBytes(4).toString("hex")}-0000-4000-8000-000000000003
name: ${rule}_empty
status: test
logsource: { product: throughline, category: command }
detection:
  selection: { destroys: true, resource|contains: ".${copy}" }
  condition: selection
---
title: Ledger read, copied and emptied
id: ${randomBytes(4).toString("hex")}-0000-4000-8000-000000000004
name: ${rule}
level: high
correlation:
  type: temporal_ordered
  rules: [${rule}_read, ${rule}_copy, ${rule}_empty]
  timespan: 1h
x-chain:
  mode: enforce
  links:
    - { from: ${rule}_read, to: ${rule}_copy, by: [lineage] }
    - { from: ${rule}_copy, to: ${rule}_empty, by: [flow] }
  distinct: { field: account, min: 3 }
  gate: { action: hold, approvers: [data-owners], wait: 15m, unavailable: hold }
`;

/** The operator's rules and catalog: the shipped ones, and one more rule with the tag it needs. */
async function writeRules({ folder, rules }: FileFacts): Promise<void> {
  const names = await generated(folder);
  await mkdir(join(folder, "rules"), { recursive: true });
  const shipped = join(root, "schemas/rules");
  for (const file of rules ?? (await readdir(shipped)))
    await copyFile(join(shipped, file), join(folder, "rules", file));
  const rule = join(folder, "rules", `${names.rule}.yml`);
  if (!existsSync(rule)) await writeFile(rule, generatedRule(names));
  const catalog = await readFile(join(root, "infra/deploy/demo/catalog.yaml"), "utf8");
  const tag = `- { resource: "orders/*.${names.source}#${names.column}", tags: [secret] }\n`;
  await writeFile(join(folder, "catalog.yaml"), catalog + tag);
}

export interface FileFacts {
  readonly folder: string;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly issuer: string;
  readonly api: string;
  readonly holdSeconds: number;
  readonly drainSeconds?: number;
  readonly traces?: string;
  readonly policy?: string;
  /** Of the shipped rule files; absent: all. */
  readonly rules?: readonly string[];
}

/** @returns the path of throughline.yaml */
export async function writeFiles(facts: FileFacts): Promise<string> {
  const { folder, secrets } = facts;
  await mkdir(join(folder, "secrets"), { recursive: true, mode: 0o700 });
  for (const account of accounts) {
    await writeFile(join(folder, "secrets", account), secrets.accounts[account], { mode: 0o600 });
  }
  await writeFile(join(folder, "secrets", "webhook"), secrets.webhook, { mode: 0o600 });
  await writeRules(facts);
  const file = join(folder, "throughline.yaml");
  await writeFile(file, configText(facts));
  return file;
}

function configText({ ports, issuer, api, holdSeconds, drainSeconds = 10, traces, policy }: FileFacts): string {
  return `# Made by the demo; every key is explained in schemas/config.ts.
tenant: demo
name: one
data: ./throughline
policy: ${policy ?? join(root, "infra/deploy/demo/policy.cedar")}
catalog: catalog.yaml
rules: rules
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
  audience: urn:throughline
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
  approvers: [data-owners]
  perIdentityMax: 500 # the demo plays its story again and again
alerts:
  - name: soc
    url: http://127.0.0.1:${ports.alerts}/
    secretFile: secrets/webhook
operations:
  listen: 127.0.0.1:${ports.operations}
  apiListen: 127.0.0.1:${ports.apiOperations}
  drainSeconds: ${drainSeconds}
${traces === undefined ? "" : `  traces: { url: "${traces}", ratio: 1 }\n`}`;
}
