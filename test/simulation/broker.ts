/**
 * The shared log's brokers as one leader: what is acknowledged stays; what is not may be lost with the leader. Requests
 * may arrive late, twice, or long after the sender has sent again. It carries bytes and knows no events.
 */
import type { Bounds, Bus, Inbound, Outbound, Tail } from "../../infra/log/bus.ts";
import type { Machine } from "./loop.ts";
import type { Network } from "./network.ts";

export interface Stored {
  readonly atMs: number;
  readonly key: string;
  readonly value: Buffer;
}

interface Partition {
  readonly messages: Stored[];
  /** Acknowledged, and to be seen by readers. */
  committed: number;
  waiting: (() => void)[];
}

const holdMs = 700;
const requestMs = 1_000;
const restMs = 150;

export class Broker {
  readonly machine: Machine;
  readonly #network: Network;
  readonly #partitions = new Map<string, Partition>();
  readonly #seen: (topic: string, offset: number, stored: Stored) => void;
  slowMs = 0;

  /** @param seen called for every message when it is acknowledged */
  constructor(machine: Machine, network: Network, seen: (topic: string, offset: number, stored: Stored) => void) {
    this.machine = machine;
    this.#network = network;
    this.#seen = seen;
  }

  partition(topic: string): Partition {
    let partition = this.#partitions.get(topic);
    if (partition === undefined) {
      partition = { messages: [], committed: 0, waiting: [] };
      this.#partitions.set(topic, partition);
    }
    return partition;
  }

  /** The leader is gone, and with it what was not acknowledged. */
  crash(): void {
    this.machine.stop();
    for (const partition of this.#partitions.values()) {
      partition.messages.length = partition.committed;
      partition.waiting = [];
    }
  }

  append(messages: readonly Outbound[], done: () => void): void {
    const dice = this.#network.dice("replication");
    const ends = messages.map(({ topic, key, value }) => {
      const partition = this.partition(topic);
      const end = partition.messages.push({ atMs: this.machine.now(), key, value: Buffer.from(value) });
      return { topic, partition, end };
    });
    this.machine.after(2 + dice(10) + (this.slowMs > 0 ? dice(this.slowMs) : 0), () => {
      for (const { topic, partition, end } of ends) this.#commit(topic, partition, end);
      done();
    });
  }

  #commit(topic: string, partition: Partition, end: number): void {
    for (; partition.committed < end; partition.committed += 1)
      this.#seen(topic, partition.committed, partition.messages[partition.committed]!);
    for (const wake of partition.waiting.splice(0)) wake();
  }

  fetch(topic: string, from: number, reply: (messages: Inbound[]) => void): void {
    const partition = this.partition(topic);
    const answer = () => {
      const count = 1 + this.#network.dice("batches")(12);
      const found = partition.messages.slice(from, Math.min(partition.committed, from + count));
      reply(found.map(({ atMs, key, value }, index) => ({ offset: from + index, atMs, key, value })));
    };
    if (partition.committed > from) {
      answer();
      return;
    }
    const once = { answer: answer as (() => void) | null };
    const wake = () => {
      once.answer?.();
      once.answer = null;
    };
    partition.waiting.push(wake);
    this.machine.after(holdMs, wake);
  }
}

/** One process's way to the brokers. It asks again for ever; a request that came through late is there twice. */
export class SimulatedBus implements Bus {
  readonly state = { connected: true } as const;
  readonly #machine: Machine;
  readonly #broker: Broker;
  readonly #network: Network;
  /** Answers to an earlier run of the process reach nobody. */
  readonly #run: number;

  constructor(machine: Machine, broker: Broker, network: Network) {
    this.#machine = machine;
    this.#run = machine.run;
    this.#broker = broker;
    this.#network = network;
  }

  async prepare(): Promise<void> {}

  async send(messages: readonly Outbound[]): Promise<void> {
    const dice = this.#network.dice(`${this.#machine.name} sends`);
    await this.#insist<true>((answer) => {
      this.#broker.append(messages, () => answer(true));
      if (dice(25) === 0) this.#broker.machine.after(dice(4_000), () => this.#broker.append(messages, () => {}));
    });
  }

  async bounds(topic: string): Promise<Bounds> {
    return this.#insist<Bounds>((answer) => answer({ first: 0, end: this.#broker.partition(topic).committed }));
  }

  tail(
    topic: string,
    _partition: number,
    from: number,
    deliver: (messages: readonly Inbound[]) => void | Promise<void>,
  ): Tail {
    let open = true;
    const read = async () => {
      for (let next = from; open; ) {
        const messages = await this.#insist<Inbound[]>((answer) => this.#broker.fetch(topic, next, answer));
        if (!open || messages.length === 0) continue;
        await deliver(messages);
        next += messages.length;
      }
    };
    return {
      ended: read(),
      async close() {
        open = false;
      },
    };
  }

  #insist<T>(ask: (answer: (value: T) => void) => void): Promise<T> {
    const { machine: broker } = this.#broker;
    const machine = this.#machine;
    return new Promise((resolve) => {
      let over = false;
      const answer = (value: T) =>
        this.#network.send(broker, machine, broker, () => {
          over = true;
          if (machine.run === this.#run) resolve(value);
        });
      const attempt = () => {
        if (over) return;
        this.#network.send(machine, broker, broker, () => ask(answer));
        machine.after(requestMs, () => {
          if (!over) machine.after(restMs, attempt);
        });
      };
      attempt();
    });
  }

  onState(): () => void {
    return () => {};
  }

  async close(): Promise<void> {}
}
