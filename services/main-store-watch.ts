/** What the process of projector and api shows its operator: its parts' health and its figures. */
import type { Entry } from "../infra/log/entry.ts";
import type { Log } from "../infra/log/log.ts";
import { fine, Probe } from "../infra/observe/health.ts";
import type { Store } from "../infra/store/store.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import type { Api } from "./api/api.ts";
import type { Operating } from "./main-operations.ts";
import type { PolicyInForce } from "./main-policy.ts";

/** How often the log has told of something, since it began. */
export interface Told {
  readonly counts: Record<"chain.completed" | "alert.raised" | "block.enforced", number>;
  hear(entry: Entry): void;
}

export function newTold(): Told {
  const counts = { "chain.completed": 0, "alert.raised": 0, "block.enforced": 0 };
  return {
    counts,
    hear({ type }) {
      if (type === "chain.completed" || type === "alert.raised" || type === "block.enforced") counts[type] += 1;
    },
  };
}

export interface WatchedStore {
  readonly config: Config;
  readonly operating: Operating;
  readonly api: Pick<Api, "isCaughtUp" | "couriers">;
  readonly log: Pick<Log, "head" | "encodePosition">;
  readonly store: Pick<Store, "writtenUpTo">;
  readonly inForce: PolicyInForce;
  readonly told: Told;
  readonly now: () => number;
}

const probeEveryMs = 10_000;
const probeMsMax = 3_000;

export function watchStore(parts: WatchedStore): void {
  const { operating, api, told } = parts;
  const { health, metrics } = operating;
  health.part("log", true, () => (api.isCaughtUp ? fine : { ok: false, reason: "the log is still being read" }));
  watchParts(parts);
  watchReceivers(parts);
  metrics.counter(
    "chains_completed_total",
    "Chains that were completed or held, in the whole log",
    () => told.counts["chain.completed"],
  );
  metrics.counter("alerts_raised_total", "Alerts, in the whole log", () => told.counts["alert.raised"]);
  metrics.counter(
    "blocks_enforced_total",
    "Refusals because of a block, in the whole log",
    () => told.counts["block.enforced"],
  );
}

function watchParts({ config, operating: { health, metrics }, log, store, inForce, now }: WatchedStore): void {
  const about = { now, everyMs: probeEveryMs, answerMsMax: probeMsMax };
  const storeProbe = new Probe({
    ...about,
    ask: () => store.writtenUpTo().then(() => undefined),
    reason: "the store does not answer",
  });
  const discovery = new URL(".well-known/openid-configuration", `${config.identity.issuer.replace(/\/$/, "")}/`);
  const providerProbe = new Probe({
    ...about,
    async ask(signal) {
      const answer = await fetch(discovery, { signal, redirect: "manual" });
      await answer.body?.cancel();
      if (!answer.ok) throw new ThroughlineError("identity.provider", `it answered ${answer.status}`);
    },
    reason: "the identity provider does not answer",
  });
  // Without them nobody reads timelines or logs in; alerts, approvals by those who are logged in and blocks still work.
  health.part("store", false, () => storeProbe.state());
  health.part("identity provider", false, () => providerProbe.state());
  health.part("policy", true, () => (inForce.problem === null ? fine : { ok: false, reason: inForce.problem }));
  metrics.gauge("projector_lag_records", "Records of the log that the store has not", async () => {
    if (!storeProbe.state().ok) return null;
    try {
      const [head, written] = [await log.head(), await store.writtenUpTo()];
      return head === null ? 0 : Math.max(0, Number(log.encodePosition(head)) - Number(written ?? 0));
    } catch (error) {
      // One of them is away: this figure is not known now, and the others are.
      if (error instanceof ThroughlineError) return null;
      throw error;
    }
  });
}

function watchReceivers({ operating: { health, metrics }, api: { couriers } }: WatchedStore): void {
  const each = (value: (courier: WatchedStore["api"]["couriers"][number]) => number) => () =>
    couriers.map((courier) => ({ labels: { receiver: courier.name }, value: value(courier) }));
  metrics.counter(
    "alerts_sent_total",
    "Messages that a receiver has taken",
    each(({ counts }) => counts.sent),
    ["receiver"],
  );
  metrics.counter(
    "alert_tries_failed_total",
    "Messages that a receiver did not take",
    each(({ counts }) => counts.failed),
    ["receiver"],
  );
  metrics.gauge(
    "alerts_waiting",
    "Messages that wait for a receiver",
    each(({ status }) => status.waiting),
    ["receiver"],
  );
  for (const courier of couriers)
    health.part(`alerts ${courier.name}`, false, () => {
      const { failing } = courier.status;
      return failing === null ? fine : { ok: false, reason: failing.reason };
    });
}
