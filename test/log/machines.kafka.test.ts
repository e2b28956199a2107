/** The log's contract over a real Kafka, and two gateways that hold a chain over it. */
import { after, before } from "node:test";
import { openKafka } from "../../infra/log/kafka.ts";
import { type Broker, startBroker } from "../kafka/broker.ts";
import { logContract } from "./contract.ts";
import { sharedWorld } from "./shared-world.ts";

let broker: Broker;
before(async () => {
  broker = await startBroker();
});
after(() => broker.end());

let runs = 0;
logContract("the shared log over Kafka", async () => {
  const here = sharedWorld(["one"], "demo", Date.now, `run${++runs}`);
  const machine = here.machine("one");
  const open = () => openKafka({ brokers: [broker.address], clientId: "test", tls: null, sasl: null });
  let bus = open();
  let log = await here.archive(machine, bus);
  const reopen = async () => {
    await log.close();
    await bus.close();
    bus = open();
    log = await here.archive(machine, bus);
    return log;
  };
  const end = async () => {
    await here.end();
    await bus.close();
  };
  return { log, role: "api", name: "one", ordersStreams: false, reopen, end };
});
