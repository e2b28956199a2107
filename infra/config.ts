/**
 * Loads `throughline.yaml`: every finding at once, each with file:line and what would be right. An unknown key is an
 * error, because a mistyped key in a security product is a hole that nobody sees. Relative paths become absolute.
 */
import { dirname, resolve } from "node:path";
import {
  type Config,
  configSchema,
  type GatewayTlsConfig,
  type KafkaConfig,
  type StoreConfig,
} from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { type Finding, findings } from "../schemas/shape.ts";
import { absoluteStorage, storageContradictions } from "./config-storage.ts";
import { readTextFile } from "./text-file.ts";
import { parseYaml } from "./yaml.ts";

/** @throws ThroughlineError `config.unreadable`, `config.invalid` (one line per finding: `file:line: key: what`) */
export async function loadConfig(file: string): Promise<Config> {
  return readConfig(await readTextFile(file, "config.invalid"), file);
}

/** @param file its folder is what relative paths are relative to */
export function readConfig(text: string, file: string): Config {
  const parsed = parseYaml(text, file, "config.invalid");
  const found = findings(configSchema, parsed.value);
  const problems = found.map((finding) => sentence(file, parsed.at(finding.path).line, finding));
  if (problems.length > 0) throw new ThroughlineError("config.invalid", [...new Set(problems)].join("\n"));
  const config = parsed.value as Config;
  const more = contradictions(config).map(
    ([path, what]) => `${file}:${parsed.at(path).line}: ${path.join(".")}: ${what}`,
  );
  if (more.length > 0) throw new ThroughlineError("config.invalid", more.join("\n"));
  return withAbsolutePaths(config, dirname(resolve(file)));
}

function sentence(file: string, line: number, finding: Finding): string {
  const key = finding.path.at(-1) ?? "";
  const near = nearest(key, finding.known);
  const hint =
    finding.known.length === 0 ? "" : near ? `; did you mean "${near}"?` : `; known here: ${finding.known.join(", ")}`;
  return `${file}:${line}: ${finding.path.join(".") || "the file"}: ${finding.message}${hint}`;
}

/** The known key at the smallest edit distance, when that is small enough to be a slip. */
function nearest(key: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(key.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(key.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substituted));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** What a shape cannot say. */
function contradictions(config: Config): [string[], string][] {
  const found: [string[], string][] = [];
  const names = new Set<string>();
  for (const [index, target] of config.targets.entries()) {
    if (names.has(target.name))
      found.push([["targets", String(index), "name"], `target "${target.name}" is named twice`]);
    names.add(target.name);
    if (!(target.catalogAccount in target.accounts)) {
      const what = `"${target.catalogAccount}" is none of accounts: ${Object.keys(target.accounts).join(", ")}`;
      found.push([["targets", String(index), "catalogAccount"], what]);
    }
  }
  for (const [index, { name }] of (config.alerts ?? []).entries())
    if (config.alerts?.findIndex((one) => one.name === name) !== index)
      found.push([["alerts", String(index), "name"], `receiver "${name}" is named twice`]);
  const insecure = config.identity.issuer.startsWith("http:") && !config.identity.allowInsecure;
  if (insecure)
    found.push([["identity", "issuer"], "http is for development: set identity.allowInsecure: true, or use https"]);
  const kafka = config.log?.kafka;
  if (kafka && kafka.minInSync > kafka.replicas)
    found.push([["log", "kafka", "minInSync"], `${kafka.minInSync} of ${kafka.replicas} replicas can never be there`]);
  if (kafka?.sasl && !kafka.tls)
    found.push([
      ["log", "kafka", "sasl"],
      "a password needs log.kafka.tls: {} (or a CA), or it crosses the network in the clear",
    ]);
  found.push(...storeContradictions(config));
  found.push(...storageContradictions(config));
  if (config.gateway.requireTls && !config.gateway.tls) found.push([["gateway", "requireTls"], "needs gateway.tls"]);
  if (config.gateway.tls?.clientCertificate && !config.gateway.tls.clientCaFile)
    found.push([
      ["gateway", "tls", "clientCertificate"],
      "needs clientCaFile: the CA that signs the clients' certificates",
    ]);
  return found;
}

function withAbsoluteTls(tls: GatewayTlsConfig, at: (path: string) => string): GatewayTlsConfig {
  const { certFile, keyFile, clientCaFile } = tls;
  return {
    ...tls,
    certFile: at(certFile),
    keyFile: at(keyFile),
    ...(clientCaFile ? { clientCaFile: at(clientCaFile) } : {}),
  };
}

function storeContradictions({ store }: Config): [string[], string][] {
  const server = store?.server;
  if (!server?.url.startsWith("http:")) return [];
  const isHere = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?\/?$/.test(server.url);
  if (server.caFile) return [[["store", "server", "caFile"], "a CA is for https"]];
  if (isHere || server.allowInsecure) return [];
  const what = "clear text of commands and a password would cross the network: use https, or set allowInsecure: true";
  return [[["store", "server", "url"], what]];
}

function withAbsolutePaths(config: Config, folder: string): Config {
  const at = (path: string) => resolve(folder, path);
  const tls = config.gateway.tls;
  return {
    ...config,
    data: at(config.data),
    ...absoluteStorage(config, at),
    ...(config.log ? { log: { kafka: withAbsoluteKafka(config.log.kafka, at) } } : {}),
    ...(config.store ? { store: withAbsoluteStore(config.store, at) } : {}),
    policy: at(config.policy),
    catalog: at(config.catalog),
    rules: at(config.rules),
    gateway: { ...config.gateway, ...(tls ? { tls: withAbsoluteTls(tls, at) } : {}) },
    targets: config.targets.map((target) => ({
      ...target,
      ...(target.caFile ? { caFile: at(target.caFile) } : {}),
      accounts: Object.fromEntries(
        Object.entries(target.accounts).map(([name, account]) => [
          name,
          { ...account, ...(account.passwordFile ? { passwordFile: at(account.passwordFile) } : {}) },
        ]),
      ),
    })),
    ...(config.alerts
      ? { alerts: config.alerts.map((receiver) => ({ ...receiver, secretFile: at(receiver.secretFile) })) }
      : {}),
  };
}

function withAbsoluteKafka(kafka: KafkaConfig, at: (path: string) => string): KafkaConfig {
  const { tls, sasl } = kafka;
  const files = Object.fromEntries(Object.entries(tls ?? {}).map(([key, path]) => [key, at(path)]));
  return {
    ...kafka,
    ...(tls ? { tls: files } : {}),
    ...(sasl ? { sasl: { ...sasl, passwordFile: at(sasl.passwordFile) } } : {}),
  };
}

function withAbsoluteStore(store: StoreConfig, at: (path: string) => string): StoreConfig {
  const { server } = store;
  if (!server) return store;
  const { passwordFile, caFile } = server;
  return { ...store, server: { ...server, passwordFile: at(passwordFile), ...(caFile ? { caFile: at(caFile) } : {}) } };
}
