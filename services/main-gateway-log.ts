/**
 * The log as a gateway has it. On one machine: the log's writer, with the correlator folding every record inside the append
 * that makes it, so that an intent and its answer share one sync. With many machines: a spool of its own, and a feed that
 * follows the steps of the shared log.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Entry } from "../infra/log/entry.ts";
import { followEntries } from "../infra/log/fold.ts";
import { type Journal, openJournal } from "../infra/log/journal.ts";
import type { Appender } from "../infra/log/log.ts";
import { openSharedLog, type SharedLog } from "../infra/log/shared-log.ts";
import type { Shipper } from "../infra/log/shipper.ts";
import { openSocketHost } from "../infra/log/socket-host.ts";
import { stepsPlace } from "../infra/log/steps-follow.ts";
import { PolicyParts, sayPolicy, type WholePolicy } from "../infra/policy/packed.ts";
import type { Config } from "../schemas/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { limits } from "../schemas/limits.ts";
import { type Correlator, createCorrelator } from "./correlator/correlator.ts";
import { engineVersion } from "./correlator/engine.ts";
import { LastSwitch } from "./correlator/regime.ts";
import type { Feed } from "./gateway/feed.ts";
import { Foreign } from "./gateway/postgres/foreign.ts";
import { SharedView } from "./gateway/shared-view.ts";
import { readSnapshot, type SnapshotFile, writeSnapshot } from "./main-feed-snapshot.ts";
import { type PolicyFiles, type PolicyInForce, policyChange } from "./main-policy.ts";
import type { Readers } from "./main-readers.ts";
import { type Deliver, Refolding } from "./main-refold.ts";
import { sharedLogOptions } from "./main-shared.ts";
import type { Surroundings } from "./main-surroundings.ts";

export interface GatewayLog {
  readonly appender: Appender;
  /** Null on one machine. */
  readonly shared: SharedView | null;
  /** The records of this process: on one machine the log itself, else what is shipped from here. */
  readonly journal: Journal;
  /** Null on one machine. */
  readonly shipper: Shipper | null;
  /** Of the correlator in this process; null with many machines. */
  readonly refolding: Refolding | null;
  /** Once a second, beside the gate's own tick. */
  tick(): void;
  /** No new record is expected. */
  close(): Promise<void>;
}

export interface GatewayLogParts {
  readonly config: Config;
  readonly files: PolicyFiles;
  /** Hears what the log says is in force. */
  readonly inForce?: PolicyInForce;
  readonly feed: Feed;
  readonly readers: Pick<Readers, "definitionsOf" | "outdate">;
  readonly around: Surroundings;
}

/** The last `policy.changed`: which files, and which engine spoke from then on. */
type InForce = WholePolicy | null;

/** Messages of the steps topic between two snapshots of what was folded: some seconds of folding at a start. */
const stepsBetweenSnapshots = 20_000;
/** A Grant that ended is remembered as such for so long. */
const grantsKeptMs = 24 * 3_600_000;

const startedAs = (role: string, version: string) => ({ role, version, positions: {} });

export async function openOwnLog(parts: GatewayLogParts): Promise<GatewayLog> {
  const { config, around } = parts;
  const { now, fatal } = around;
  const journal = await openJournal({ folder: config.data, tenant: config.tenant, name: config.name, now, fatal });
  try {
    return await embedded(journal, parts);
  } catch (error) {
    await journal.close();
    throw error;
  }
}

