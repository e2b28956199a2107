/** The corpus in small: what `make corpus` measures over ten million commands holds for one quiet company too. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { runRules } from "../../services/correlator/offline.ts";
import type { CommandAct } from "./act.ts";
import { linkTypes } from "./act.ts";
import { catalogText } from "./company.ts";
import { plainLines } from "./events.ts";
import { Player } from "./player.ts";
import { type Book, openBook } from "./reading.ts";
import { count, createTally, figuresOf } from "./tally.ts";
import { createTenant } from "./tenant.ts";

const rules = readFileSync(new URL("./rules.yml", import.meta.url), "utf8");
const quiet = { seed: 7, days: 36, chains: 6 * linkTypes.length, commands: 500, quiet: true };
let book: Book;
before(async () => {
  book = await openBook();
});

test("every chain is held before its last step runs, by the rule that means it, and no decoy is", () => {
  const tally = createTally();
  const player = new Player({ "rules/corpus.yml": rules });
  for (const acts of createTenant({ ...quiet, book }).acts())
    for (const act of acts) {
      const asked = player.play(act);
      if (act.kind === "command" && asked !== null) count(tally, act, asked);
    }
  assert.deepEqual(tally.falseHolds, {}, tally.told.join("\n"));
  assert.equal(figuresOf(tally).strong, 1, tally.told.join("\n"));
  assert.equal(tally.endings.filter(({ held }) => !held).length, 0, tally.told.join("\n"));
  assert.equal(tally.endings.length, quiet.chains);
  assert.ok(Object.keys(tally.decoys).length > 30);
});

test("the same seed gives the same events, another seed others", () => {
  const events = (seed: number) =>
    [...plainLines(createTenant({ ...quiet, seed, book }))].map((one) => JSON.stringify(one));
  assert.deepEqual(events(7), events(7));
  assert.notDeepEqual(events(7), events(8));
});

test("two days of everybody's work with its nightly reloads hold nobody", () => {
  const player = new Player({ "rules/corpus.yml": rules });
  const held: string[] = [];
  let asked = 0;
  for (const acts of createTenant({ book, seed: 3, days: 2, chains: 0, commands: 500 }).acts())
    for (const act of acts) {
      const answer = player.play(act);
      if (answer?.ruling) asked += 1;
      if (answer?.ruling === "hold") held.push(`${(act as CommandAct).spoken.text}: ${answer.sentence}`);
    }
  assert.deepEqual(held, []);
  assert.ok(asked > 500, `only ${asked} had to ask`);
});

test("written as plain events, the chains that have such a form fire under `throughline rules run`", async () => {
  const all = [...plainLines(createTenant({ ...quiet, book }))];
  const fired = new Set<string>();
  const lines = all.map(({ event }) => JSON.stringify(event));
  const run = {
    rules: [{ name: "corpus.yml", text: rules }],
    catalog: { name: "catalog.yaml", text: catalogText },
    events: lines,
  };
  for await (const { rule, event } of runRules(run)) fired.add(`${rule} ${event}`);
  const forms = ["flow", "lineage", "task", "address", "trace", "opaque"];
  const lasts = all.filter(({ label }) => label?.last === true && forms.includes(label.link));
  const missed = lasts.filter(({ event, label }) => label?.decoy === null && !fired.has(`${label.rule} ${event.id}`));
  assert.deepEqual(missed, []);
  assert.ok(lasts.length > 30);
});
