/**
 * P7: what a guarded command waits for its answer where the correlator is not in the gateway's process: over the local
 * socket of the log's writer, and over a real Kafka with two gateways and two correlators, one of which stops midway.
 * Also how fast those who were away catch up: a correlator that folds everything again, an archive that copies it.
 * Everything runs in one process here, so the figures are upper bounds of the ways, not of machines of their own.
 */
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bus } from "../../infra/log/bus.ts";
import { Folder } from "../../infra/log/fold.ts";
import { openJournal } from "../../infra/log/journal.ts";
import { openKafka } from "../../infra/log/kafka.ts";
import { storedRecord } from "../../infra/log/record.ts";
import { publicKeyText } from "../../infra/log/sign.ts";
import { openSocketLog } from "../../infra/log/socket-client.ts";
import { openSocketHost } from "../../infra/log/socket-host.ts";
import { openSources } from "../../infra/log/sources.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { Feed } from "../../services/gateway/feed.ts";
import { type Gateway, many } from "../gate/many.ts";
import { catalog, customers, effect, reading, staging, tenant, workload } from "../gate/world.ts";
import { startBroker } from "../kafka/broker.ts";
import { type Bench, type Figure, quantile } from "./figures.ts";

const email = `${customers}#email` as ResourceUri;
const stagingEmail = `${staging}#email` as ResourceUri;
const reads = reading([effect("read", [customers])], { shows: [email] });
const copies = reading([{ ...effect("transform", [email], [stagingEmail]), flows: [[email, stagingEmail]] }]);
const removes = reading([effect("delete", [], [staging], true)]);
const asks = 400;
const backlog = 20_000;

const round = (value: number) => Math.round(value * 100) / 100;

function latencies(name: string, ms: readonly number[], text: string): Figure[] {
  return [
    { name: `${name}_p50_ms`, value: round(quantile(ms, 0.5)), text },
    { name: `${name}_p99_ms`, value: round(quantile(ms, 0.99)), text },
  ];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** A gateway of its own connection: the intent over the socket, the answer back by a follow. */
async function socketGateway(folder: string, name: string) {
  const log = await openSocketLog({ folder, name, roles: ["gateway"], now: Date.now });
  const appender = await log.appender("gateway", name);
  const feed = new Feed(tenant, catalog);
  const folder2 = new Folder();
  const following = log.follow({ after: null, streams: ["steps"] }, (records) => {
    for (const record of records) feed.fold(folder2.toEntry(storedRecord(record)));
  });
  await following.caughtUp;
  return {
    async ask() {
      const subject = { session: name, command: randomUUID(), account: "load", target: "orders" };
      const answered = Promise.withResolvers<void>();
      feed.onAnswer(appender.nextId("steps"), () => answered.resolve());
      const { effects, opaque, transaction, undoable } = removes;
      const data = { kind: "query", effects, opaque, transaction, undoable, commits: [] };
      appender.append({ type: "command.intended", subject, data });
      await answered.promise;
    },
    async close() {
      await following.close();
      await log.close();
    },
  };
}

/** The registry of one machine, and a second gateway in it. */
function secondGateway(folder: string): void {
  openSources(folder, tenant, "one");
  const file = join(folder, "keys", "sources.json");
  const registry = JSON.parse(readFileSync(file, "utf8")) as { sources: Record<string, unknown> };
  const { privateKey } = generateKeyPairSync("ed25519");
  registry.sources["gateway/two"] = { role: "gateway", publicKey: publicKeyText(privateKey) };
  writeFileSync(file, JSON.stringify(registry));
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(join(folder, "keys", "gateway-two.pem"), pem, { mode: 0o600 });
}

/** Two gateways in turn; the correlator folds in the process of the log's writer, which here is the same one. */
async function overSocket(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "throughline-bench-"));
  const fatal = (error: Error) => {
    throw error;
  };
  secondGateway(folder);
  const journal = await openJournal({ folder, tenant, name: "one", now: Date.now, fatal });
  const speaker = await journal.appender("correlator", "one");
  const correlator = createCorrelator({ emit: (draft) => void speaker.append(draft), limits });
  await journal.foldFromStart((entry) => correlator.fold(entry));
  correlator.goLive();
  const host = await openSocketHost(journal, folder, Date.now);
  const gateways = [await socketGateway(folder, "one"), await socketGateway(folder, "two")];
  const ms: number[] = [];
  for (let index = 0; index < asks; index += 1) ms.push(await timed(() => gateways[index % 2]!.ask()));
  for (const gateway of gateways) await gateway.close();
  await host.close();
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
  return latencies(
    "P7.socket",
    ms,
    "two gateways: an answer by the correlator in the log's process, over its socket (goal 10)",
  );
}

