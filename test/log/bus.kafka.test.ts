/** Kafka keeps the contract of the bus, with a real broker; and what only a real broker can do wrong. */
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { after, before, test } from "node:test";
import kafkajs from "kafkajs";
import type { Bus } from "../../infra/log/bus.ts";
import { openKafka } from "../../infra/log/kafka.ts";
import type { KafkaOptions } from "../../infra/log/kafka-options.ts";
import { topicSettings } from "../../infra/log/kafka-topic.ts";
import { type Broker, secureUser, startBroker } from "../kafka/broker.ts";
import { busContract, listener } from "./bus-contract.ts";

let broker: Broker;
let topics = 0;
const opened: Bus[] = [];
const warnings: Error[] = [];
process.on("warning", (warning) => warnings.push(warning));

before(async () => {
  broker = await startBroker({ secure: true });
});
after(async () => {
  await Promise.all(opened.map((bus) => bus.close()));
  await broker.end();
});

function open(options: Partial<KafkaOptions> = {}): Bus {
  const bus = openKafka({ brokers: [broker.address], clientId: "contract", tls: null, sasl: null, ...options });
  opened.push(bus);
  return bus;
}

async function asAdministrator<Answer>(work: (admin: kafkajs.Admin) => Promise<Answer>): Promise<Answer> {
  const kafka = new kafkajs.Kafka({ brokers: [broker.address], logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

const newNeed = () => ({
  topic: `kafka.${topics++}`,
  partitions: 1,
  replicas: 1,
  minInSync: 1,
  retentionMs: -1,
});
const message = (topic: string, value: string) => ({ topic, partition: 0, key: "k", value: Buffer.from(value) });

busContract("Kafka", async () => {
  const mine: Bus[] = [];
  return {
    connect() {
      const bus = open();
      mine.push(bus);
      return bus;
    },
    async crash(whileAway) {
      await broker.kill9();
      await whileAway();
      await broker.restart();
    },
    trim: (topic, partition, offset) =>
      asAdministrator(async (admin) => {
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
      }),
    async end() {
      await Promise.all(mine.map((bus) => bus.close()));
    },
  };
});

test("a topic is made with the brokers' time, for ever, and without elections that lose", async () => {
  const bus = open();
  const need = { ...newNeed(), retentionMs: 86_400_000 };
  await bus.prepare([need]);
  const { resources } = await asAdministrator((admin) =>
    admin.describeConfigs({
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: need.topic }],
      includeSynonyms: false,
    }),
  );
  const there = new Map(resources[0]!.configEntries.map((entry) => [entry.configName, entry.configValue]));
  for (const [name, value] of Object.entries(topicSettings(need))) assert.equal(there.get(name), value, name);
});

test("a topic that takes the clients' time, forgets early or keeps only the newest is refused, all at once", async () => {
  const bus = open();
  const need = newNeed();
  const settings = { "retention.ms": "1000", "cleanup.policy": "compact", "max.message.bytes": "1000" };
  await asAdministrator((admin) =>
    admin.createTopics({
      topics: [
        {
          topic: need.topic,
          numPartitions: 1,
          replicationFactor: 1,
          configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
        },
      ],
    }),
  );
  await assert.rejects(bus.prepare([need]), (error: Error & { code?: string }) => {
    assert.equal(error.code, "config.invalid");
    for (const name of ["message.timestamp.type=LogAppendTime", "retention.ms=-1", "cleanup.policy=delete"])
      assert.match(error.message, new RegExp(`set ${name} `));
    assert.match(error.message, /set max\.message\.bytes=/);
    assert.match(error.message, new RegExp(need.topic));
    return true;
  });
});

test("more replicas than there are brokers is the operator's mistake, not a reason to wait", async () => {
  await assert.rejects(open().prepare([{ ...newNeed(), replicas: 3 }]), { code: "config.invalid" });
});

test("a broker that hangs is reported; what it was sent is not mistaken for what comes after it", async () => {
  const bus = open();
  const need = newNeed();
  await bus.prepare([need]);
  const all = listener();
  bus.tail(need.topic, 0, 0, all.deliver);
  await bus.send([message(need.topic, "0")]);
  await all.until(1);
  broker.stop();
  // It stands in the broker's socket, perhaps to be appended later: nobody knows.
  await assert.rejects(bus.send([message(need.topic, "lost")]), { code: "log.lost_connection" });
  assert.equal(bus.state.connected, false);
  broker.cont();
  // It may have been away for so long that it leads no partition for a moment: what it did not take is sent again.
  const insist = async (value: string): Promise<void> => {
    for (let taken = false; !taken; )
      taken = await bus.send([message(need.topic, value)]).then(
        () => true,
        (error: { code?: string }) => {
          assert.equal(error.code, "log.lost_connection");
          return false;
        },
      );
  };
  for (let number = 1; number < 10; number++) await insist(String(number));
  const { end } = await bus.bounds(need.topic, 0);
  await all.until(end);
  assert.deepEqual(
    all.heard.map(({ offset }) => offset),
    [...Array(end).keys()],
  );
  const values = all.heard.map(({ value }) => value.toString());
  assert.deepEqual(
    [...new Set(values)].filter((value) => value !== "lost"),
    [...Array(10).keys()].map(String),
  );
});

/** Somebody with rights on a consumer group joins it; as its leader it would give nobody anything. */
async function intrude(groupId: string, topic: string): Promise<{ joined: Promise<void>; end(): Promise<void> }> {
  const kafka = new kafkajs.Kafka({ brokers: [broker.address], logLevel: kafkajs.logLevel.NOTHING });
  const metadata = { version: 0, topics: [topic], userData: Buffer.alloc(0) };
  const greedy: kafkajs.PartitionAssigner = () => ({
    name: "one-partition",
    version: 0,
    assign: async () => [],
    protocol: () => ({
      name: "one-partition",
      metadata: kafkajs.AssignerProtocol.MemberMetadata.encode(metadata),
    }),
  });
  const stranger = kafka.consumer({ groupId, partitionAssigners: [greedy], heartbeatInterval: 500 });
  const joined = Promise.withResolvers<void>();
  stranger.on("consumer.group_join", () => joined.resolve());
  await stranger.connect();
  await stranger.subscribe({ topics: [topic], fromBeginning: true });
  await stranger.run({ autoCommit: false, eachMessage: async () => {} });
  return { joined: joined.promise, end: () => stranger.disconnect() };
}

test("a stranger who joins a reader's group changes nothing for it", async (context) => {
  const bus = open({ clientId: "joined" });
  const need = newNeed();
  await bus.prepare([need]);
  const all = listener();
  bus.tail(need.topic, 0, 0, all.deliver);
  await bus.send([message(need.topic, "0")]);
  await all.until(1);
  const { groups } = await asAdministrator((admin) => admin.listGroups());
  const { groupId } = groups.find((group) => group.groupId.startsWith("joined.tail."))!;
  const stranger = await intrude(groupId, need.topic);
  context.after(stranger.end);
  // The broker waits for the reader before it answers the stranger: from here on the reader has joined again.
  await stranger.joined;
  for (let i = 1; i < 20; i++) await bus.send([message(need.topic, String(i))]);
  await all.until(20);
  assert.deepEqual(
    all.heard.map(({ offset }) => offset),
    [...Array(20).keys()],
  );
});

test("a stranger who leads a reader's group cannot starve it: the reader goes on in another", async (context) => {
  const bus = open({ clientId: "led" });
  const need = newNeed();
  await bus.prepare([need]);
  await bus.send([message(need.topic, "0")]);
  const stranger = await intrude("led.tail.taken", need.topic);
  context.after(stranger.end);
  await stranger.joined;
  const random = crypto.randomUUID;
  const guessed = ["taken"];
  context.mock.method(crypto, "randomUUID", () => guessed.pop() ?? random());
  syncBuiltinESMExports();
  const all = listener();
  bus.tail(need.topic, 0, 0, all.deliver);
  await all.until(1);
  assert.deepEqual(guessed, []);
  context.mock.restoreAll();
  syncBuiltinESMExports();
});

test("markers of somebody's transaction take offsets and stop nobody", async () => {
  const bus = open();
  const need = newNeed();
  await bus.prepare([need]);
  const all = listener();
  bus.tail(need.topic, 0, 0, all.deliver);
  await bus.send([message(need.topic, "a")]);
  const kafka = new kafkajs.Kafka({ brokers: [broker.address], logLevel: kafkajs.logLevel.NOTHING });
  const other = kafka.producer({ transactionalId: "other", idempotent: true, maxInFlightRequests: 1 });
  await other.connect();
  const transaction = await other.transaction();
  await transaction.send({ topic: need.topic, messages: [{ partition: 0, key: "k", value: "b" }] });
  await transaction.abort();
  await other.disconnect();
  while ((await bus.bounds(need.topic, 0)).end < 3);
  await bus.send([message(need.topic, "c")]);
  await all.until(3);
  assert.deepEqual(
    all.heard.map(({ offset, value }) => [offset, value.toString()]),
    [
      [0, "a"],
      [1, "b"],
      [3, "c"],
    ],
  );
});

test("TLS and each way to say a password work; the brokers' name and signature are checked", async () => {
  const address = { brokers: [broker.secureAddress], tls: { ca: broker.authority } };
  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    const bus = open({ ...address, sasl: { mechanism, ...secureUser } });
    const need = newNeed();
    await bus.prepare([need]);
    const all = listener();
    bus.tail(need.topic, 0, 0, all.deliver);
    await bus.send([message(need.topic, mechanism)]);
    await all.until(1);
    assert.equal(all.heard[0]!.value.toString(), mechanism);
  }
  const sasl = { mechanism: "scram-sha-256", ...secureUser } as const;
  const stranger = open({ brokers: [broker.secureAddress], tls: {}, sasl });
  await assert.rejects(stranger.prepare([newNeed()]), { code: "config.invalid", message: /certificate/ });
});

test("a wrong password is refused at the start, and never said again", async () => {
  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    const sasl = { mechanism, username: secureUser.username, password: "hunter2" };
    const bus = open({ brokers: [broker.secureAddress], tls: { ca: broker.authority }, sasl });
    await assert.rejects(bus.prepare([newNeed()]), (error: Error & { code?: string }) => {
      assert.equal(error.code, "config.invalid");
      assert.match(error.message, /[Aa]uthentication/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
    await assert.rejects(bus.send([message("kafka.0", "x")]), { code: "log.lost_connection" });
    assert.ok(!bus.state.connected && /[Aa]uthentication/.test(bus.state.reason));
  }
});

test("a password is not sent without TLS", () => {
  assert.throws(() => open({ sasl: { mechanism: "plain", ...secureUser } }), { code: "config.invalid" });
});

test("the client's idle timers are mended: Node warned of none", () => {
  assert.deepEqual(
    warnings.filter(({ name }) => name === "TimeoutNegativeWarning"),
    [],
  );
});
