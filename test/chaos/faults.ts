/**
 * What happens to the machines of a run, from a seed: processes killed with -9 or stopped in their tracks, the broker too,
 * wires cut, a disk filled. Everything is mended again, after a while; what does not come back is a finding.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Member } from "../cluster/files.ts";
import type { Cluster } from "../cluster/world.ts";
import type { Dice } from "../correlator/dice.ts";
import type { Disk } from "./disk.ts";

export interface Chaos {
  /** What was done, newest last. */
  readonly done: string[];
  /** Processes that ended by themselves or did not start. */
  readonly failed: string[];
  /** Mends everything; resolves when all processes run. */
  stop(): Promise<void>;
}

interface Parts {
  readonly world: Cluster;
  readonly dice: Dice;
  readonly disk: Disk | null;
  readonly chaos: Pick<Chaos, "done" | "failed">;
}

type Fault = readonly [name: string, weight: number, act: (parts: Parts) => Promise<void>];

const gateways: readonly Member[] = ["gw-a", "gw-b"];
const correlators: readonly Member[] = ["corr-a", "corr-b"];
const one = (dice: Dice, of: readonly Member[]): Member => of[dice(of.length)]!;
const everyone: readonly Member[] = [...gateways, ...correlators, "store"];

const faults: readonly Fault[] = [
  ["gateway -9", 4, ({ dice, ...parts }) => killed({ dice, ...parts }, [one(dice, gateways)])],
  ["both gateways -9", 1, (parts) => killed(parts, gateways)],
  ["correlator -9", 3, (parts) => killed(parts, [one(parts.dice, correlators)])],
  ["both correlators -9", 1, (parts) => killed(parts, correlators)],
  ["store -9", 2, (parts) => killed(parts, ["store"])],
  ["gateway paused", 2, (parts) => paused(parts, one(parts.dice, gateways), 500 + parts.dice(7_500))],
  ["correlator paused", 2, (parts) => paused(parts, one(parts.dice, correlators), 500 + parts.dice(5_000))],
  ["store paused", 1, (parts) => paused(parts, "store", 500 + parts.dice(4_000))],
  ["broker -9", 2, brokerKilled],
  ["broker paused", 2, brokerPaused],
  ["broker -9, then a gateway", 1, brokerAndGateway],
  ["wire cut", 4, async ({ world, dice }) => world.wires[one(dice, everyone)].cut()],
  ["wire severed", 3, severed],
  ["disk full", 2, filled],
];

export function letLoose(world: Cluster, dice: Dice, disk: Disk | null): Chaos {
  const chaos = { done: [] as string[], failed: [] as string[] };
  const parts = { world, dice, disk, chaos };
  const usable = faults.filter(([name]) => disk !== null || name !== "disk full");
  const bag = usable.flatMap((fault) => Array.from({ length: fault[1] }, () => fault));
  const over = new AbortController();
  const running = (async () => {
    while (!over.signal.aborted) {
      await sleep(300 + dice(2_500), undefined, { signal: over.signal }).catch(() => {});
      if (over.signal.aborted) break;
      const [name, , act] = bag[dice(bag.length)]!;
      chaos.done.push(name);
      await act(parts);
      await noticed(parts);
    }
  })();
  running.catch(() => {}); // Told by stop(), which ends what was started; here it would end this process alone.
  return {
    ...chaos,
    async stop() {
      over.abort();
      await running;
      await noticed(parts);
    },
  };
}

/** Whoever ended by itself is started again, and told of. */
async function noticed({ world, chaos }: Parts): Promise<void> {
  for (const name of everyone) {
    if (world.isRunning(name)) continue;
    chaos.failed.push(`${name} ended by itself: see ${name}.log`);
    await started(world, name, chaos);
  }
}

async function started(world: Cluster, name: Member, { failed }: Pick<Chaos, "failed">): Promise<void> {
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      await world.start(name);
      return;
    } catch (error) {
      failed.push(error instanceof Error ? error.message : String(error));
      await world.kill(name, "SIGKILL");
    }
  }
}

async function killed({ world, dice, chaos }: Parts, names: readonly Member[]): Promise<void> {
  await Promise.all(names.map((name) => world.kill(name, "SIGKILL")));
  await sleep(dice(1_500));
  await Promise.all(names.map((name) => started(world, name, chaos)));
}

async function paused({ world }: Parts, name: Member, ms: number): Promise<void> {
  world.pause(name);
  await sleep(ms);
  world.resume(name);
}

async function brokerKilled({ world, dice }: Parts): Promise<void> {
  await world.broker.kill9();
  await sleep(dice(4_000));
  await world.broker.restart();
}

async function brokerPaused({ world, dice }: Parts): Promise<void> {
  world.broker.stop();
  await sleep(300 + dice(7_000));
  world.broker.cont();
}

/** It starts again while nobody hears it: it waits, and lets nobody in. */
async function brokerAndGateway({ world, dice, chaos }: Parts): Promise<void> {
  const name = one(dice, gateways);
  await world.broker.kill9();
  await sleep(dice(1_000));
  await world.kill(name, "SIGKILL");
  const again = started(world, name, chaos);
  await sleep(dice(2_000));
  await world.broker.restart();
  await again;
}

async function severed({ world, dice }: Parts): Promise<void> {
  const wire = world.wires[one(dice, everyone)];
  wire.sever();
  await sleep(300 + dice(6_000));
  wire.mend();
}

async function filled({ disk, dice }: Parts): Promise<void> {
  await disk?.fill();
  await sleep(500 + dice(3_000));
  await disk?.free();
}
