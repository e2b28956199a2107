/** Random streams in which the rules change half way: what is said from there on, and that replicas say it to the byte. */
import assert from "node:assert/strict";
import type { Entry } from "../../infra/log/entry.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { isOutput, type Output } from "../../services/correlator/outputs.ts";
import type { Dice } from "./dice.ts";
import { randomRule } from "./random-rule.ts";
import { playReplicas } from "./replicas.ts";
import { catalogs, tight } from "./scenery.ts";
import { Simulation } from "./simulation.ts";

const nobodys = `title: Nobody's
name: nobodys
logsource: { product: throughline, category: command }
detection: { selection: { account: nobody }, condition: selection }
x-chain: { gate: { action: hold, approvers: [x] } }
`;

/** A stream that one correlator answered from its beginning; its answers were compared with the oracle's. */
function streamOf(dice: Dice): readonly Entry[] {
  const simulation = new Simulation(dice, randomRule(dice), catalogs[dice(catalogs.length)] ?? []);
  const length = 8 + dice(25);
  for (let step = 0; step < length; step += 1) simulation.step();
  return simulation.entries;
}

/** Runs on its own log. */
class Alone {
  readonly entries: Entry[] = [];
  readonly said: Output[] = [];
  /** What it says does not get into its log: others have said it. */
  isLate = false;
  readonly correlator;

  /** @param source of one of many; without, everything that correlators said must be what this one makes */
  constructor(source?: string) {
    this.correlator = createCorrelator({
      limits: tight,
      ...(source === undefined ? {} : { source }),
      emit: (output) => {
        this.said.push(output);
        if (this.isLate) return;
        const about = { atMs: this.entries.at(-1)?.atMs ?? 0, source: source ?? "correlator/c", role: "correlator" };
        this.fold({ ...output, ...about } as Entry);
      },
    });
    this.correlator.goLive();
  }

  fold(entry: Entry): void {
    this.entries.push(entry);
    this.correlator.fold(entry);
  }

  propose(about: Entry, id: string, files: object): void {
    const data = { digest: id, engine: engineVersion, files };
    this.fold({ ...about, id, type: "policy.changed", role: "gateway", source: "gateway/g", data } as Entry);
  }

  takeOver(about: Entry): void {
    this.correlator.refold?.take(this.entries);
    const data = this.correlator.announcement;
    assert.ok(data !== null, "nothing takes over");
    const said = { subject: {}, role: "correlator", source: "correlator/c" } as const;
    this.fold({ ...about, ...said, id: "switch", type: "rules.switched", data } as Entry);
  }
}

function partsOf(dice: Dice, stream: readonly Entry[]) {
  const [policy, ...entries] = stream;
  if (policy?.type !== "policy.changed") throw new Error("a stream begins with its policy");
  const inputs = entries.flatMap((entry, at) => (isOutput(entry) ? [] : at));
  const [first, second] = [inputs[dice(inputs.length)] ?? 0, inputs[dice(inputs.length)] ?? 0];
  const places = { proposed: Math.min(first, second), switched: Math.max(first, second) };
  const catalog = dice(2) === 0 ? "[]" : (policy.data.files["catalog.yaml"] ?? "");
  const begin = { ...policy.data.files, "rules/r.yml": nobodys, "catalog.yaml": catalog };
  return { policy, begin, entries, places };
}

const tells: ReadonlySet<string> = new Set(["command.answered", "chain.completed", "block.placed"]);
const wordsOf = ({ id, type, data }: Pick<Output, "id" | "type" | "data">) => JSON.stringify([id, type, data]);

/** From the switch on everything is said as by one that had these rules from the first step. @returns answers compared */
export function playChange(dice: Dice): number {
  const { policy, begin, entries, places } = partsOf(dice, streamOf(dice));
  const alone = new Alone("correlator/late");
  alone.isLate = true;
  alone.propose(policy, "before", begin);
  for (const [at, entry] of entries.entries()) {
    if (at === places.proposed) alone.propose(entry, "after", policy.data.files);
    if (at === places.switched) {
      alone.said.length = 0;
      alone.isLate = false;
      alone.takeOver(entry);
    }
    if (at < places.switched || !isOutput(entry)) alone.fold(entry);
  }
  const expected = entries.slice(places.switched).filter(({ type }) => tells.has(type));
  assert.deepEqual(
    alone.said.filter(({ type }) => tells.has(type)).map(wordsOf),
    expected.map((entry) => wordsOf(entry as never)),
  );
  return expected.length;
}

/** The same log, in which rules change, through one, two and four replicas that are killed. @returns outputs compared */
export function playChangedReplicas(dice: Dice): number {
  const { policy, begin, entries, places } = partsOf(dice, streamOf(dice));
  const alone = new Alone();
  alone.propose(policy, "before", begin);
  for (const [at, entry] of entries.entries()) {
    if (at === places.proposed) alone.propose(entry, "after", policy.data.files);
    if (at === places.switched) alone.takeOver(entry);
    if (!isOutput(entry)) alone.fold(entry);
  }
  return [1, 2, 4].reduce((compared, count) => compared + playReplicas(dice, alone.entries, count), 0);
}
