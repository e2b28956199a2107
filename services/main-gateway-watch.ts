/** What a gateway shows its operator: its parts' health, its figures, its commands' traces. */
import { Durations } from "../infra/observe/durations.ts";
import { fine, type PartState } from "../infra/observe/health.ts";
import type { Config } from "../schemas/config.ts";
import { limits } from "../schemas/limits.ts";
import { counted, noCounts } from "./gateway/counts.ts";
import type { Feed } from "./gateway/feed.ts";
import type { RunningGate } from "./gateway/gate.ts";
import type { Entry } from "./gateway/postgres/entry.ts";
import { traced } from "./gateway/traced.ts";
import type { GatewayLog } from "./main-gateway-log.ts";
import { type Operating, watchJournal, watchShipping } from "./main-operations.ts";
import type { PolicyInForce } from "./main-policy.ts";
import type { Readers } from "./main-readers.ts";
import { watchRefolding } from "./main-refold.ts";
import type { Reload } from "./main-reload.ts";

export interface GatewayCounts {
  readonly rulings: ReturnType<typeof noCounts>;
  readonly decisions: Durations;
}

export const newGatewayCounts = (): GatewayCounts => ({ rulings: noCounts(), decisions: new Durations() });

export function watchGate(
  gate: RunningGate,
  { rulings, decisions }: GatewayCounts,
  { tracer }: Operating,
): RunningGate {
  const clock = () => performance.now();
  const watched = counted(gate, { rulings, timed: (seconds) => decisions.observe(seconds) }, clock);
  return tracer === null ? watched : traced(watched, tracer, () => performance.timeOrigin + performance.now());
}

export interface WatchedGateway {
  readonly config: Config;
  readonly counts: GatewayCounts;
  readonly operating: Operating;
  readonly feed: Feed;
  readonly readers: Pick<Readers, "loaded">;
  readonly log: GatewayLog;
  readonly entry: Pick<Entry, "pending" | "sessions">;
  readonly inForce: PolicyInForce;
  readonly reload: Reload;
  readonly now: () => number;
}

const wire = "postgres";

export function watchGateway(parts: WatchedGateway): void {
  const { counts, operating, feed, log, entry, now } = parts;
  const { metrics } = operating;
  watchJournal(operating, log.journal, now);
  watchShared(parts);
  watchTargets(parts);
  watchPolicy(parts);
  if (log.refolding !== null) watchRefolding(operating, log.refolding);
  metrics.counter(
    "commands_total",
    "Verdicts, by ruling; a command that was held and approved has two",
    () => Object.entries(counts.rulings).map(([ruling, value]) => ({ labels: { ruling, wire }, value })),
    ["ruling", "wire"],
  );
  metrics.durations(
    "decision_seconds",
    "Time to decide and record a command, every sixteenth; not people's",
    counts.decisions,
  );
  metrics.gauge("sessions_open", "Sessions that run", () => entry.sessions.size);
  metrics.gauge("logins_pending", "Connections that have not finished their login", () => entry.pending);
  metrics.gauge("holds_waiting", "Approvals that people have not answered", () => feed.approvals.waiting);
  metrics.gauge(
    "content_forgotten",
    "Hashes of shown values given up for want of room: what they would tie is not found any more",
    () => feed.content.forgotten,
  );
  metrics.gauge("blocks_standing", "Blocks in force", () => feed.blocks.length);
}

/** The shared log of many machines: how far it is behind, and how old what is known here may be. */
function watchShared({ operating, log: { shared, shipper, journal }, now }: WatchedGateway): void {
  const { health, metrics } = operating;
  const staleMsMax = limits.feedStaleMsMax;
  if (shared === null || shipper === null) {
    metrics.gauge("feed_stale_seconds", "How old what is known here may be", () => 0);
    return;
  }
  watchShipping(operating, shipper, now);
  const lag = async () => {
    const head = await journal.head();
    const { shipped } = shipper;
    if (head === null) return 0;
    return Number(journal.encodePosition(head)) - (shipped === null ? 0 : Number(journal.encodePosition(shipped)));
  };
  metrics.gauge("feed_stale_seconds", "How old what is known here may be", () => finite(shared.staleMs() / 1_000));
  metrics.gauge("shared_lag_records", "Records of the spool that the shared log has not", lag);
  health.part("feed", true, () =>
    shared.staleMs() <= staleMsMax ? fine : { ok: false, reason: "what is known of the shared log is too old" },
  );
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** One target that is down is its users' trouble; all of them are the gateway's. */
function watchTargets({ config, operating: { health, metrics }, readers }: WatchedGateway): void {
  const names = config.targets.map(({ name }) => name);
  const state = (name: string): PartState =>
    readers.loaded(name) === null ? { ok: false, reason: "its catalog was not read yet: it does not answer" } : fine;
  for (const name of names) health.part(`target ${name}`, false, () => state(name));
  health.part("targets", true, () =>
    names.some((name) => state(name).ok) ? fine : { ok: false, reason: "no target has answered yet" },
  );
  metrics.gauge(
    "target_known",
    "1 when the catalog of the target was read",
    () => names.map((target) => ({ labels: { target }, value: state(target).ok ? 1 : 0 })),
    ["target"],
  );
}

/** Files that are not taken over endanger nothing now; a policy of the log that cannot be read here does. */
function watchPolicy({ operating: { health, metrics }, inForce, reload }: WatchedGateway): void {
  const stateOf = (problem: string | null): PartState => (problem === null ? fine : { ok: false, reason: problem });
  health.part("policy", true, () => stateOf(inForce.problem));
  health.part("policy files", false, () => stateOf(reload.problem));
  metrics.gauge("policy_files_refused", "1 while the files that were read last are not in force", () =>
    reload.problem === null ? 0 : 1,
  );
}
