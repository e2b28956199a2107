/**
 * The files of a cluster, as an operator would hand them out: each process its own folder with its configuration, the
 * registry of all sources, and the private keys of its own sources only.
 */
import { generateKeyPairSync } from "node:crypto";
import { copyFile, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openGrantKeys } from "../../infra/keys/grant-keys.ts";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import { publicKeyText } from "../../infra/log/sign.ts";
import { type Role, roles } from "../../schemas/event.ts";
import { accounts } from "../demo/database.ts";
import type { Secrets } from "../demo/files.ts";

const root = join(import.meta.dirname, "..", "..");

export const members = ["gw-a", "gw-b", "corr-a", "corr-b", "store"] as const;
export type Member = (typeof members)[number];
export type GatewayName = "gw-a" | "gw-b";

export const rolesOf: Record<Member, readonly Role[]> = {
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
  readonly hold: { readonly mode: "wait" | "retry"; readonly seconds: number };
}

export const dataOf = (folder: string, name: Member) => join(folder, name, "data");
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
  await writeKeys(folder);
  for (const name of members) await writeFile(configOf(folder, name), configText(facts, name));
}

/**
 * Every role under every name is known to all; a process holds the private keys of its own name. What gateways and api
 * share (master key, session keys, grant keys, blobs) stands in one folder of this machine, by links.
 */
async function writeKeys(folder: string): Promise<void> {
  const sources: Record<string, { role: Role; publicKey: string }> = {};
  for (const name of members) {
    const keys = join(dataOf(folder, name), "keys");
    await mkdir(keys, { recursive: true, mode: 0o700 });
    for (const source of [...roles.map((role) => `${role}/${name}`), `log/${name}-archive`]) {
      const { privateKey } = generateKeyPairSync("ed25519");
      const pem = privateKey.export({ type: "pkcs8", format: "pem" });
      sources[source] = { role: source.split("/")[0] as Role, publicKey: publicKeyText(privateKey) };
      await writeFile(join(keys, `${source.replace("/", "-")}.pem`), pem, { mode: 0o600 });
    }
  }
  const together = join(folder, "together");
  await mkdir(join(together, "blobs"), { recursive: true, mode: 0o700 });
  await (await openKeys(together)).close();
  await openGrantKeys(join(together, "keys", "grant.keys"));
  const registry = `${JSON.stringify({ tenant: "demo", sources }, null, 2)}\n`;
  for (const name of members) {
    const data = dataOf(folder, name);
    await writeFile(join(data, "keys", "sources.json"), registry, { mode: 0o600 });
    if (rolesOf[name].includes("correlator")) continue;
    for (const file of ["master.key", "session.keys", "grant.keys"])
      await symlink(join(together, "keys", file), join(data, "keys", file));
    await symlink(join(together, "blobs"), join(data, "blobs"));
  }
}

function configText(facts: ClusterFacts, name: Member): string {
  const { folder, issuer, api, postgres, gateways, brokers, hold } = facts;
  const entry = name in gateways ? gateways[name as GatewayName] : gateways["gw-a"];
  return `tenant: demo
name: ${name}
data: ${dataOf(folder, name)}
log:
  kafka: { brokers: ["${brokers[name]}"], prefix: tl, eventPartitions: 2, replicas: 1, minInSync: 1 }
policy: ${join(root, "infra/deploy/demo/policy.cedar")}
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
