/** The shared log of this process, from its configuration. */
import { readFile } from "node:fs/promises";
import { openKafka } from "../infra/log/kafka.ts";
import type { KafkaOptions } from "../infra/log/kafka-options.ts";
import type { SharedLogOptions } from "../infra/log/shared-log.ts";
import { sourcesOf } from "../infra/log/sources.ts";
import type { Config, KafkaConfig } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import type { Surroundings } from "./main-surroundings.ts";

const dayMs = 86_400_000;

/** @throws ThroughlineError `config.unreadable`, `config.invalid` */
export async function sharedLogOptions(config: Config, around: Surroundings): Promise<SharedLogOptions> {
  const kafka = config.log?.kafka;
  if (kafka === undefined) throw new ThroughlineError("internal.bug", "no shared log is configured");
  const sources = sourcesOf(config);
  const { prefix, eventPartitions, replicas, minInSync, retentionDays } = kafka;
  return {
    folder: config.data,
    tenant: config.tenant,
    name: config.name,
    sources,
    bus: openKafka(await brokersOf(kafka, config)),
    prefix,
    eventPartitions,
    durability: { replicas, minInSync, retentionMs: retentionDays === undefined ? -1 : retentionDays * dayMs },
    now: around.now,
    fatal: around.fatal,
    fault: around.fault,
  };
}

async function brokersOf({ brokers, tls, sasl }: KafkaConfig, { tenant, name }: Config): Promise<KafkaOptions> {
  const text = async (file: string | undefined) => (file === undefined ? undefined : await readFile(file, "utf8"));
  const [ca, cert, key] = [await text(tls?.caFile), await text(tls?.certFile), await text(tls?.keyFile)];
  const password = sasl ? (await readFile(sasl.passwordFile, "utf8")).trim() : "";
  return {
    brokers,
    clientId: `throughline-${tenant}-${name}`,
    tls: tls ? { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) } : null,
    sasl: sasl ? { mechanism: sasl.mechanism, username: sasl.user, password } : null,
  };
}
