/**
 * The files of a cluster, as an operator would hand them out: each process its own folder with its configuration, the
 * registry of all sources, and the private keys of its own sources only.
 */
import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Member as KeyHolder, makeMembers } from "../../infra/keys/members.ts";
import { accounts } from "../demo/database.ts";
import type { Secrets } from "../demo/files.ts";

const root = join(import.meta.dirname, "..", "..");

export const members = ["gw-a", "gw-b", "corr-a", "corr-b", "store"] as const;
export type Member = (typeof members)[number];
export type GatewayName = "gw-a" | "gw-b";

export const rolesOf: Record<Member, KeyHolder["roles"]> = {
  "gw-a": ["gateway"],
  "gw-b": ["gateway"],
  "corr-a": ["correlator"],
  "corr-b": ["correlator"],
  store: ["projector", "api"],
};

export interface ClusterFacts {
  readonly folder: string;
  readonly secrets: Secrets;
  readonly issuer: string;
  readonly api: { readonly port: number; readonly url: string };
  readonly postgres: number;
  readonly gateways: Record<GatewayName, number>;
  /** Where each process reaches the broker. */
  readonly brokers: Record<Member, string>;
  readonly hold: Hold;
  readonly holdAt: Partial<Record<Member, Hold>>;
}

export interface Hold {
  readonly mode: "wait" | "retry";
  readonly seconds: number;
}

export const dataOf = (folder: string, name: Member) => join(folder, name, "data");
export const keysOf = (folder: string) => join(folder, "keys");
export const configOf = (folder: string, name: Member) => join(folder, name, "throughline.yaml");

export async function writeCluster(facts: ClusterFacts): Promise<void> {
  const { folder, secrets } = facts;
  await mkdir(join(folder, "secrets"), { recursive: true, mode: 0o700 });
  for (const account of accounts)
    await writeFile(join(folder, "secrets", account), secrets.accounts[account], { mode: 0o600 });
  await copyFile(join(root, "infra/deploy/demo/catalog.yaml"), join(folder, "catalog.yaml"));
  await mkdir(join(folder, "rules"), { recursive: true });
  for (const file of await readdir(join(root, "schemas/rules")))
    await copyFile(join(root, "schemas/rules", file), join(folder, "rules", file));
  await makeMembers(
    keysOf(folder),
    "demo",
    members.map((name) => ({ name, roles: rolesOf[name] })),
  );
  for (const name of members) {
    await mkdir(dataOf(folder, name), { recursive: true, mode: 0o700 });
    await writeFile(configOf(folder, name), configText(facts, name));
  }
}

function configText(facts: ClusterFacts, name: Member): string {
  const { folder, issuer, api, postgres, gateways, brokers } = facts;
  const hold = facts.holdAt[name] ?? facts.hold;
  const entry = name in gateways ? gateways[name as GatewayName] : gateways["gw-a"];
  const keys = keysOf(folder);
  const masterKey = rolesOf[name].includes("correlator")
    ? ""
    : `keys: { in: blobs, masterKeyFile: "${join(keys, name, "master.key")}" }\n`;
  return `tenant: demo
name: ${name}
data: ${dataOf(folder, name)}
log:
  kafka: { brokers: ["${brokers[name]}"], prefix: tl, eventPartitions: 2, replicas: 1, minInSync: 1 }
sources: ${join(keys, "sources.json")}
privateKeys: ${join(keys, name)}
blobs: { folder: "${join(folder, "blobs")}" }
${masterKey}policy: ${join(root, "infra/deploy/demo/policy.cedar")}
catalog: ${join(folder, "catalog.yaml")}
rules: ${join(folder, "rules")}
gateway: { postgres: "127.0.0.1:${entry}", requireTls: false }
api: { listen: "127.0.0.1:${api.port}", url: "${api.url}", sessionHours: 8 }
identity: { issuer: "${issuer}", clientId: throughline, audience: "urn:throughline", groupsClaim: groups, allowInsecure: true }
targets:
  - name: orders
    kind: postgres
    address: 127.0.0.1:${postgres}
    database: orders
    tls: disable
    catalogAccount: catalog
    opaque: hold
    mode: enforce
    accounts:
${accounts.map((one) => `      ${one}: { user: ${one}, passwordFile: "${join(folder, "secrets", one)}" }`).join("\n")}
grants: { hours: 8 }
holds: { mode: ${hold.mode}, waitSeconds: ${hold.seconds}, approvers: [data-owners], perIdentityMax: 1000000 }
`;
}
