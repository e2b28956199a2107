/**
 * What is kept in memory: by the correlator per step and per chain that is under way, by a gateway per idle session.
 * Heap is read after a collection; a gateway is a process of its own, so there it is the kernel's count.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Entry } from "../../infra/log/entry.ts";
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import { configOf } from "../cluster/files.ts";
import { startCluster } from "../cluster/world.ts";
import { connect, granted, workload } from "../demo/cast.ts";
import { makeSchema } from "../demo/database.ts";
import { correlatorWith, usualRules } from "./correlator.ts";
import { Stream } from "./correlator-stream.ts";
import type { Figure } from "./figures.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heapBytes(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Of the stream of P8: 15 of 100 commands are steps of a rule, and stay; the others are kept to a fixed number. */
export function bytesPerStep(commands: number): Figure[] {
  const correlator = correlatorWith(usualRules(100));
  const stream = new Stream();
  const fold = (count: number): number => {
    let steps = 0;
    for (let index = 0; index < count; index += 1)
      for (const entry of stream.next()) {
        if (entry.type === "command.decided" && isStep(entry.data.effects)) steps += 1;
        correlator.fold(entry);
      }
    return steps;
  };
  fold(120_000); // the spare ones have reached their bound, and places and identities are known
  const before = heapBytes();
  const steps = fold(commands);
  const bytes = heapBytes() - before;
  return [
    figure("step", bytes / steps, `bytes of heap per step kept, ${steps} steps, 100 rules`),
    figure("correlator", before, "bytes of heap with every bound but the steps reached"),
  ];
}

const isStep = (effects: readonly Effect[]): boolean =>
  effects.some(({ reads, destroys }) => destroys || reads.some((place) => place.endsWith("_pii")));

/** Chains of which only the last step is missing, each with accounts, a task and tables of its own. */
export function bytesPerChain(chains: number): Figure {
  const correlator = correlatorWith(usualRules(10));
  const fold = (from: number, count: number): void => {
    for (let chain = from; chain < from + count; chain += 1)
      for (const entry of twoSteps(chain)) correlator.fold(entry);
  };
  fold(0, 2_000);
  const before = heapBytes();
  fold(2_000, chains);
  return figure(
    "chain",
    (heapBytes() - before) / chains,
    `bytes of heap per chain under way (two steps and a tag that travels), ${chains} chains`,
  );
}

function* twoSteps(chain: number): Generator<Entry> {
  const read = `orders/public.c${chain}_pii` as ResourceUri;
  const copy = `orders/public.c${chain}_copy` as ResourceUri;
  const effects: Effect[] = [
    { operation: "read", reads: [read], writes: [], ends: [], destroys: false },
    { operation: "transform", reads: [read], writes: [copy], ends: [], destroys: false },
  ];
  for (const [index, effect] of effects.entries()) {
    const id = `${chain}-${index}`;
    const subject = {
      session: `s${id}`,
      command: `c${id}`,
      identity: `https://id.example|${id}`,
      account: `a${id}`,
      task: `t${chain}`,
      target: "orders",
    };
    const envelope = { atMs: Date.UTC(2026, 0, 1) + chain, source: "gateway/g", role: "gateway" as const, subject };
    const facts = {
      kind: "query",
      effects: [effect],
      opaque: null,
      undoable: true,
      transaction: { kind: "none" as const },
    };
    yield {
      ...envelope,
      type: "command.decided",
      id: `d${id}`,
      data: { ...facts, ruling: "allow", approval: null, intent: null },
    };
    const end = {
      outcome: "ok" as const,
      rows: 1,
      bytes: 100,
      tag: "",
      code: null,
      durationUs: 100,
      shown: true,
      undone: [],
      lasted: [subject.command],
    };
    yield { ...envelope, type: "command.finished", id: `f${id}`, data: end };
  }
}

/** Real sessions through a real gateway of a cluster, each of which has asked one question and is idle since. */
export async function bytesPerSession(sessions: number): Promise<Figure[]> {
  const cluster = await startCluster({
    without: ["gw-b", "corr-b"],
    postgres: { max_connections: String(sessions + 50), log_statement: "none" },
  });
  try {
    await makeSchema(cluster.postgres, "play");
    const grant = await granted(await workload(cluster, "extract"), "extract", "sizing");
    const at = { ...grant, port: cluster.gateways["gw-a"] };
    const pid = pidOf(configOf(cluster.folder, "gw-a"));
    const open = async (count: number) => {
      const actors = [];
      for (let index = 0; index < count; index += 1) {
        const actor = await connect(at, "play");
        await actor.client.query("SELECT region FROM regions");
        actors.push(actor);
      }
      return actors;
    };
    const warm = await open(20);
    const before = residentBytes(pid);
    const more = await open(sessions);
    const bytes = residentBytes(pid) - before;
    for (const actor of [...warm, ...more]) await actor.end();
    return [
      figure("session", bytes / sessions, `bytes of resident memory per idle session, ${sessions} sessions, no TLS`),
      figure("gateway", before, "bytes of resident memory of a gateway with 20 sessions"),
      figure(
        "correlator_rss",
        residentBytes(pidOf(configOf(cluster.folder, "corr-a"))),
        "bytes of resident memory of an idle correlator",
      ),
      figure(
        "store_rss",
        residentBytes(pidOf(configOf(cluster.folder, "store"))),
        "bytes of resident memory of projector and api with the embedded engine",
      ),
    ];
  } finally {
    await cluster.stop();
  }
}

function pidOf(configFile: string): number {
  for (const name of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      if (words.includes(configFile)) return Number(name);
    } catch (error) {
      // Of the others some end while they are looked at.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" && (error as NodeJS.ErrnoException).code !== "ESRCH")
        throw error;
    }
  }
  throw new Error(`no process runs with ${configFile}`);
}

function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

function figure(name: string, value: number, text: string): Figure {
  return { name: `SIZE.${name}`, value: Math.round(value), text };
}
