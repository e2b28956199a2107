/** Two findings of the random proof, as people would meet them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { play } from "./play.ts";

const about = (command: string, account: string) => ({
  id: `${command}-said`,
  atMs: Date.UTC(2026, 0, 1, 0, 0, 1),
  source: "gateway/g",
  role: "gateway" as const,
  subject: { session: `of-${command}`, command, identity: account, account, target: "orders" },
});

const decided = {
  kind: "query",
  opaque: null,
  undoable: true,
  transaction: { kind: "none" as const },
  ruling: "allow" as const,
  approval: null,
  intent: null,
};

const moves = (from: string, to: string) =>
  [{ operation: "transform", reads: [from], writes: [to], ends: [], destroys: false }] as never;

test("what runs is untagged again once all that had brought the tag was undone, whoever brought it first", () => {
  const played = play(`title: A copy of what is not tagged
name: untagged_copy
logsource: { product: throughline, category: command }
detection:
  selection: { operation: transform }
  tagged: { tags: pii }
  condition: selection and not tagged
---
title: Untagged data copied and destroyed
name: chain
correlation: { type: temporal_ordered, rules: [untagged_copy, destructive], timespan: 24h }
x-chain:
  gate: { action: hold }
`);
  const running = { ...decided, effects: moves("orders/public.other", "orders/public.report") };
  played.fold({ type: "command.decided", ...about("running", "etl"), data: running });
  const brought = `transform orders/public.customers -> orders/public.report`;
  played.run(`2s one begin\n3s one ${brought}\n4s two begin\n5s two ${brought}`);
  const ask = () => played.ask("9s load delete orders/public.report").ruling;
  assert.equal(ask(), "allow", "the copy that runs is one of tagged data now");
  played.run("10s one rollback");
  assert.equal(ask(), "allow", "the second still brings the tag");
  played.run("11s two rollback");
  assert.equal(ask(), "hold");
});

test("a chain whose steps share data only by way of an opaque command holds, though each two neighbours share some", () => {
  const rule = (action: string) => `title: Written, written and destroyed
name: chain
correlation: { type: temporal_ordered, rules: [moved, written, destructive], group-by: [chain.lineage], timespan: 24h }
x-chain:
  gate: { action: ${action} }
---
title: Moved
name: moved
logsource: { product: throughline, category: command }
detection: { selection: { operation: transform, opaque: false }, condition: selection }
---
title: Written
name: written
logsource: { product: throughline, category: command }
detection: { selection: { operation: write, opaque: false }, condition: selection }
`;
  const catalog = JSON.stringify([{ resource: "orders/public.a", tags: ["pii"] }]);
  const played = play(rule("block"), { catalog });
  const opaque = { ...decided, opaque: "nobody has read it", undoable: false };
  const effects = moves("orders/public.a", "orders/public.a");
  played.fold({ type: "command.decided", ...about("dark", "x"), data: { ...opaque, effects } });
  played.run(`
    2s one transform orders/public.a#x -> orders/public.a#x
    3s two write orders/public.a`);
  const answer = played.ask("4s three write orders/public.a#y destroys=true");
  assert.deepEqual([answer.ruling, answer.enforced[0]?.strength], ["hold", "weak"]);
});
