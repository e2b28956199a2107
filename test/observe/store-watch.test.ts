/** What the process of projector and api shows while the parts beside it are away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "../../infra/observe/health.ts";
import { Metrics } from "../../infra/observe/metrics.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { newTold, type WatchedStore, watchStore } from "../../services/main-store-watch.ts";
import { memoryLog } from "../store/memory-log.ts";

const log = memoryLog(() => 0);
log.say("gateway/test", { type: "grant.expired", subject: {}, data: { grant: "g" } });
const here = { head: log.head, encodePosition: log.encodePosition };
const away = (code: "log.lost_connection" | "store.unavailable") => () =>
  Promise.reject(new ThroughlineError(code, "it is away"));

async function page(parts: Pick<WatchedStore, "log" | "store">): Promise<string> {
  const metrics = new Metrics({ tenant: "test" });
  watchStore({
    ...parts,
    config: { identity: { issuer: "http://127.0.0.1:1" } } as never,
    operating: { health: new Health(), metrics } as never,
    api: { isCaughtUp: true, couriers: [] },
    inForce: { problem: null } as never,
    told: newTold(),
    now: () => 0,
  });
  return metrics.text();
}

test("figures are there while the log's owner or the store is away; only how far the store is behind is not known", async () => {
  const store = { writtenUpTo: async () => null };
  assert.match(await page({ log: here, store }), /^throughline_projector_lag_records\{.*\} 1$/m);
  for (const parts of [
    { log: { ...here, head: away("log.lost_connection") }, store },
    { log: here, store: { writtenUpTo: away("store.unavailable") } },
  ]) {
    const text = await page(parts);
    assert.match(text, /^throughline_alerts_raised_total\{.*\} 0$/m);
    assert.doesNotMatch(text, /^throughline_projector_lag_records\{/m);
  }
});
