/** What is compared on random input, each as one function of dice: the same dice play the same case again. */
import { loadRules } from "../../infra/rules/load.ts";
import type { Dice } from "./dice.ts";
import { Disagreement, type Play } from "./disagreement.ts";
import { playPlainCase } from "./plain-case.ts";
import { randomRule } from "./random-rule.ts";
import { playReplicas } from "./replicas.ts";
import { catalogs } from "./scenery.ts";
import { Simulation } from "./simulation.ts";

/** Reading a rule costs as much as twenty answers by it: so many streams are played over each. */
const streamsPerRule = 4;
const filesPerRules = 16;

/** Reads each text once; one time in four every time, as a correlator of its own would. */
function reader(dice: Dice): typeof loadRules {
  if (dice(4) === 0) return loadRules;
  const read = new Map<string, ReturnType<typeof loadRules>>();
  return (files, options) => {
    const text = JSON.stringify([files, options]);
    const rules = read.get(text) ?? loadRules(files, options);
    read.set(text, rules);
    return rules;
  };
}

type Then = (simulation: Simulation, load: typeof loadRules) => number;

function playStreams(dice: Dice, streams: number, then: Then): number {
  const rule = randomRule(dice);
  const load = reader(dice);
  let compared = 0;
  for (let stream = 0; stream < streams; stream += 1) {
    const simulation = new Simulation(dice, rule, catalogs[dice(catalogs.length)] ?? [], load);
    try {
      const length = 4 + dice(19);
      for (let step = 0; step < length; step += 1) simulation.step();
      compared += then(simulation, load);
    } catch (cause) {
      const events = simulation.entries.map(({ type, subject, data, atMs }) =>
        JSON.stringify({ atMs, type, subject, data }),
      );
      throw new Disagreement(rule.text, events, cause);
    }
  }
  return compared;
}

/** Records of a gateway, every answer against the oracle's. */
export const playLive: Play = (dice) => playStreams(dice, streamsPerRule, ({ compared }) => compared);

/** The same log through one, two and four replicas that are killed. */
export const playKilled: Play = (dice) =>
  playStreams(dice, 1, ({ entries }, load) =>
    [1, 2, 4].reduce((compared, count) => compared + playReplicas(dice, entries, count, load), 0),
  );

/** Files of plain events, `rules run` against the oracle of plain events. */
export const playPlain: Play = (dice) => playPlainCase(dice, filesPerRules).compared;
