/**
 * Topics with partitions that keep order: what the shared log needs of Kafka. It carries bytes and knows no events.
 * kafka.ts implements it; tests have one in memory. One contract suite runs over both.
 */

/** A topic as it must be. */
export interface TopicNeed {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  /** In-sync replicas that must have a message before it is acknowledged. */
  readonly minInSync: number;
  /** Milliseconds; -1 = for ever. */
  readonly retentionMs: number;
}

export interface Outbound {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly value: Uint8Array;
}

export interface Inbound {
  readonly offset: number;
  /** The broker's clock when it appended, milliseconds. */
  readonly atMs: number;
  readonly key: string;
  readonly value: Buffer;
}

/** What stands in a partition: offsets from `first` up to but not including `end`. */
export interface Bounds {
  readonly first: number;
  readonly end: number;
}

export type BusState = { readonly connected: true } | { readonly connected: false; readonly reason: string };

export interface Tail {
  /** Rejects when the consumer throws or what should be next is gone (`log.damaged`); resolves after close(). Never rejects because a broker is away. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export interface Bus {
  /** Makes topics that are not there; checks those that are. @throws ThroughlineError `config.invalid` with what to change */
  prepare(topics: readonly TopicNeed[]): Promise<void>;
  /**
   * Appends in this order per partition. Resolves when all are acknowledged by every in-sync replica. After a rejection
   * any prefix per partition may be there: whoever sends again must expect duplicates. The caller has one send at a time.
   * @throws ThroughlineError `log.lost_connection` after the client's own retries
   */
  send(messages: readonly Outbound[]): Promise<void>;
  /** Waits while the brokers are away. */
  bounds(topic: string, partition: number): Promise<Bounds>;
  /**
   * Delivers every message from offset `from` on, each once, in order, in batches, waiting for the consumer. Goes on by
   * itself behind the last delivered one after anything: brokers away, restarts, pauses of this process.
   */
  tail(
    topic: string,
    partition: number,
    from: number,
    deliver: (messages: readonly Inbound[]) => void | Promise<void>,
  ): Tail;
  readonly state: BusState;
  /** Called at each change of state. @returns stops the calls */
  onState(listener: (state: BusState) => void): () => void;
  close(): Promise<void>;
}
