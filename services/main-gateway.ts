/** A gateway, wired: with the log and the correlator in this process on one machine, or following the shared log. */
import { openBlobsFor } from "../infra/blobs/open.ts";
import type { Keys } from "../infra/keys/keys.ts";
import { openGrantKeysFor, openKeysFor } from "../infra/keys/open.ts";
import type { Appender } from "../infra/log/log.ts";
import type { CommandId } from "../schemas/command.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import type { Tenant } from "../schemas/identity.ts";
import { limits } from "../schemas/limits.ts";
import { engineVersion } from "./correlator/engine.ts";
import { chainRules } from "./gateway/chain.ts";
import { withBefore } from "./gateway/chain-before.ts";
import { Feed } from "./gateway/feed.ts";
import { createGate, type RunningGate } from "./gateway/gate.ts";
import type { Refusal } from "./gateway/listen.ts";
import { openEntry } from "./gateway/postgres/entry.ts";
import { proxy, proxyBounds } from "./gateway/postgres/proxy.ts";
import { closeSession, openSession, type SessionParts } from "./gateway/sessions.ts";
import { type GatewayLog, openFollowedLog, openOwnLog } from "./main-gateway-log.ts";
import { newGatewayCounts, watchGate, watchGateway } from "./main-gateway-watch.ts";
import type { Operating } from "./main-operations.ts";
import { PolicyInForce, readPolicyFiles } from "./main-policy.ts";
import { openReaders, type Readers } from "./main-readers.ts";
import { createReload } from "./main-reload.ts";
import { openSketchKeys, type SketchKeys } from "./main-sketch-keys.ts";
import { VoidSummaries } from "./main-summaries.ts";
import type { Process, Surroundings } from "./main-surroundings.ts";
import { tick } from "./main-tick.ts";

export async function runGateway(config: Config, around: Surroundings, operating: Operating): Promise<Process> {
  const files = await readPolicyFiles(config);
  const feed = new Feed(config.tenant as Tenant, files.catalog);
  const inForce = new PolicyInForce(files, ({ catalog }) => feed.tags.useCatalog(catalog));
  const voids = new VoidSummaries(around.now);
  const readers = openReaders(config, around, {
    summaries: () => inForce.files.catalog.functions,
    voided: (target, found) => voids.take(target, found),
  });
  const open = config.log === undefined ? openOwnLog : openFollowedLog;
  let log: GatewayLog | null = null;
  try {
    log = await open({ config, files, inForce, feed, readers, around });
    return await serve({ config, inForce, around, operating, feed, readers, log, voids });
  } catch (error) {
    await log?.close();
    await readers.close();
    throw error;
  }
}

interface GatewayParts {
  readonly config: Config;
  readonly inForce: PolicyInForce;
  readonly around: Surroundings;
  readonly operating: Operating;
  readonly feed: Feed;
  readonly readers: Readers;
  readonly log: GatewayLog;
  readonly voids: VoidSummaries;
}

async function serve(parts: GatewayParts): Promise<Process> {
  const { config, inForce, around, operating, feed, readers, log } = parts;
  const { appender } = log;
  const keys = await openKeysFor(config, around.now);
  const counts = newGatewayCounts();
  const sketchKeys = await openSketchKeys(keys, config.tenant, around);
  const gate = watchGate(await openGate({ ...parts, keys, sketchKeys }), counts, operating);
  const targets = new Map(config.targets.map((target) => [target.name, target]));
  const sessions: SessionParts = {
    appender,
    keys,
    grants: feed.grants,
    newId: around.newId,
    now: around.now,
    roleOf: (grant) => targets.get(grant.target)?.accounts[grant.account]?.user ?? grant.account,
    commandsOf: (session) => gate.commandsOf(session),
  };
  const entry = await openEntry({
    config,
    grantKeys: await openGrantKeysFor(config),
    grants: feed.grants,
    record: refusals(appender, around),
    async open(grant, facts) {
      await readers.readerOf(grant.target);
      return openSession(sessions, grant, facts);
    },
    close: (session, facts) => closeSession(sessions, session, facts),
    serve: (wire) =>
      proxy(wire, {
        gate,
        reader: readers.known(wire.session.grant.target),
        definitions: readers.definitionsOf(wire.session.grant.target),
        now: () => performance.now(),
        nextCommandId: () => around.newId() as CommandId,
        tagsOf: feed.tags.of,
        bounds: proxyBounds,
      }),
    fault: around.fault,
    now: around.now,
  });
  const stopTicking = tick([log, gate, sketchKeys, { tick: () => parts.voids.tell(appender) }], around);
  const reload = createReload({ config, inForce, appender, notes: operating.notes, engine: engineVersion });
  watchGateway({ config, counts, operating, feed, readers, log, entry, inForce, reload, now: around.now });
  return {
    reload: (load) => reload.run(load),
    async close(reason, hurry) {
      await entry.close(reason, operating.drainMs, hurry);
      stopTicking();
      appender.append({ type: "service.stopped", subject: {}, data: { role: "gateway", reason } });
      await readers.close();
      await log.close();
      await keys.close();
    },
  };
}

/** A full log counts what it refuses and says how much it was when it has space again: a refused login ends nothing else. */
function refusals(appender: Appender, { fault }: Surroundings): (data: Refusal, clientaddress: string) => void {
  return (data, clientaddress) => {
    try {
      appender.append({ type: "session.refused", subject: { clientaddress }, data });
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.code !== "log.full") throw error;
      fault(error);
    }
  };
}

interface GateNeeds extends GatewayParts {
  readonly keys: Keys;
  readonly sketchKeys: SketchKeys;
}

async function openGate({
  config,
  inForce,
  around,
  log,
  feed,
  readers,
  keys,
  sketchKeys,
}: GateNeeds): Promise<RunningGate> {
  let { files, before } = inForce;
  const rulesOf = () =>
    withBefore(
      chainRules(files.rules),
      before.map(({ rules, catalog: { tagsOf } }) => ({ rules: chainRules(rules), tagsOf })),
    );
  let rules = rulesOf();
  const { mode, waitSeconds, approvers, perIdentityMax = limits.holdsPerIdentityMax } = config.holds;
  const targets = new Map(config.targets.map((target) => [target.name, target]));
  return createGate({
    appender: log.appender,
    shared: log.shared,
    feed,
    policy: () => inForce.files.policy,
    rules() {
      if (inForce.files !== files || inForce.before !== before) {
        ({ files, before } = inForce);
        rules = rulesOf();
      }
      return rules;
    },
    readerOf: readers.loaded,
    blobs: openBlobsFor(config, around.now),
    tenantKey: await keys.tenantKey(config.tenant),
    sketchKeys: sketchKeys.now,
    targetOf: (name) => targets.get(name) ?? { opaque: "block", mode: "enforce" },
    holds: { mode, waitMs: waitSeconds * 1000, approvers },
    addressOf: (approval) => `${config.api.url}/approvals/${approval}`,
    newId: around.newId,
    now: around.now,
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    limits: { ...limits, holdsPerIdentityMax: perIdentityMax },
  });
}
