/**
 * The bus over Apache Kafka. Appends are idempotent and wait for every in-sync replica; reads keep their own positions
 * and never commit any to the brokers. While brokers are away it tries again, for ever, and says so as its state.
 * It does not batch, compress or judge what it carries. kafkajs is imported here and nowhere else.
 *
 * kafkajs reads only as a consumer group, so each tail is a group of one member with a name of its own, and its assigner
 * takes the one partition. Whatever the group does, the session is told again where to read (kafka-tail.ts).
 */
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { connect, isIP, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import type {
  Admin,
  EachBatchPayload,
  ISocketFactory,
  ITopicMetadata,
  Kafka,
  KafkaConfig,
  PartitionAssigner,
  Producer,
  SASLOptions,
} from "kafkajs";
import kafkajs from "kafkajs";
import { ThroughlineError } from "../../schemas/errors.ts";
import type { Bounds, Bus, BusState, Inbound, Outbound, Tail, TopicNeed } from "./bus.ts";
import { isMissingTopic, isRefusal, reasonOf } from "./kafka-error.ts";
import type { KafkaOptions } from "./kafka-options.ts";
import { requestsOf } from "./kafka-request.ts";
import { type Fetched, KafkaTail, type Session, type SessionEvents } from "./kafka-tail.ts";
import { topicFaults, topicSettings } from "./kafka-topic.ts";

const { AssignerProtocol, ConfigResourceTypes, logLevel } = kafkajs;
stopIdleTimers();

const fetchBytesMax = 4 * 1024 * 1024;
/** How long the brokers may take to have a message on every in-sync replica. */
const replicateMsMax = 4_000;
/** How long a fetch waits for something new, and so the longest a quiet close takes. */
const pollMs = 250;
const retryMsMin = 100;
const retryMsMax = 2_000;
const closeWaitMs = 1_500;
const timing = {
  connectionTimeout: 3_000,
  authenticationTimeout: 5_000,
  requestTimeout: 5_000,
} as const;
/** Of kafkajs itself. A request sent again by it is no duplicate, so a producer tries longer; the rest have loops here. */
const retry = { initialRetryTime: 50, multiplier: 2, factor: 0.2, maxRetryTime: 1_000, retries: 1 } as const;
const producerRetries = 2;

/** Nothing is connected yet. @throws ThroughlineError `config.invalid` */
export function openKafka(options: KafkaOptions): Bus {
  if (options.brokers.length === 0) throw new ThroughlineError("config.invalid", "name at least one broker");
  if (options.sasl?.mechanism === "plain" && options.tls === null)
    throw new ThroughlineError("config.invalid", "sasl plain sends the password itself: it needs tls");
  return new KafkaBus(options);
}

class KafkaBus implements Bus {
  readonly #options: KafkaOptions;
  readonly #listeners = new Set<(state: BusState) => void>();
  /** Each part of this client that has a connection: what it suffers from, or null. */
  readonly #parts = new Map<string, string | null>();
  readonly #tails = new Set<Tail>();
  readonly #stopping = new AbortController();
  #state: BusState = { connected: false, reason: "not connected yet" };
  #producer: Promise<Line<Producer>> | null = null;
  #admin: Promise<Line<Admin>> | null = null;
  #tailCount = 0;

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  get state(): BusState {
    return this.#state;
  }

  onState(listener: (state: BusState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async prepare(topics: readonly TopicNeed[]): Promise<void> {
    for (const need of topics) {
      const found = await this.#ask((admin) => findOrMakeTopic(admin, need), true);
      const faults = topicFaults(need, found);
      if (faults.length > 0) throw new ThroughlineError("config.invalid", `topic ${need.topic}: ${faults.join("; ")}`);
    }
  }

  async send(messages: readonly Outbound[]): Promise<void> {
    if (this.#stopping.signal.aborted) throw closedError();
    const requests = requestsOf(messages);
    this.#producer ??= openLine(this.#options, makeProducer);
    const opening = this.#producer;
    try {
      const { client } = await opening;
      for (const topicMessages of requests)
        await client.sendBatch({ acks: -1, timeout: replicateMsMax, topicMessages });
    } catch (cause) {
      // The numbers this producer gave may or may not be used up: another message under them would be dropped as a
      // duplicate. A new producer begins a new count.
      this.#producer = null;
      void hangUp(opening);
      this.#report("producer", cause);
      throw new ThroughlineError(
        "log.lost_connection",
        `the brokers did not take a message: ${reasonOf(cause)}`,
        cause,
      );
    }
    this.#report("producer", null);
  }

  bounds(topic: string, partition: number): Promise<Bounds> {
    return this.#ask(async (admin) => {
      const found = (await admin.fetchTopicOffsets(topic)).find((place) => place.partition === partition);
      if (found === undefined) throw new Error(`${topic} has no partition ${partition}`);
      return { first: Number(found.low), end: Number(found.high) };
    }, false);
  }

  tail(
    topic: string,
    partition: number,
    from: number,
    deliver: (messages: readonly Inbound[]) => void | Promise<void>,
  ): Tail {
    if (this.#stopping.signal.aborted) throw closedError();
    const part = `tail ${++this.#tailCount}`;
    const source = {
      name: `${topic}/${partition}`,
      open: (events: SessionEvents) => openSession(this.#options, topic, partition, events),
      bounds: () => this.bounds(topic, partition),
      report: (trouble: unknown) => this.#report(part, trouble),
    };
    const tail = new KafkaTail(source, from, deliver);
    this.#tails.add(tail);
    const forget = (): void => {
      this.#tails.delete(tail);
      this.#parts.delete(part);
      this.#settle();
    };
    tail.ended.then(forget, forget);
    return tail;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#tails].map((tail) => tail.close()));
    await Promise.all([this.#producer, this.#admin].map((line) => line && hangUp(line)));
  }

  /**
   * Asks until there is an answer.
   * @param strict refusals that waiting does not mend are thrown as `config.invalid`
   */
  async #ask<Answer>(question: (admin: Admin) => Promise<Answer>, strict: boolean): Promise<Answer> {
    const { signal } = this.#stopping;
    for (let waitMs = retryMsMin; !signal.aborted; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      this.#admin ??= openLine(this.#options, makeAdmin);
      const opening = this.#admin;
      try {
        const answer = await question((await opening).client);
        this.#report("admin", null);
        return answer;
      } catch (error) {
        if (!isMissingTopic(error)) {
          if (this.#admin === opening) this.#admin = null;
          void hangUp(opening);
        }
        if (strict && isRefusal(error))
          throw new ThroughlineError("config.invalid", `the brokers cannot be used: ${reasonOf(error)}`, error);
        if (!signal.aborted) this.#report("admin", error);
        await sleep(waitMs, null, { signal }).catch(() => {});
      }
    }
    throw closedError();
  }

  #report(part: string, trouble: unknown): void {
    this.#parts.set(part, trouble === null ? null : reasonOf(trouble));
    this.#settle();
  }

  #settle(): void {
    if (this.#parts.size === 0) return;
    const reason = [...this.#parts.values()].find((trouble) => trouble !== null) ?? null;
    const before = this.#state.connected ? null : this.#state.reason;
    if (reason === before) return;
    this.#state = reason === null ? { connected: true } : { connected: false, reason };
    for (const listener of [...this.#listeners]) listener(this.#state);
  }
}

/** A kafkajs client with the sockets it opened, so that ending it never waits for a broker that hangs. */
interface Line<Client> {
  readonly client: Client;
  readonly sockets: Set<Socket>;
}

type Connecting = { connect(): Promise<void>; disconnect(): Promise<void> };

function makeProducer(kafka: Kafka): Producer {
  return kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: { ...retry, retries: producerRetries },
  });
}

function makeAdmin(kafka: Kafka): Admin {
  return kafka.admin({ retry });
}

async function openLine<Client extends Connecting>(
  options: KafkaOptions,
  make: (kafka: Kafka) => Client,
): Promise<Line<Client>> {
  const { kafka, sockets } = newKafka(options);
  const line = { client: make(kafka), sockets };
  try {
    await line.client.connect();
  } catch (error) {
    await hangUp(Promise.resolve(line));
    throw error;
  }
  return line;
}

/** Never rejects: what is wrong with a connection that is being dropped concerns nobody. */
async function hangUp(opening: Promise<Line<Connecting>>): Promise<void> {
  const line = await opening.catch(() => null);
  if (line === null) return;
  const impatience = setTimeout(() => destroyAll(line.sockets), closeWaitMs);
  await line.client.disconnect().catch(() => {});
  clearTimeout(impatience);
  destroyAll(line.sockets);
}

/** kafkajs hears of an error, not of a close. */
function destroyAll(sockets: ReadonlySet<Socket>): void {
  for (const socket of sockets) socket.destroy(new Error("hung up"));
}

function newKafka(options: KafkaOptions): { kafka: Kafka; sockets: Set<Socket> } {
  const sockets = new Set<Socket>();
  const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? connectTls({ ...ssl, host, port, ...(isIP(host) ? {} : { servername: host }) }, onConnect)
      : connect({ host, port }, onConnect);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  };
  const config: KafkaConfig = {
    ...timing,
    retry,
    clientId: options.clientId,
    brokers: [...options.brokers],
    logLevel: logLevel.NOTHING,
    socketFactory,
    ssl: options.tls === null ? false : { ...options.tls, rejectUnauthorized: true, minVersion: "TLSv1.2" },
  };
  if (options.sasl !== null) config.sasl = { ...options.sasl } as SASLOptions;
  return { kafka: new kafkajs.Kafka(config), sockets };
}

async function openSession(
  options: KafkaOptions,
  topic: string,
  partition: number,
  events: SessionEvents,
): Promise<Session> {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  const make = (kafka: Kafka) =>
    kafka.consumer({
      groupId: `${options.clientId}.tail.${randomUUID()}`,
      // Long, because a group of one has nobody to hand its partition to; a pause of this process needs no rejoin.
      sessionTimeout: 300_000,
      rebalanceTimeout: 10_000,
      heartbeatInterval: 3_000,
      minBytes: 1,
      maxBytes: fetchBytesMax,
      maxBytesPerPartition: fetchBytesMax,
      maxWaitTimeInMs: pollMs,
      allowAutoTopicCreation: false,
      // Every reader must see the same, whatever somebody's transaction does.
      readUncommitted: true,
      partitionAssigners: [onePartition(topic, partition)],
      retry: { ...retry, restartOnFailure: () => Promise.resolve(false) },
    });
  const line = await openLine(options, make);
  const { client } = line;
  client.on("consumer.crash", ({ payload }) => broken.reject(payload.error));
  client.on("consumer.fetch", () => events.alive());
  client.on("consumer.group_join", ({ payload }) => {
    const got = payload.memberAssignment[topic] ?? [];
    if (!got.includes(partition)) broken.reject(new Error("somebody else is in this reader's consumer group"));
    client.seek({ topic, partition, offset: String(events.position()) });
  });
  try {
    await client.subscribe({ topics: [topic], fromBeginning: true });
    await client.run({ autoCommit: false, eachBatch: ({ batch }) => events.take(fetchedOf(batch)) });
  } catch (error) {
    await hangUp(Promise.resolve(line));
    throw error;
  }
  return { broken: broken.promise, end: () => hangUp(Promise.resolve(line)) };
}

function onePartition(topic: string, partition: number): PartitionAssigner {
  const assignment = AssignerProtocol.MemberAssignment.encode({
    version: 0,
    assignment: { [topic]: [partition] },
    userData: Buffer.alloc(0),
  });
  const metadata = { version: 0, topics: [topic], userData: Buffer.alloc(0) };
  return () => ({
    name: "one-partition",
    version: 0,
    assign: async ({ members }) => members.map(({ memberId }) => ({ memberId, memberAssignment: assignment })),
    protocol: () => ({ name: "one-partition", metadata: AssignerProtocol.MemberMetadata.encode(metadata) }),
  });
}

function fetchedOf(batch: EachBatchPayload["batch"]): Fetched {
  const messages = batch.messages.map(({ offset, timestamp, key, value }) => ({
    offset: Number(offset),
    atMs: Number(timestamp),
    key: key?.toString() ?? "",
    value: value ?? Buffer.alloc(0),
  }));
  return { first: Number(batch.firstOffset()), last: Number(batch.lastOffset()), messages };
}

async function findOrMakeTopic(admin: Admin, need: TopicNeed) {
  const there = (await admin.listTopics()).includes(need.topic);
  if (!there) {
    const configEntries = Object.entries(topicSettings(need)).map(([name, value]) => ({ name, value }));
    const wanted = {
      topic: need.topic,
      numPartitions: need.partitions,
      replicationFactor: need.replicas,
      configEntries,
    };
    await admin.createTopics({ topics: [wanted], waitForLeaders: true });
  }
  const { topics } = await admin.fetchTopicMetadata({ topics: [need.topic] });
  const { resources } = await admin.describeConfigs({
    resources: [{ type: ConfigResourceTypes.TOPIC, name: need.topic }],
    includeSynonyms: false,
  });
  const settings = Object.fromEntries(
    (resources[0]?.configEntries ?? []).map(({ configName, configValue }) => [configName, configValue]),
  );
  const { partitions } = topics[0] as ITopicMetadata;
  return {
    partitions: partitions.length,
    replicas: Math.min(...partitions.map((one) => one.replicas.length)),
    settings,
  };
}

function closedError(): ThroughlineError {
  return new ThroughlineError("log.lost_connection", "the bus was closed");
}

/**
 * kafkajs 2.2.4 looks for waiting requests a millisecond after each answer, then again, for ever, on every connection
 * (its issue 1751): some hundredths of a processor, and a warning of Node about a negative timeout. Only a queue in
 * which something waits needs to be looked at. The version is pinned, and bus.kafka.test.ts sees when this has no effect.
 */
function stopIdleTimers(): void {
  const inside = createRequire(import.meta.url);
  const { prototype } = inside("kafkajs/src/network/requestQueue") as {
    prototype: { pending: unknown[]; scheduleCheckPendingRequests(): void };
  };
  const look = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (): void {
    if (this.pending.length > 0) look.call(this);
  };
}
