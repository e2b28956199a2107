/**
 * A correlator of many machines: follows the steps of the shared log from the first and answers in its own name. Any
 * number may run: the same log gives the same answers with the same ids, and whoever reads takes the first.
 */
import { join } from "node:path";
import { openSharedLog, type SharedLog } from "../infra/log/shared-log.ts";
import { stepsPlace } from "../infra/log/steps-follow.ts";
import type { Config } from "../schemas/config.ts";
import { limits } from "../schemas/limits.ts";
import { type Correlator, createCorrelator } from "./correlator/correlator.ts";
import type { Output } from "./correlator/outputs.ts";
import { LastSwitch, type Ruled } from "./correlator/regime.ts";
import { isWaitedFor, Ticks } from "./correlator/ticks.ts";
import { type CorrelatorFile, readState, writeState } from "./main-correlator-snapshot.ts";
import { type Operating, watchJournal, watchShipping } from "./main-operations.ts";
import { type Deliver, Refolding, watchRefolding } from "./main-refold.ts";
import { sharedLogOptions } from "./main-shared.ts";
import type { Process, Surroundings } from "./main-surroundings.ts";

const tickMs = 1_000;
/** Messages between two snapshots of a state that may be large: who makes one reads late, and others answer meanwhile. */
const stepsBetweenSnapshots = 500_000;
/** Own ticks that take this long to come back mean that this replica reads what others have answered. */
const behindMs = 3_000;

export async function runCorrelator(config: Config, around: Surroundings, operating: Operating): Promise<Process> {
  const options = await sharedLogOptions(config, around);
  const shared = await openSharedLog(options);
  const end = async () => {
    try {
      await shared.close();
    } finally {
      await options.bus.close();
    }
  };
  try {
    watchJournal(operating, shared.spool, around.now);
    watchShipping(operating, shared.shipper, around.now);
    const file = { file: join(config.data, "correlator"), version: around.version, topic: shared.topics.steps };
    const correlating = await correlate(shared, config.name, around, file);
    watchRefolding(operating, correlating.refolding);
    return {
      async close(reason) {
        await correlating.close(reason);
        await end();
      },
    };
  } catch (error) {
    await end().catch(around.fault);
    throw error;
  }
}

/** @returns what has been kept, or one that has folded nothing when that cannot be gone on from */
async function startFrom(
  make: (last: Ruled | null) => Correlator,
  shared: SharedLog,
  file: CorrelatorFile | null,
  around: Surroundings,
) {
  try {
    const kept = file === null ? null : readState(file);
    if (kept !== null) {
      const correlator = make(null);
      correlator.restore(kept.lines);
      return { correlator, steps: kept.steps };
    }
  } catch (error) {
    around.fault(error);
  }
  return { correlator: make(await lastSwitch(shared)), steps: undefined };
}

async function lastSwitch(shared: SharedLog): Promise<Ruled | null> {
  const last = new LastSwitch();
  const reading = shared.follow((entries) => {
    for (const entry of entries) last.take(entry);
  });
  try {
    await reading.caughtUp();
  } finally {
    await reading.close();
  }
  return last.last;
}

export interface Correlating extends Process {
  readonly refolding: Refolding;
}

/**
 * What is said through it ends with `shared`, which the caller closes.
 * @param file where what it has folded is kept; null = it folds everything at each start
 */
export async function correlate(
  shared: SharedLog,
  name: string,
  around: Surroundings,
  file: CorrelatorFile | null = null,
): Promise<Correlating> {
  const speaker = await shared.appender("correlator", name);
  const parts = { emit: (draft: Output) => void speaker.append(draft), limits, source: speaker.source };
  const { correlator, steps } = await startFrom((last) => createCorrelator(parts, last), shared, file, around);
  const read = (deliver: Deliver) => shared.follow(deliver);
  const refolding = new Refolding({ correlator, speaker, read, fault: around.fault });
  const ticks = new Ticks(() => performance.now());
  let place = steps === undefined ? "" : stepsPlace(steps.offset);
  let keptAt = steps?.offset ?? -1;
  const keep = () => {
    if (file === null || !refolding.isWhole) return;
    keptAt = following.offset;
    try {
      writeState(file, { steps: following.state, lines: correlator.keep() });
    } catch (error) {
      // A full disk: the next start goes on from the one before, or folds everything.
      around.fault(error);
    }
  };
  let live = false;
  let behind = false;
  let soon = false;
  /** Whoever waits to hear that tags have travelled must not wait for the next second. */
  const tickSoon = () => {
    if (!live || soon) return;
    soon = true;
    setImmediate(() => {
      soon = false;
      tick();
    });
  };
  const tick = () => {
    try {
      ticks.sent(speaker.nextId("steps"));
      speaker.append({ type: "clock.ticked", subject: {}, data: correlator.speaks ? { upTo: place } : {} });
    } catch (error) {
      // A full spool: time goes on when there is room again; anything else ends the process by itself.
      around.fault(error);
    }
  };
  const following = shared.follow(async (entries, offset) => {
    for (const entry of entries) ticks.came(entry.id);
    const was = behind;
    behind = live && ticks.lateMs > behindMs;
    if (behind && !was) correlator.fallBehind();
    if (!(await refolding.fold(entries))) return;
    if (was && !behind) correlator.goLive();
    place = stepsPlace(offset);
    if (entries.some(isWaitedFor)) tickSoon();
    if (live) refolding.look();
  }, steps);
  following.ended.catch(around.fatal);
  await shared.shipped();
  await following.caughtUp();
  shared.expectWhole("steps", following.state.last);
  correlator.goLive();
  live = true;
  const data = { role: "correlator", version: around.version, positions: { steps: place } };
  speaker.append({ type: "service.started", subject: {}, data });
  const timer = setInterval(() => {
    tick();
    refolding.look();
    if (following.offset - keptAt >= stepsBetweenSnapshots) keep();
  }, tickMs);
  return {
    refolding,
    async close(reason) {
      clearInterval(timer);
      await refolding.close();
      live = false;
      speaker.append({ type: "service.stopped", subject: {}, data: { role: "correlator", reason } });
      await following.close();
      keep();
    },
  };
}
