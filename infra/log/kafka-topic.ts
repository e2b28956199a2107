/**
 * The settings of a topic that the shared log relies on, and what to change where a topic differs. Each keeps a promise:
 * the broker's own clock on every message, nothing taken away early or rewritten, no acknowledged message lost with one
 * broker.
 */
import type { TopicNeed } from "./bus.ts";

/** Largest message a topic takes; a pack is half a mebibyte, one large batch of a source may be more. */
export const messageBytesMax = 8 * 1024 * 1024;
/** Broker's own overhead of a batch and a record, with room. */
const overheadBytes = 16 * 1024;

/** Settings by name, as Kafka writes them. */
export function topicSettings(need: TopicNeed): Record<string, string> {
  return {
    "message.timestamp.type": "LogAppendTime",
    "cleanup.policy": "delete",
    "retention.ms": String(need.retentionMs),
    "retention.bytes": "-1",
    "min.insync.replicas": String(need.minInSync),
    "max.message.bytes": String(messageBytesMax + overheadBytes),
    "unclean.leader.election.enable": "false",
  };
}

/** What a broker says about a topic. */
export interface TopicFound {
  readonly partitions: number;
  /** The fewest replicas of a partition. */
  readonly replicas: number;
  readonly settings: Readonly<Record<string, string>>;
}

/** @returns one sentence for each thing an administrator must change; empty when the topic will do */
export function topicFaults(need: TopicNeed, found: TopicFound): string[] {
  const faults: string[] = [];
  if (found.partitions !== need.partitions)
    faults.push(`make it again with ${need.partitions} partitions (it has ${found.partitions})`);
  if (found.replicas < need.replicas)
    faults.push(`give each partition ${need.replicas} replicas (one has ${found.replicas})`);
  const wanted = topicSettings(need);
  for (const [name, value] of Object.entries(wanted)) {
    const there = found.settings[name];
    if (there === undefined || !enough(name, value, there))
      faults.push(`set ${name}=${value} (it is ${there ?? "unknown"})`);
  }
  return faults;
}

/** Keeping longer, taking larger messages or asking for more replicas does no harm. */
function enough(name: string, wanted: string, there: string): boolean {
  if (wanted === there) return true;
  if (name === "retention.ms") return Number(there) === -1 || (Number(wanted) !== -1 && Number(there) > Number(wanted));
  return (name === "max.message.bytes" || name === "min.insync.replicas") && Number(there) > Number(wanted);
}
