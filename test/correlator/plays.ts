/** What is compared on random input, each as one function of dice: the same dice play the same case again. */
import type { Dice } from "./dice.ts";
import { Disagreement, type Play } from "./disagreement.ts";
import { playPlainCase } from "./plain-case.ts";
import { randomPipeline } from "./random-pipeline.ts";
import { randomRule } from "./random-rule.ts";
import { crowded, relived } from "./relived.ts";
import { playReplicas } from "./replicas.ts";
import { catalogs, tight } from "./scenery.ts";
import { Simulation } from "./simulation.ts";
import { Library } from "./tested.ts";

/** Reading a rule costs as much as twenty answers by it: so many streams are played over each. */
const streamsPerRule = 4;
const filesPerRules = 16;

type Then = (simulation: Simulation, library: Library) => number;

/** How many rule sets leave out declared pipelines: one of so many. */
const declaringEvery = 5;

function playStreams(dice: Dice, streams: number, then: Then, Kind = Library): number {
  const names = dice(declaringEvery) === 0 ? ["p0", "p1"].slice(dice(2)) : [];
  const rule = randomRule(dice, names);
  const pipelines = names.map((name) => randomPipeline(dice, name, rule.operations));
  const library = new Kind(dice(4) > 0);
  let compared = 0;
  for (let stream = 0; stream < streams; stream += 1) {
    const simulation = new Simulation(dice, rule, catalogs[dice(catalogs.length)] ?? [], { pipelines, library });
    try {
      const length = 4 + dice(19);
      const resumes = dice(12) === 0;
      for (let step = 0; step < length; step += 1) {
        if (resumes && dice(4) === 0) simulation.resume();
        simulation.step();
      }
      compared += then(simulation, library);
    } catch (cause) {
      const events = simulation.entries.map(({ type, subject, data, atMs }) =>
        JSON.stringify({ atMs, type, subject, data }),
      );
      const declared = pipelines.length > 0 ? `\npipelines: ${JSON.stringify(pipelines)}` : "";
      throw new Disagreement(`${rule.text}${declared}`, events, cause);
    }
  }
  return compared;
}

/** Records of a gateway, every answer against the oracle's. @param Kind what knows rules, and carries snapshots */
export const livePlay =
  (Kind = Library): Play =>
  (dice) =>
    playStreams(dice, streamsPerRule, ({ compared }) => compared, Kind);

export const playLive: Play = livePlay();

/** The same log through one, two and four replicas that are killed, and mostly have too little room. */
export const playKilled: Play = (dice) =>
  playStreams(dice, 1, ({ entries }, { load }) => {
    const limits = crowded(dice);
    const log = limits === tight ? entries : relived(entries, limits, load);
    return [1, 2, 4].reduce((compared, count) => compared + playReplicas(dice, log, count, { limits, load }), 0);
  });

/** Files of plain events, `rules run` against the oracle of plain events. */
export const playPlain: Play = (dice) => playPlainCase(dice, filesPerRules).compared;
