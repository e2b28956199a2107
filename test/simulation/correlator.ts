/**
 * A correlator process, wired as services/main-correlator.ts wires it. Which engine it is, is a label: under another
 * engine's policy the product's fold must only listen, and that is what a rolling upgrade is made of.
 */
import type { Entry } from "../../infra/log/entry.ts";
import { stepsPlace } from "../../infra/log/steps-follow.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { isWaitedFor, Ticks } from "../../services/correlator/ticks.ts";
import { type Deliver, Refolding } from "../../services/main-refold.ts";
import { limits } from "./gateway.ts";
import type { Machine } from "./loop.ts";
import { keysOf, Run, type Stage } from "./process.ts";
import { Disk } from "./spool.ts";

const tickMs = 1_000;
const behindMs = 3_000;

export class CorrelatorProcess {
  readonly machine: Machine;
  readonly disk = new Disk();
  engine: string;
  readonly #stage: Stage;
  readonly #sources: readonly string[];

  constructor(stage: Stage, machine: Machine, engine: string, sources: readonly string[]) {
    this.#stage = stage;
    this.machine = machine;
    this.engine = engine;
    this.#sources = sources;
  }

  start(): void {
    this.machine.start();
    this.machine.go(() => this.#run());
  }

  crash(): void {
    this.machine.stop();
    this.disk.crash(this.#stage.network.dice(`crashes of ${this.machine.name}`));
  }

  async #run(): Promise<void> {
    const { machine, engine } = this;
    const run = new Run(this.#stage, machine, this.disk);
    const speaker = run.spool.open("correlator", machine.name);
    const correlator = createCorrelator({
      emit: (output) => {
        this.#compare(output);
        speaker.append(output);
      },
      limits,
    });
    const known = new Map(this.#sources.map((source) => [source, keysOf(source).source]));
    const clock = { steady: machine.steady, turn: () => machine.sleep(0) };
    const read = (deliver: Deliver) =>
      run.follow(known, (entries) => deliver(entries.map((one) => asSeenBy(engine, one))));
    const fault = (error: unknown) => {
      throw error;
    };
    const refolding = new Refolding({ correlator, speaker, read, fault, clock });
    const ticks = new Ticks(machine.steady);
    let [place, live, behind, soon] = ["", false, false, false];
    const tick = () => {
      ticks.sent(speaker.nextId("steps"));
      speaker.append({ type: "clock.ticked", subject: {}, data: correlator.speaks ? { upTo: place } : {} });
    };
    const tickSoon = () => {
      if (!live || soon) return;
      soon = true;
      machine.after(0, () => {
        soon = false;
        tick();
      });
    };
    const first = this.#stage.bugs.has("answers-stale") ? hasty(correlator, machine) : (seen: readonly Entry[]) => seen;
    const following = run.follow(known, async (entries, offset) => {
      for (const entry of entries) ticks.came(entry.id);
      const was = behind;
      behind = live && ticks.lateMs > behindMs;
      if (behind && !was) correlator.fallBehind();
      await refolding.fold(first(entries.map((entry) => asSeenBy(engine, entry))));
      if (was && !behind) correlator.goLive();
      place = stepsPlace(offset);
      if (entries.some(isWaitedFor)) tickSoon();
      if (live) refolding.look();
    });
    await run.shipped();
    await following.caughtUp();
    correlator.goLive();
    live = true;
    const data = { role: "correlator", version: "", positions: { steps: place } };
    speaker.append({ type: "service.started", subject: {}, data });
    machine.every(tickMs, () => {
      tick();
      refolding.look();
    });
  }

  #compare(output: Output): void {
    const { truth } = this.#stage;
    const by = `${this.machine.name} run ${this.machine.run}`;
    const text = JSON.stringify([output.id, output.data]);
    if (output.type === "command.answered") truth.said(truth.answers, output.data.intent, by, text);
    if (output.type === "correlator.digested") truth.said(truth.digests, String(output.data.folded), by, text);
  }
}

/** An engine takes its own label for its own, and every other for another's. */
function asSeenBy(engine: string, entry: Entry): Entry {
  if (entry.type !== "policy.changed") return entry;
  const isOwn = entry.data.engine === engine;
  return { ...entry, data: { ...entry.data, engine: isOwn ? engineVersion : `not ${engineVersion}` } };
}

/** The planted bug of a correlator that answers before it has folded what came before: the rest comes a little later. */
function hasty(correlator: Correlator, machine: Machine): (entries: readonly Entry[]) => readonly Entry[] {
  return (entries) =>
    entries.filter((entry) => {
      if (entry.type !== "command.decided") return true;
      machine.after(machine.name === "c0" ? 40 : 0, () => correlator.fold(entry));
      return false;
    });
}
