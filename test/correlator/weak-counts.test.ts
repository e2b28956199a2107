/** A count is as weak as the weakest step of its group, also of one that is too long to be named whole (DETECTION §2.6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../schemas/limits.ts";
import { runRules } from "../../services/correlator/offline.ts";
import type { Step } from "../../services/correlator/step.ts";
import { Tally } from "../../services/correlator/tally.ts";
import { catalog, play, steps } from "./play.ts";

const block = "x-chain: { gate: { action: block, block: { scope: [identity], for: 1h } } }\n";
const many = limits.countedNamedMax + 100;
const count = (name: string, more = "") => `title: ${name}
name: ${name}
correlation: { type: event_count, rules: [pii_read], group-by: [account], timespan: 24h, condition: { gte: ${many} } }
${more}`;
const chain = `title: chain
name: chain
correlation: { type: temporal_ordered, rules: [much, destructive], group-by: [account], timespan: 24h }
${block}`;

/** Of the rule `much`, over a file of plain events. */
async function actions(rule: string, events: readonly string[]): Promise<readonly string[]> {
  const rules = [{ name: "r.yml", text: `${steps}---\n${rule}` }];
  const found: string[] = [];
  for await (const fired of runRules({ rules, catalog: { name: "catalog.yaml", text: catalog }, events }))
    if (fired.rule === "much") found.push(fired.action);
  return found;
}

for (const [what, rules, last] of [
  ["alone", count("much", block), "read orders/public.customers"],
  ["inside a chain", `${count("much")}---\n${chain}`, "delete orders/public.z"],
] as const)
  test(`what an unread command made up to the number holds, however much came after it: ${what}`, () => {
    for (const [opaque, ruling, strength] of [
      ["", "block", "strong"],
      [" opaque=true", "hold", "weak"],
    ]) {
      const played = play(rules);
      const least = last.startsWith("read") ? many - 1 : many;
      for (let at = 0; at < least; at += 1)
        played.run(`${at}s eve read orders/public.customers${at === 0 ? opaque : ""}`);
      const answer = played.ask(`3h eve ${last}`);
      assert.deepEqual([answer.ruling, answer.enforced[0]?.strength], [ruling, strength]);
      assert.equal(
        played.outputs.some(({ type }) => type === "block.placed"),
        ruling === "block",
      );
    }
  });

test("of thousands that are counted no firing looks at more than it names", async (context) => {
  const { latest } = Tally.prototype;
  let most = 0;
  context.mock.method(Tally.prototype, "latest", function noted(this: Tally, wanted: number) {
    const found = latest.call(this, wanted);
    most = Math.max(most, found.length);
    return found;
  });
  const rule = count("much", block);
  const events = Array.from({ length: many + 400 }, (_, at) =>
    JSON.stringify({
      ...{ id: `e${at}`, time: "2026-01-01T00:00:00Z", identity: "i", account: "a" },
      ...{ operation: "read", reads: ["orders/public.customers"] },
    }),
  );
  const fired = await actions(rule, events);
  assert.deepEqual([fired.length, new Set(fired)], [401, new Set(["block"])]);
  assert.equal(most, limits.countedNamedMax);
});

test("an opaque step makes a count weak until it has left the window, and one that was only asked about does not", () => {
  const tally = new Tally({ what: "events", fields: [], percentile: null, holds: () => true } as never);
  const step = (at: number, opaque = false) => ({ step: { at, atMs: at, opaque } as Step, values: [], numbers: [] });
  const latest = () => tally.latest(2).map(({ at }) => at);
  tally.add(step(1, true));
  for (let at = 2; at < 6; at += 1) tally.add(step(at));
  assert.deepEqual(latest(), [1, 4, 5]);
  tally.add(step(6, true));
  tally.pop();
  assert.deepEqual(latest(), [1, 4, 5], "as before it was asked about");
  tally.forgetBefore(2);
  assert.deepEqual(latest(), [4, 5]);
});

test("a count of firings is weak by any of them, however many came after it", async () => {
  const each = `title: each\nname: each
correlation: { type: event_count, rules: [pii_read], group-by: [account], timespan: 0s, condition: { gte: 2 } }\n`;
  const outer = count("much", block).replace("[pii_read]", "[each]").replace("gte: 1100", "gte: 1001");
  for (const [opaque, expected] of [
    [false, "block"],
    [true, "hold"],
  ]) {
    const events = Array.from({ length: 2_002 }, (_, at) => {
      const time = new Date(Date.UTC(2026, 0, 1) + Math.floor(at / 2) * 1_000).toISOString();
      const about = { id: `e${at}`, time, identity: "i", account: "a", operation: "read" };
      return JSON.stringify({ ...about, reads: ["orders/public.customers"], opaque: opaque && at === 0 });
    });
    assert.deepEqual(await actions(`${each}---\n${outer}`, events), [expected]);
  }
});

test("where the room to look does not reach to tell that a count is strong, it is held", () => {
  const played = play(count("much", block), { limits: { chainLooksMax: many + 100 } });
  for (let at = 0; at < many - 1; at += 1) played.run(`${at}s eve read orders/public.customers`);
  const { ruling, enforced } = played.ask("3h eve read orders/public.customers");
  assert.deepEqual([ruling, enforced[0]?.strength], ["hold", "weak"]);
});
