/** A count is as weak as the weakest step of its group, also of one that is too long to be named whole (DETECTION §2.6). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../schemas/limits.ts";
import { runRules } from "../../services/correlator/offline.ts";
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
  const rules = [{ name: "r.yml", text: `${steps}---\n${rule}` }];
  let fired = 0;
  for await (const { action } of runRules({ rules, catalog: { name: "catalog.yaml", text: catalog }, events }))
    fired += action === "block" ? 1 : 0;
  assert.equal(fired, 401);
  assert.equal(most, limits.countedNamedMax);
});
