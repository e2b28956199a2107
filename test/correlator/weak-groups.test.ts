/** What ties only by an address or a trace is weak evidence (DETECTION §2.6): it may hold, and never blocks by itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Played, play } from "./play.ts";

const block = "x-chain: { gate: { action: block, block: { scope: [identity], for: 1h } } }\n";
const chain = (correlation: string) => `title: chain\nname: chain\ncorrelation: { ${correlation} }\n${block}`;
const last = (key: string) => `60s eve delete orders/public.z ${key}`;

/** @returns how a rule with a block answers, and whether it places one */
function blocked(played: Played, line: string) {
  const { ruling, enforced } = played.ask(line);
  const isPlaced = played.outputs.some(({ type }) => type === "block.placed");
  return [ruling, enforced[0]?.strength, isPlaced];
}

const weak = ["hold", "weak", false];
const strong = ["block", "strong", true];
const keys = {
  clientaddress: ["address=10.0.0.1", weak],
  address: ["address=10.0.0.1", weak],
  trace: ["trace=00000000000000000000000000000001", weak],
  account: ["", strong],
} as const;

test("steps of one group by address or trace hold, and by account they block", () => {
  for (const [field, [key, expected]] of Object.entries(keys)) {
    const grouped = `group-by: [${field}], timespan: 24h`;
    const ordered = play(chain(`type: temporal_ordered, rules: [pii_read, destructive], ${grouped}`));
    ordered.run(`0s eve read orders/public.customers ${key}`);
    assert.deepEqual(blocked(ordered, last(key)), expected, `a chain by ${field}`);
    const counting = play(chain(`type: event_count, rules: [destructive], ${grouped}, condition: { gte: 2 }`));
    counting.run(`0s eve delete orders/public.y ${key}`);
    assert.deepEqual(blocked(counting, last(key)), expected, `a count by ${field}`);
  }
});

test("a group that goes by another name is as weak as the fields that it stands for", () => {
  for (const [field, [key, expected]] of Object.entries(keys)) {
    const aliases = `aliases: { place: { pii_read: ${field}, destructive: ${field} } }`;
    const grouped = `rules: [pii_read, destructive], group-by: [place], timespan: 24h, ${aliases}`;
    for (const type of ["type: temporal_ordered", "type: event_count, condition: { gte: 2 }"]) {
      const played = play(chain(`${type}, ${grouped}`));
      played.run(`0s eve read orders/public.customers ${key}`);
      assert.deepEqual(blocked(played, last(key)), expected, `${type}, by ${field}`);
    }
  }
});

test("values that were shown and come back are a weak group of what is counted too", () => {
  const counting = "type: event_count, rules: [pii_read, destructive], group-by: [content], timespan: 24h";
  const played = play(chain(`${counting}, condition: { gte: 2 }`));
  played.run("0s one read orders/public.customers content=v1");
  assert.deepEqual(blocked(played, "60s eve write orders/public.z destroys=true content=v1"), weak);
});

/** Three reads in a group are a burst; a burst and a DELETE by the same account make the chain. */
const burst = (group: string) => `title: burst
name: burst
correlation: { type: event_count, rules: [pii_read], group-by: [${group}], timespan: 1h, condition: { gte: 3 } }
`;
const reads = ["a", "b", "eve"].map((who, at) => `${at}s ${who} read orders/public.customers address=10.0.0.1`);

test("a chain is as weak as the correlation inside it: what fires by address alone holds", () => {
  const ordered = "type: temporal_ordered, rules: [burst, destructive], group-by: [account], timespan: 24h";
  const counting = "type: event_count, rules: [burst, destructive], timespan: 24h, condition: { gte: 2 }";
  for (const outer of [ordered, counting]) {
    for (const [group, expected] of [
      ["clientaddress", weak],
      ["target", strong],
    ] as const) {
      const played = play(`${burst(group)}---\n${chain(outer)}`);
      played.run(reads.join("\n"));
      assert.deepEqual(blocked(played, last("address=10.0.0.1")), expected, `${outer}, by ${group}`);
    }
  }
});

test("a count that an unread command made up to the number holds, inside a chain too", () => {
  const outer = "type: temporal_ordered, rules: [burst, destructive], group-by: [account], timespan: 24h";
  for (const [opaque, expected] of [
    [" opaque=true", weak],
    ["", strong],
  ] as const) {
    const played = play(`${burst("target")}---\n${chain(outer)}`);
    played.run(reads.map((read, at) => (at === 0 ? `${read}${opaque}` : read)).join("\n"));
    assert.deepEqual(blocked(played, last("")), expected);
  }
});
