import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Line, linesOf, nothingKnown } from "../../schemas/lines.ts";
import { lanesOf } from "../../services/console/src/lanes.ts";
import { heldChain, heldCommand } from "./night.ts";
import { insidersNight } from "./story.ts";

const newest = (rows = insidersNight(0).rows) =>
  rows.toSorted((a, b) => b.atMs - a.atMs || (a.position < b.position ? 1 : -1));

test("a command is one line through its whole life, and what the machine says for itself is none", () => {
  const tick = { ...newest()[0]!, id: "tick", command: "", type: "log.checkpoint" };
  const lines = linesOf([tick, ...newest()], false);
  assert.equal(lines.filter((line) => line.lead.command === heldCommand).length, 1);
  assert.equal(lines.find((line) => line.lead.command === "c-extract-1")?.rows.length, 3);
  assert.ok(!lines.some((line) => line.key === "tick"));
  assert.equal(linesOf([tick, ...newest()], true).length, newest().length + 1);
});

test("a held command that was answered says both, in the colour of the answer", () => {
  const rows = newest();
  const held = rows.find((row) => row.type === "command.held")!;
  const decided = (ruling: string) => ({
    ...held,
    id: "d",
    position: "000999",
    atMs: held.atMs + 1,
    type: "command.decided",
    ruling,
  });
  const words = (ruling: string) =>
    linesOf([decided(ruling), held], false).map((line) => [line.ruling, line.rulingWords]);
  assert.deepEqual(words("block"), [["block", "held, refused"]]);
  assert.deepEqual(words("mask"), [["hold", "held, approved"]]);
  assert.deepEqual(
    linesOf([held], false).map((line) => [line.rulingWords, line.waits]),
    [["held", true]],
  );
  const stateOf = new Map([[heldCommand, "refused" as const]]);
  assert.deepEqual(
    linesOf([held], false, { ...nothingKnown, stateOf }).map((line) => [line.rulingWords, line.waits]),
    [["held, refused", false]],
    "the answer stands on another page",
  );
});

test("early steps get their chain from the chain's evidence, since their own events could not know it", () => {
  const chainsOf = new Map([["c-extract-1", [heldChain]]]);
  const line = linesOf(newest(), false, { ...nothingKnown, chainsOf }).find(
    (one) => one.lead.command === "c-extract-1",
  );
  assert.deepEqual(line?.chains, [heldChain]);
});

const lineArb = fc.record({ account: fc.constantFrom("", "a", "b", "c"), chains: fc.subarray(["x", "y"]) });
const lineOf = ({ account, chains }: { account: string; chains: string[] }, i: number): Line => {
  const lead = { ...insidersNight(0).rows[0]!, id: String(i), account, identity: "", session: "" };
  const words = { text: null, ruling: "", rulingWords: "", waits: false, answer: "" };
  return { key: String(i), lead, rows: [lead], atMs: -i, ...words, chains };
};

test("every chain's line is whole: it leaves a row where it enters the next, and passes its own steps' lanes", () => {
  fc.assert(
    fc.property(fc.array(lineArb, { maxLength: 12 }), (given) => {
      const lines = given.map(lineOf);
      const { names, rows } = lanesOf(lines, 5);
      for (const chain of ["x", "y"]) {
        const strands = rows.map((row) => row.strands.find((strand) => strand.chain === chain));
        const steps = lines.flatMap((line, i) => (line.chains.includes(chain) && line.lead.account !== "" ? [i] : []));
        assert.equal(strands.filter((strand) => strand?.step).length, steps.length < 2 ? 0 : steps.length);
        strands.forEach((strand, i) => {
          assert.equal(strand?.below ?? null, strands[i + 1]?.above ?? null);
          if (strand?.step && i !== steps.at(-1)) assert.equal(names[strand.below ?? -1], lines[i]?.lead.account);
        });
      }
    }),
  );
});
