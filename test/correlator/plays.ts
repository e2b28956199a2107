/** What is compared on random input, each as one function of dice: the same dice play the same case again. */
import type { Dice } from "./dice.ts";
import { Disagreement, type Play } from "./disagreement.ts";
import { playPlainCase } from "./plain-case.ts";
import { randomRule } from "./random-rule.ts";
import { playReplicas } from "./replicas.ts";
import { catalogs } from "./scenery.ts";
import { Simulation } from "./simulation.ts";

function playStream(dice: Dice, then: (simulation: Simulation) => number): number {
  const rule = randomRule(dice);
  const simulation = new Simulation(dice, rule, catalogs[dice(catalogs.length)] ?? []);
  try {
    const length = 4 + dice(19);
    for (let step = 0; step < length; step += 1) simulation.step();
    return then(simulation);
  } catch (cause) {
    const events = simulation.entries.map(({ type, subject, data, atMs }) =>
      JSON.stringify({ atMs, type, subject, data }),
    );
    throw new Disagreement(rule.text, events, cause);
  }
}

/** Records of a gateway, every answer against the oracle's. */
export const playLive: Play = (dice) => playStream(dice, ({ compared }) => compared);

/** The same log through one, two and four replicas that are killed. */
export const playKilled: Play = (dice) =>
  playStream(dice, ({ entries }) =>
    [1, 2, 4].reduce((compared, count) => compared + playReplicas(dice, entries, count), 0),
  );

/** Files of plain events, `rules run` against the oracle of plain events. */
export const playPlain: Play = (dice) => playPlainCase(dice, 8).compared;
