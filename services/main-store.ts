/**
 * The second process of one machine: it owns the store's engine, projects the log into it and serves api and console.
 * It appends to the log over the local socket with its own keys. When it dies, nothing that is decided waits for it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readReceiver } from "../infra/alerts/webhook.ts";
import { openBlobsFor } from "../infra/blobs/open.ts";
import { openFlows } from "../infra/identity/oidc.ts";
import { createTokens } from "../infra/identity/tokens.ts";
import { openGrantKeysFor, openKeysFor } from "../infra/keys/open.ts";
import { openArchivedLog } from "../infra/log/shared-log.ts";
import { openSocketLog } from "../infra/log/socket-client.ts";
import { openConfiguredStore } from "../infra/store/open.ts";
import type { Config } from "../schemas/config.ts";
import { createApi } from "./api/api.ts";
import type { Operating } from "./main-operations.ts";
import { PolicyInForce, readPolicyFiles } from "./main-policy.ts";
import { replayerOf } from "./main-replay-job.ts";
import { sharedLogOptions } from "./main-shared.ts";
import { newTold, watchStore } from "./main-store-watch.ts";
import type { Process, Surroundings } from "./main-surroundings.ts";
import { runProjector } from "./projector/project.ts";

const consoleFolder = fileURLToPath(new URL("./console/dist", import.meta.url));

export async function runStore(config: Config, around: Surroundings, operating: Operating): Promise<Process> {
  const { now, version } = around;
  const inForce = new PolicyInForce(await readPolicyFiles(config), () => undefined);
  const told = newTold();
  const many = config.log ? await sharedLogOptions(config, around) : null;
  const log = many
    ? await openArchivedLog(many)
    : await openSocketLog({ folder: config.data, name: config.name, roles: ["projector", "api"], now });
  const [projecting, speaking] = [await log.appender("projector", config.name), await log.appender("api", config.name)];
  const store = await openConfiguredStore(config, (position) => log.encodePosition(position));
  const keys = await openKeysFor(config, now);
  const shared = { log, store, keys, blobs: openBlobsFor(config, now), now, wait };
  const projector = await runProjector({ ...shared, tenant: config.tenant, appender: projecting });
  const api = await createApi({
    ...shared,
    config,
    version,
    appender: speaking,
    grantKeys: await openGrantKeysFor(config),
    policy: () => inForce.files.policy,
    inForce: () => inForce.files,
    replayer: replayerOf(log, now),
    hear(entry) {
      inForce.fold(entry);
      told.hear(entry);
    },
    tokens: createTokens(config.identity, now),
    openFlows: () => openFlows(config.identity, now),
    receivers: await Promise.all((config.alerts ?? []).map((one) => readReceiver(one.name, one.url, one.secretFile))),
    consoleFolder,
    onFault: around.fault,
  });
  let stopping = false;
  for (const ended of [projector.ended, api.ended]) {
    ended.catch(
      (error: unknown) => stopping || around.fatal(error instanceof Error ? error : new Error(String(error))),
    );
  }
  const started = (role: string) => ({ role, version, positions: {} });
  projecting.append({ type: "service.started", subject: {}, data: started("projector") });
  speaking.append({ type: "service.started", subject: {}, data: started("api") });
  watchStore({ config, operating, api, log, store, inForce, told, now });
  await api.listen();
  return {
    async close(reason) {
      stopping = true;
      speaking.append({ type: "service.stopped", subject: {}, data: { role: "api", reason } });
      await api.close();
      await projector.close();
      try {
        // With the log's owner away it cannot say its last word, and rejects.
        await log.close();
      } finally {
        await many?.bus.close();
        await store.close();
        await keys.close();
      }
    },
  };
}

/** Resolves after so many milliseconds, or at once when the signal says so. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => undefined);
}
