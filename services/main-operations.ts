/**
 * What this process shows its operator: notes, health by part, figures and traces. Opened before the roles, so that a start
 * that takes long or fails can be watched; the roles add their parts.
 */
import type { JournalFigures } from "../infra/log/journal.ts";
import { Durations } from "../infra/observe/durations.ts";
import { fine, Health, type PartState } from "../infra/observe/health.ts";
import { Metrics } from "../infra/observe/metrics.ts";
import { type NoteFormat, type Notes, openNotes } from "../infra/observe/notes.ts";
import { type Operations, openOperations } from "../infra/observe/operations.ts";
import type { Tracer } from "../infra/observe/trace.ts";
import type { Config } from "../schemas/config.ts";
import { limits } from "../schemas/limits.ts";

export interface Operating {
  readonly notes: Notes;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Null where tracing is off. */
  readonly tracer: Tracer | null;
  readonly drainMs: number;
  /**
   * The roles serve: from now on readiness is what the parts say.
   * @throws ThroughlineError `config.invalid` when the operations address cannot be listened on
   */
  started(): void;
  close(): Promise<void>;
}

export interface OperatingParts {
  readonly config: Config;
  /** Of this process: `gateway correlator`. */
  readonly roles: string;
  readonly version: string;
  /** Standard output is a terminal. */
  readonly tty: boolean;
  readonly now: () => number;
}

const drainSecondsByDefault = 10;

export async function openOperating(parts: OperatingParts): Promise<Operating> {
  const { config, roles, version, tty, now } = parts;
  const { operations = {} } = config;
  const service = roles.split(" ")[0] ?? roles;
  const format: NoteFormat = operations.logs ?? (tty ? "text" : "json");
  const notes = openNotes({ format, base: { service, name: config.name, tenant: config.tenant, version } });
  const health = new Health();
  const metrics = new Metrics({ tenant: config.tenant, service, name: config.name });
  metrics.gauge("info", "1, with the version of this process", () => [{ labels: { version }, value: 1 }], ["version"]);
  let ready = false;
  health.part("start", true, () => (ready ? fine : { ok: false, reason: "it is still starting" }));
  const listen = addressFor(roles, config);
  let listening: Operations | null = null;
  let unheard: unknown = null;
  if (listen !== undefined) {
    metrics.addProcess();
    try {
      listening = await openOperations({ listen, health, metrics, fault: notes.fault });
    } catch (error) {
      // Told when the roles have started: of a second process on one folder the folder's lock says more.
      unheard = error;
    }
  }
  const tracer = await tracerOf(parts);
  if (tracer !== null) addTracer(metrics, tracer);
  return {
    notes,
    health,
    metrics,
    tracer,
    drainMs: (operations.drainSeconds ?? drainSecondsByDefault) * 1_000,
    started() {
      if (unheard !== null) throw unheard;
      ready = true;
    },
    async close() {
      await tracer?.close();
      await listening?.close();
      notes.flush();
    },
  };

  /** Imported only where it is configured. */
  async function tracerOf({ roles: named }: OperatingParts): Promise<Tracer | null> {
    if (operations.traces === undefined || !named.startsWith("gateway")) return null;
    const { openTracer } = await import("../infra/observe/otel.ts");
    return openTracer({ ...operations.traces, service: { role: service, name: config.name, version }, now });
  }
}

/** On one machine both processes read one file, and only one of them can have an address. */
function addressFor(roles: string, { operations = {}, log }: Config): string | undefined {
  if (!roles.startsWith("projector")) return operations.listen;
  return operations.apiListen ?? (log === undefined ? undefined : operations.listen);
}

function addTracer(metrics: Metrics, { counts }: Tracer): void {
  metrics.counter("traces_total", "Commands that were traced", () => counts.traced);
  metrics.counter("trace_exports_failed_total", "Batches that the collector did not take", () => counts.failedExports);
}

export interface WatchedJournal {
  readonly figures: JournalFigures;
  onSync(hook: () => () => void): () => void;
}

/** The log of this process on its own disk: the log itself on one machine, else the spool. */
export function watchJournal({ health, metrics }: Operating, journal: WatchedJournal, now: () => number): void {
  const syncs = new Durations();
  journal.onSync(() => {
    const startedMs = now();
    return () => syncs.observe((now() - startedMs) / 1_000);
  });
  const { figures } = journal;
  const before = figures.appended;
  health.part("log", true, () => journalState(journal.figures));
  metrics.counter(
    "records_appended_total",
    "Records since this process started",
    () => journal.figures.appended - before,
  );
  metrics.gauge("records_not_durable", "Records that wait for the disk", () => {
    const { appended, durable } = journal.figures;
    return appended - durable;
  });
  metrics.gauge("log_bytes", "Bytes of the log on this machine's disk", () => journal.figures.bytes);
  metrics.gauge("log_full", "1 while the disk has no room for new work", () => (journal.figures.full ? 1 : 0));
  metrics.durations("log_sync_seconds", "One fdatasync of the log", syncs);
}

function journalState({ full, broken }: JournalFigures): PartState {
  if (broken) return { ok: false, reason: "the log cannot be written" };
  return full ? { ok: false, reason: "the disk of the log is full" } : fine;
}

export interface WatchedShipper {
  readonly failingSince: number | null;
  /** Of the last acknowledged send, milliseconds. */
  readonly sendMs: number;
}

/** The way from the spool to the shared log. */
export function watchShipping({ health, metrics }: Operating, shipper: WatchedShipper, now: () => number): void {
  const failedSeconds = () => (shipper.failingSince === null ? 0 : (now() - shipper.failingSince) / 1_000);
  metrics.gauge("shared_failing_seconds", "Since when nothing gets through to the shared log", failedSeconds);
  metrics.gauge("shared_send_seconds", "The last acknowledged send to the shared log", () => shipper.sendMs / 1_000);
  health.part("shared log", true, () =>
    failedSeconds() * 1_000 <= limits.feedStaleMsMax
      ? fine
      : { ok: false, reason: `nothing gets through since ${Math.round(failedSeconds())} s` },
  );
}