async function embedded(
  journal: Journal,
  { config, files, inForce, feed, around }: GatewayLogParts,
): Promise<GatewayLog> {
  const appender = await journal.appender("gateway", config.name);
  const speaker = await journal.appender("correlator", config.name);
  const last = new LastSwitch();
  await journal.replay(last.take);
  const correlator = createCorrelator({ emit: (draft) => void speaker.append(draft), limits }, last.last);
  let policy: InForce = null;
  const said = new PolicyParts();
  await journal.foldFromStart((entry: Entry) => {
    policy = said.take(entry) ?? policy;
    correlator.fold(entry);
    feed.fold(entry);
    inForce?.fold(entry);
  });
  correlator.goLive();
  appender.append({ type: "service.started", subject: {}, data: startedAs("gateway", around.version) });
  speaker.append({ type: "service.started", subject: {}, data: startedAs("correlator", around.version) });
  propose(appender, policy, files);
  expectRules(correlator);
  const read = (deliver: Deliver) => followEntries(journal, deliver);
  const refolding = new Refolding({ correlator, speaker, read, fault: around.fault });
  refolding.look();
  const host = await openSocketHost(journal, config.data, around.now);
  return {
    appender,
    shared: null,
    journal,
    shipper: null,
    refolding,
    tick() {
      // Time passes in a quiet log too: absences, holds and blocks expire by it.
      speaker.append({ type: "clock.ticked", subject: {}, data: {} });
      refolding.look();
    },
    async close() {
      await refolding.close();
      await host.close();
      await journal.close();
    },
  };
}

/** Puts the policy into the log when it, or the engine that speaks, is another one than there. */
function propose(appender: Appender, policy: InForce, files: PolicyFiles): void {
  const changed = policyChange(policy, files, engineVersion);
  if (changed !== null) sayPolicy(appender, changed);
}

/**
 * Of many gateways one must not undo what another proposed by merely starting: files are proposed when they are others
 * than at this gateway's last start, or when the log has none; a newer engine takes over what is in force.
 */
function proposeChanged(appender: Appender, policy: InForce, { config, files }: GatewayLogParts): void {
  const file = join(config.data, "policy-proposed");
  const before = existsSync(file) ? readFileSync(file, "utf8").trim() : null;
  const isChanged = before !== null && before !== files.digest;
  if (policy === null || isChanged) propose(appender, policy, files);
  else if (Number(engineVersion) > Number(policy.engine) && policy.files !== null)
    sayPolicy(appender, { ...policy, files: policy.files, engine: engineVersion });
  writeFileSync(file, `${files.digest}\n`, { mode: 0o600 });
}

function expectRules({ problem }: Correlator): void {
  if (problem !== null) throw new ThroughlineError("rule.invalid", problem);
}

export async function openFollowedLog(parts: GatewayLogParts): Promise<GatewayLog> {
  const options = await sharedLogOptions(parts.config, parts.around);
  const shared = await openSharedLog(options);
  const end = async () => {
    try {
      await shared.close();
    } finally {
      await options.bus.close();
    }
  };
  try {
    const log = await followSharedLog(shared, parts);
    return {
      ...log,
      async close() {
        await log.close();
        await end();
      },
    };
  } catch (error) {
    await end().catch(parts.around.fault);
    throw error;
  }
}

