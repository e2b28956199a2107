/** What counts, for how long and how strongly: findings of the random proof, as people would meet them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chainRule, play } from "./play.ts";

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

const finished = { outcome: "ok" as const, rows: 5, bytes: 0, tag: "", code: null, durationUs: 0, shown: true };
const customers = "orders/public.customers";
const report = "orders/public.report";

/** A chain of a copy of untagged data and a DELETE. */
const untagged = `title: A copy of what is not tagged
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
`;

test("what runs is untagged again once all that had brought the tag was undone, whoever brought it first", () => {
  const played = play(untagged);
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

test("what ended right behind a move that was undone is seen again without it", () => {
  const played = play(untagged);
  const effects = moves("orders/public.other", report);
  // That it has the tag has been told before, and a write is no step: nothing stands between the move and the end.
  played.run(`0s one begin\n0s one transform ${customers} -> ${report}\n0s one rollback`);
  const fold = (type: "decided" | "finished", command: string, data: object) =>
    played.fold({ type: `command.${type}`, ...about(command, command), id: `${command} ${type}`, data } as never);
  fold("decided", "running", { ...decided, effects });
  const [move] = moves(customers, report) as object[];
  fold("decided", "moving", { ...decided, effects: [{ ...move, operation: "write" }] });
  fold("finished", "running", { ...finished, undone: [], lasted: ["running"] });
  const ask = () => played.ask(`9s load delete ${report}`).ruling;
  assert.equal(ask(), "allow", "it had the tag when it ended");
  fold("finished", "moving", { ...finished, undone: ["moving"], lasted: [] });
  assert.equal(ask(), "hold");
});

test("nobody undoes another gateway's command by saying that it failed", () => {
  const rule = chainRule("gate: { action: hold }").replace("pii_read, pii_transform", "pii_transform");
  const ask = (source: string) => {
    const played = play(rule);
    const effects = moves(customers, report);
    played.fold({ type: "command.decided", ...about("copy", "etl"), data: { ...decided, effects } });
    const failed = { ...finished, outcome: "error" as const, rows: 0, shown: false, undone: [], lasted: [] };
    played.fold({ type: "command.finished", ...about("copy", "etl"), id: "failed", source, data: failed });
    return played.ask(`9s load delete ${report}`).ruling;
  };
  assert.equal(ask("gateway/other"), "hold");
  assert.equal(ask("gateway/g"), "allow");
});
