/**
 * The shared log's brokers in memory, for tests and simulation: no timers and no dice, so the same calls give the same
 * deliveries. Each process connects its own bus, whose connection a test cuts, holds back, or robs of an acknowledgement.
 * It refuses what real brokers refuse; it cannot show what a slow network does.
 */
import type { Bounds, Bus, BusState, Inbound, Outbound, Tail, TopicNeed } from "../../infra/log/bus.ts";
import { ThroughlineError } from "../../schemas/errors.ts";

interface Partition {
  /** Offset of the first message that is still there. */
  first: number;
  messages: Inbound[];
}

interface Topic {
  readonly need: TopicNeed;
  readonly partitions: readonly Partition[];
}

export class MemoryBrokers {
  readonly #topics = new Map<string, Topic>();
  readonly #buses = new Set<MemoryBus>();
  readonly #now: () => number;

  /** @param now the brokers' clock, milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A client of its own, as each process has one. */
  connect(): MemoryBus {
    const bus = new MemoryBus(this);
    this.#buses.add(bus);
    return bus;
  }

  create(need: TopicNeed): void {
    const partitions = Array.from({ length: need.partitions }, () => ({ first: 0, messages: [] }));
    this.#topics.set(need.topic, { need, partitions });
    this.wake();
  }

  topic(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  partition(topic: string, partition: number): Partition | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  append({ topic, partition, key, value }: Outbound): void {
    const { first, messages } = this.partition(topic, partition)!;
    messages.push({ offset: first + messages.length, atMs: this.#now(), key, value: Buffer.from(value) });
  }

  /** What retention does: the messages before `offset` are gone. */
  trim(topic: string, partition: number, offset: number): void {
    const place = this.partition(topic, partition)!;
    place.messages = place.messages.filter((message) => message.offset >= offset);
    place.first = offset;
    this.wake();
  }

  /** What losing unsynced data does: the messages from `offset` on are gone. */
  forget(topic: string, partition: number, offset: number): void {
    const place = this.partition(topic, partition)!;
    place.messages = place.messages.filter((message) => message.offset < offset);
    this.wake();
  }

  wake(): void {
    for (const bus of this.#buses) bus.wake();
  }

  leave(bus: MemoryBus): void {
    this.#buses.delete(bus);
  }
}

/** Messages of one delivery. */
const batchMax = 64;

export class MemoryBus implements Bus {
  readonly #brokers: MemoryBrokers;
  readonly #listeners = new Set<(state: BusState) => void>();
  readonly #tails = new Set<Tail>();
  #waking = Promise.withResolvers<void>();
  #state: BusState = { connected: true };
  #held = false;
  #acksDropped = 0;
  #closed = false;

  constructor(brokers: MemoryBrokers) {
    this.#brokers = brokers;
  }

  get state(): BusState {
    return this.#state;
  }

  /** From now on the brokers are away for this bus. */
  cut(reason = "cut by the test"): void {
    this.#become({ connected: false, reason });
  }

  mend(): void {
    this.#become({ connected: true });
  }

  /** Tails get nothing until release(): this process reads late. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.wake();
  }

  /** The next `count` sends are appended, and reported lost all the same. */
  dropAcks(count: number): void {
    this.#acksDropped += count;
  }

  wake(): void {
    const { resolve } = this.#waking;
    this.#waking = Promise.withResolvers();
    resolve();
  }

  async prepare(topics: readonly TopicNeed[]): Promise<void> {
    await this.#until(() => this.#state.connected);
    for (const need of topics) {
      const there = this.#brokers.topic(need.topic);
      if (there === undefined) this.#brokers.create(need);
      else if (there.need.partitions !== need.partitions)
        throw new ThroughlineError(
          "config.invalid",
          `topic ${need.topic} must have ${need.partitions} partitions, it has ${there.need.partitions}`,
        );
    }
  }

  async send(messages: readonly Outbound[]): Promise<void> {
    const known = messages.every(({ topic, partition }) => this.#brokers.partition(topic, partition) !== undefined);
    if (!this.#state.connected || this.#closed || !known)
      throw new ThroughlineError("log.lost_connection", known ? "the brokers are away" : "no such topic");
    for (const message of messages) this.#brokers.append(message);
    this.#brokers.wake();
    if (this.#acksDropped === 0) return;
    this.#acksDropped -= 1;
    throw new ThroughlineError("log.lost_connection", "the acknowledgement was lost");
  }

  async bounds(topic: string, partition: number): Promise<Bounds> {
    await this.#until(() => this.#state.connected && this.#brokers.partition(topic, partition) !== undefined);
    const { first, messages } = this.#brokers.partition(topic, partition)!;
    return { first, end: first + messages.length };
  }

  tail(topic: string, partition: number, from: number, deliver: (messages: readonly Inbound[]) => unknown): Tail {
    let closed = false;
    const follow = async (): Promise<void> => {
      for (let next = from; !closed; ) {
        const batch = this.#after(topic, partition, next);
        if (batch.length === 0) {
          await this.#waking.promise;
          continue;
        }
        await deliver(batch);
        next += batch.length;
      }
    };
    const ended = follow();
    const tail: Tail = {
      ended,
      close: async () => {
        closed = true;
        this.wake();
        await ended.catch(() => {});
        this.#tails.delete(tail);
      },
    };
    ended.catch(() => {});
    this.#tails.add(tail);
    return tail;
  }

  onState(listener: (state: BusState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.wake();
    await Promise.all([...this.#tails].map((tail) => tail.close()));
    this.#brokers.leave(this);
  }

  #after(topic: string, partition: number, next: number): Inbound[] {
    const place = this.#brokers.partition(topic, partition);
    if (!this.#state.connected || this.#held || place === undefined) return [];
    if (next < place.first || next > place.first + place.messages.length)
      throw new ThroughlineError("log.damaged", `${topic}/${partition} no longer has offset ${next}`);
    return place.messages.slice(next - place.first, next - place.first + batchMax);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#closed) throw new ThroughlineError("log.lost_connection", "the bus was closed");
      await this.#waking.promise;
    }
  }

  #become(state: BusState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
    this.wake();
  }
}