/** What is said through it ends with `shared`, which the caller closes. */
export async function followSharedLog(shared: SharedLog, parts: GatewayLogParts): Promise<GatewayLog> {
  const { config, inForce, feed, around } = parts;
  const appender = await shared.appender("gateway", config.name);
  const view = viewOf(shared, appender, around.now);
  const heart = new Heart(appender, view, parts);
  const file = snapshotFile(shared, parts);
  const kept = readSnapshot(file);
  let policy = kept?.policy ?? null;
  const said = new PolicyParts();
  if (kept !== null) {
    feed.restore(kept.feed);
    if (kept.policy !== null) inForce?.take(kept.policy);
    said.restore(kept.parts);
    inForce?.parts.restore(kept.parts);
    inForce?.answering.restore(kept.answering);
    view.restore(kept.gateways, stepsPlace(kept.steps.offset));
    heart.foreign.restore(kept.definitions);
  }
  const following = shared.follow((entries, offset) => {
    const before = view.place;
    const place = stepsPlace(offset);
    for (const entry of entries) {
      policy = said.take(entry) ?? policy;
      feed.fold(entry);
      inForce?.fold(entry);
      view.fold(entry, place);
      heart.fold(entry, before);
    }
    view.changed();
  }, kept?.steps);
  following.ended.catch(around.fatal);
  await shared.shipped();
  await following.caughtUp();
  shared.expectWhole("steps", following.state.last);
  appender.append({ type: "service.started", subject: {}, data: startedAs("gateway", around.version) });
  proposeChanged(appender, policy, parts);
  heart.start();
  // Nobody is let in before what is known here is as new as this moment.
  while (view.staleMs() > limits.feedStaleMsMax) await sleep(5);
  let keptAt = kept?.steps.offset ?? -1;
  const keep = () => {
    const steps = following.state;
    keptAt = steps.offset;
    const about = { gateways: view.kept(), definitions: heart.foreign.kept(), policy, parts: said.kept() };
    const answering = inForce?.answering.policies ?? [];
    try {
      writeSnapshot(file, { steps, feed: feed.kept(steps.atMs - grantsKeptMs), answering, ...about });
    } catch (error) {
      // A full disk: the next start goes on from the one before, or folds everything.
      around.fault(error);
    }
  };
  return {
    appender,
    shared: view,
    journal: shared.spool,
    shipper: shared.shipper,
    refolding: null,
    tick() {
      heart.beat();
      if (following.offset - keptAt >= stepsBetweenSnapshots) keep();
    },
    async close() {
      heart.stop();
      await following.close();
      keep();
    },
  };
}

function snapshotFile({ topics }: SharedLog, { config, around }: GatewayLogParts): SnapshotFile {
  return { file: join(config.data, "feed"), version: around.version, topic: topics.steps };
}

function viewOf({ spool, shipper }: SharedLog, { source }: Appender, now: () => number): SharedView {
  const lane = spool.lanesOf(source).steps;
  const acknowledged = shipper.acknowledged(source);
  const view = new SharedView({
    source,
    said: () => lane.sequence,
    acknowledged: () => acknowledged.steps,
    now,
    steady: () => performance.now(),
    goneMs: limits.feedStaleMsMax + limits.gatewayGoneMarginMs,
  });
  shipper.onAcknowledged(() => view.changed());
  return view;
}

/** Says how far this gateway knows the shared log: once a second, and at once when others wait to hear it. */
class Heart {
  readonly #appender: Appender;
  readonly #view: SharedView;
  readonly #targets: string[];
  readonly foreign: Foreign;
  readonly #fault: Surroundings["fault"];
  #beating = false;
  #soon = false;

  constructor(appender: Appender, view: SharedView, { config, readers, around }: GatewayLogParts) {
    this.#appender = appender;
    this.#view = view;
    this.#targets = config.targets.map(({ name }) => name);
    this.#fault = around.fault;
    const { definitionsOf, outdate } = readers;
    this.foreign = new Foreign({ source: appender.source, definitionsOf, outdate, cleared: () => this.#beatSoon() });
  }

  fold(entry: Entry, before: string): void {
    const isNews = this.foreign.fold(entry, before) || newsTypes.has(entry.type);
    if (isNews) this.#beatSoon();
  }

  start(): void {
    this.#beating = true;
    this.beat();
  }

  stop(): void {
    this.#beating = false;
  }

  #beatSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.beat();
    });
  }

  beat(): void {
    if (!this.#beating) return;
    const id = this.#appender.nextId("steps");
    const upTo = this.foreign.knownUpTo(this.#view.place);
    try {
      this.#appender.append({ type: "gateway.followed", subject: {}, data: { upTo, targets: this.#targets } });
      this.#view.beats(id);
    } catch (error) {
      // A full spool: without heartbeats this gateway soon refuses what is tagged, as it must.
      this.#fault(error);
    }
  }
}

const newsTypes: ReadonlySet<string> = new Set(["resource.tagged", "block.placed", "block.lifted", "policy.changed"]);
