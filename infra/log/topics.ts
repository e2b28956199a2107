/** The shared log's topics: one pair per tenant, so that a broker's own rights, quotas and retention keep tenants apart. */
import { createHash } from "node:crypto";
import type { Stream } from "../../schemas/event.ts";
import type { Bus, TopicNeed } from "./bus.ts";

export interface SharedOptions {
  readonly bus: Bus;
  readonly tenant: string;
  /** Names start with it. */
  readonly prefix: string;
  /** Of the `events` topic; `steps` has one, because a tenant's order is one order. */
  readonly eventPartitions: number;
}

export interface Topics {
  readonly steps: string;
  readonly events: string;
  readonly eventPartitions: number;
}

export function topicsOf({ tenant, prefix, eventPartitions }: Omit<SharedOptions, "bus">): Topics {
  return { steps: `${prefix}.${tenant}.steps`, events: `${prefix}.${tenant}.events`, eventPartitions };
}

export interface Durability {
  readonly replicas: number;
  readonly minInSync: number;
  /** Milliseconds; -1 = for ever. */
  readonly retentionMs: number;
}

export function topicNeeds(topics: Topics, durability: Durability): TopicNeed[] {
  return [
    { topic: topics.steps, partitions: 1, ...durability },
    { topic: topics.events, partitions: topics.eventPartitions, ...durability },
  ];
}

/** Where a source's packs of a stream go. A session lives in one source, so its own order holds too. */
export function placeOf(topics: Topics, source: string, stream: Stream): { topic: string; partition: number } {
  if (stream === "steps") return { topic: topics.steps, partition: 0 };
  const partition = createHash("sha256").update(source).digest().readUInt32LE(0) % topics.eventPartitions;
  return { topic: topics.events, partition };
}
