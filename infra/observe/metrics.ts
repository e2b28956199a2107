/**
 * Figures for Prometheus. Nothing is pushed: each figure is read from the part that has it when somebody asks, so a
 * path that is hot pays at most an addition of its own. The one file that imports prom-client.
 *
 * Labels are names from the configuration and words of this program (ruling, wire, target, receiver), never identities,
 * statements or values: the page has no login.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Durations } from "./durations.ts";

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Null = not known now: no line. */
export type Figure = number | null | readonly Sample[];
export type Read = () => Figure | Promise<Figure>;

const prefix = "throughline_";

export class Metrics {
  readonly #registry = new Registry();

  /** @param base labels on every line: tenant, service. They name a process among others of the same installation. */
  constructor(base: Readonly<Record<string, string>>) {
    this.#registry.setDefaultLabels({ ...base });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Of the process itself: memory, event loop, garbage collection. Once per process: it watches until that ends. */
  addProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** What only grows. @param name without prefix; ends in `_total` */
  counter(name: string, help: string, read: Read, labelNames: readonly string[] = []): void {
    const registers = [this.#registry];
    new Counter({
      name: prefix + name,
      help,
      labelNames: [...labelNames],
      registers,
      async collect() {
        const found = await read();
        this.reset();
        for (const { labels, value } of samples(found)) this.inc({ ...labels }, value);
      },
    });
  }

  gauge(name: string, help: string, read: Read, labelNames: readonly string[] = []): void {
    const registers = [this.#registry];
    new Gauge({
      name: prefix + name,
      help,
      labelNames: [...labelNames],
      registers,
      async collect() {
        const found = await read();
        this.reset();
        // Without labels the library starts again at 0, which would be a claim.
        if (labelNames.length === 0) this.remove();
        for (const { labels, value } of samples(found)) this.set({ ...labels }, value);
      },
    });
  }

  /** @param name ends in `_seconds` */
  durations(name: string, help: string, durations: Durations): void {
    this.#registry.registerMetric(new Filled(prefix + name, help, durations));
  }

  /** The whole page. Rejects when a part cannot be read, which is a defect. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

function samples(found: Figure): readonly Sample[] {
  if (found === null) return [];
  return typeof found === "number" ? [{ labels: {}, value: found }] : found;
}

/** A histogram that was counted elsewhere. */
class Filled extends Histogram {
  readonly #durations: Durations;
  readonly #name: string;
  /** What the library would print of one that saw nothing: name, help and type. */
  readonly #empty: Histogram;

  constructor(name: string, help: string, durations: Durations) {
    const shape = { name, help, buckets: [...durations.bounds], registers: [] };
    super(shape);
    this.#durations = durations;
    this.#name = name;
    this.#empty = new Histogram(shape);
  }

  /** What the registry prints. */
  async getForPromString(): ReturnType<Histogram["get"]> {
    const { bounds, counts, sumSeconds, count } = this.#durations;
    let sofar = 0;
    const bucket = (le: number | string, inIt: number) => {
      sofar += inIt;
      return { metricName: `${this.#name}_bucket`, labels: { le }, value: sofar };
    };
    const values = [...bounds].map((bound, at) => bucket(bound, counts[at] ?? 0));
    values.push(bucket("+Inf", counts[bounds.length] ?? 0));
    const sum = { metricName: `${this.#name}_sum`, labels: {}, value: sumSeconds };
    const all = { metricName: `${this.#name}_count`, labels: {}, value: count };
    return { ...(await this.#empty.get()), values: [...values, sum, all] };
  }
}
