/**
 * The first process of one machine: the log's writer, the gateway and the correlator, wired. The correlator folds a
 * record inside the append that makes it, so an intent and its answer share one sync.
 */
import { join } from "node:path";
import { openBlobs } from "../infra/blobs/blobs-folder.ts";
import { openGrantKeys } from "../infra/keys/grant-keys.ts";
import { openKeys } from "../infra/keys/keys-folder.ts";
import type { Entry } from "../infra/log/entry.ts";
import { type Journal, openJournal } from "../infra/log/journal.ts";
import type { Appender } from "../infra/log/log.ts";
import { openSocketHost } from "../infra/log/socket-host.ts";
import type { CommandId } from "../schemas/command.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import type { Tenant } from "../schemas/identity.ts";
import { limits } from "../schemas/limits.ts";
import { type Correlator, createCorrelator } from "./correlator/correlator.ts";
import { engineVersion } from "./correlator/engine.ts";
import { chainRules } from "./gateway/chain.ts";
import { Feed } from "./gateway/feed.ts";
import { createGate, type RunningGate } from "./gateway/gate.ts";
import type { Refusal } from "./gateway/listen.ts";
import { openEntry } from "./gateway/postgres/entry.ts";
import { proxy, proxyBounds } from "./gateway/postgres/proxy.ts";
import { closeSession, openSession, type SessionParts } from "./gateway/sessions.ts";
import { type PolicyFiles, policyChange, readPolicyFiles } from "./main-policy.ts";
import { openReaders, type Readers } from "./main-readers.ts";
import type { Process, Surroundings } from "./main-surroundings.ts";

const tickMs = 1_000;

export async function runGateway(config: Config, around: Surroundings): Promise<Process> {
  const files = await readPolicyFiles(config);
  const { now, fatal } = around;
  const journal = await openJournal({ folder: config.data, tenant: config.tenant, name: config.name, now, fatal });
  try {
    return await runOn(journal, config, files, around);
  } catch (error) {
    await journal.close();
    throw error;
  }
}

async function runOn(journal: Journal, config: Config, files: PolicyFiles, around: Surroundings): Promise<Process> {
  const appender = await journal.appender("gateway", config.name);
  const feed = new Feed(config.tenant as Tenant, files.catalog);
  const folded = await foldLog(journal, config, feed);
  announce(appender, folded, files, around);
  const keys = await openKeys(config.data);
  const readers = openReaders(config, around);
  const gate = await openGate({ config, files, around, appender, feed, readers, keys });
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
  const host = await openSocketHost(journal, config.data, around.now);
  const entry = await openEntry({
    config,
    grantKeys: await openGrantKeys(join(config.data, "keys", "grant.keys")),
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
  const stopTicking = tick(gate, folded.speaker, around);
  return {
    async close(reason) {
      stopTicking();
      await entry.close(reason);
      appender.append({ type: "service.stopped", subject: {}, data: { role: "gateway", reason } });
      await host.close();
      await readers.close();
      await journal.close();
      await keys.close();
    },
  };
}

interface Folded {
  readonly correlator: Correlator;
  readonly speaker: Appender;
  /** The last `policy.changed`: which files, and which engine spoke from then on. */
  readonly policy: { readonly digest: string; readonly engine: string } | null;
}

/** Reads the log from its start into the correlator and the feed, then live, with no gap. */
async function foldLog(journal: Journal, config: Config, feed: Feed): Promise<Folded> {
  const speaker = await journal.appender("correlator", config.name);
  const correlator = createCorrelator({ emit: (draft) => void speaker.append(draft), limits });
  let policy: Folded["policy"] = null;
  await journal.foldFromStart((entry: Entry) => {
    if (entry.type === "policy.changed") policy = entry.data;
    correlator.fold(entry);
    feed.fold(entry);
  });
  correlator.goLive();
  return { correlator, speaker, policy };
}

/** Says that the roles started, and puts the policy into the log when it, or the engine that speaks, is another one. */
function announce(appender: Appender, folded: Folded, files: PolicyFiles, { version }: Surroundings): void {
  const started = (role: string) => ({ role, version, positions: {} });
  appender.append({ type: "service.started", subject: {}, data: started("gateway") });
  folded.speaker.append({ type: "service.started", subject: {}, data: started("correlator") });
  const changed = policyChange(folded.policy, files, engineVersion);
  if (changed !== null) appender.append({ type: "policy.changed", subject: {}, data: changed });
  const { problem } = folded.correlator;
  if (problem !== null) throw new ThroughlineError("rule.invalid", problem);
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

interface GateNeeds {
  readonly config: Config;
  readonly files: PolicyFiles;
  readonly around: Surroundings;
  readonly appender: Appender;
  readonly feed: Feed;
  readonly readers: Readers;
  readonly keys: Awaited<ReturnType<typeof openKeys>>;
}

async function openGate({ config, files, around, appender, feed, readers, keys }: GateNeeds): Promise<RunningGate> {
  const rules = chainRules(files.rules);
  const { mode, waitSeconds, approvers, perIdentityMax = limits.holdsPerIdentityMax } = config.holds;
  const targets = new Map(config.targets.map((target) => [target.name, target]));
  return createGate({
    appender,
    feed,
    policy: () => files.policy,
    rules: () => rules,
    readerOf: readers.loaded,
    blobs: openBlobs(config.data),
    tenantKey: await keys.tenantKey(config.tenant),
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

/** Time passes in a quiet log too: absences, holds and blocks expire by it. */
function tick(gate: RunningGate, speaker: Appender, { fault }: Surroundings): () => void {
  const timer = setInterval(() => {
    try {
      speaker.append({ type: "clock.ticked", subject: {}, data: {} });
      gate.tick();
    } catch (error) {
      // A full disk: time goes on when there is room again; anything else ends the process by itself.
      fault(error);
    }
  }, tickMs);
  return () => clearInterval(timer);
}