async function overKafka(): Promise<Figure[]> {
  const broker = await startBroker();
  const buses: Bus[] = [];
  const bus = () => {
    buses.push(openKafka({ brokers: [broker.address], clientId: "bench", tls: null, sasl: null }));
    return buses.at(-1)!;
  };
  const here = await many(["a", "b", "c1", "c2", "c3", "arch"], bus());
  try {
    const first = await here.correlator("c1", bus());
    await here.correlator("c2", bus());
    const gateways = [await here.gateway("a", bus()), await here.gateway("b", bus())];
    const grant = here.grant(workload("load"), "load");
    const sessions = await Promise.all(gateways.map((gateway) => gateway.session(grant)));
    const ask = async (index: number, what: typeof removes) => {
      const [gateway, session] = [gateways[index % 2] as Gateway, sessions[index % 2]!];
      const judgement = await gateway.judge(session, "x", what);
      await gateway.reached(session, judgement);
      gateway.finish(session, judgement);
    };
    const [asked, read, copied, failing]: number[][] = [[], [], [], []];
    for (let index = 0; index < asks; index += 1) {
      asked!.push(await timed(() => ask(index, removes)));
      read!.push(await timed(() => ask(index, reads)));
    }
    copied!.push(await timed(() => ask(0, copies)));
    const stopping = first.stop();
    for (let index = 0; index < asks; index += 1) failing!.push(await timed(() => ask(index, removes)));
    await stopping;
    const figures = [
      ...latencies(
        "P7.kafka",
        asked!,
        "guarded command, two gateways, two correlators: until it may be forwarded (goal 50)",
      ),
      ...latencies("P7.kafka_tagged_read", read!, "until its record is in the shared log"),
      {
        name: "P7.kafka_tag_travels_ms",
        value: round(copied![0]!),
        text: "the first copy of a tag: until both gateways know it",
      },
      {
        name: "P7.failover_max_ms",
        value: round(Math.max(...failing!)),
        text: `longest of ${asks} guarded commands while one of two correlators stops`,
      },
    ];
    return [...figures, ...(await catchingUp(here, gateways[0] as Gateway, sessions[0]!, bus))];
  } finally {
    await here.end();
    for (const one of buses) await one.close();
    await broker.end();
  }
}

async function catchingUp(
  here: Awaited<ReturnType<typeof many>>,
  gateway: Gateway,
  session: Awaited<ReturnType<Gateway["session"]>>,
  bus: () => Bus,
): Promise<Figure[]> {
  for (let index = 0; index < backlog / 2; index += 1)
    gateway.finish(session, await gateway.judge(session, "x", reads));
  await gateway.shared.shipped();
  const correlator = await timed(() => here.correlator("c3", bus()));
  const archive = await timed(async () => {
    const log = await here.world.archive(here.world.machine("arch"), bus());
    await log.archive.caughtUp();
  });
  const per = (ms: number) => Math.round((backlog / ms) * 1_000);
  return [
    {
      name: "P7.catch_up_correlator",
      value: per(correlator),
      text: `steps/s that a correlator folds again from Kafka (${backlog}, start included)`,
    },
    {
      name: "P7.catch_up_archive",
      value: per(archive),
      text: `records/s that an archive judges and writes from Kafka (${backlog}, start included)`,
    },
  ];
}

export const decisionBench: Bench = {
  names: ["P7"],
  async run() {
    return [...(await overSocket()), ...(await overKafka())];
  },
};
