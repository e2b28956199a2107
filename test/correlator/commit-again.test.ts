/** A COMMIT after an approved command (services/DESIGN.md, D9): what its transaction did besides is no new chain. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chainRule, play } from "./play.ts";

const rule = chainRule(`links:
  - { from: pii_read, to: pii_transform, by: [lineage] }
  - { from: pii_transform, to: destructive, by: [flow] }
distinct: { field: account, min: 3 }
gate: { action: hold }
`);
const [staging, reporting] = ["orders/public.staging", "orders/public.reporting"];
const emptied = { operation: "delete", reads: [], writes: [reporting], ends: [], destroys: true } as never;
const filled = { operation: "transform", reads: [staging], writes: [reporting], ends: [], destroys: false } as never;

const about = (command: string, second: number) => ({
  id: `${command}-said`,
  atMs: Date.UTC(2026, 0, 1, 0, 10, second),
  source: "gateway/g",
  role: "gateway" as const,
  subject: { session: "load", command, identity: "load", account: "load", target: "orders" },
});

/** What is answered to the COMMIT of an approved DELETE and what fills the same table again. */
function commit(meanwhile: string): string | null {
  const played = play(rule);
  played.run(`
    0s   extract    read       orders/public.customers
    10s  transform  transform  orders/public.customers -> orders/public.staging
    20s  load       transform  orders/public.staging -> orders/public.reporting
    60s  transform  transform  orders/public.customers -> orders/public.staging`);
  const asked = played.ask("9m load delete orders/public.reporting");
  assert.equal(asked.ruling, "hold");
  const before = asked.enforced[0]?.steps.slice(0, -1).map(({ event }) => event) ?? [];
  const facts = { kind: "query", opaque: null, undoable: true, transaction: { kind: "none" as const } };
  const decided = { ...facts, ruling: "allow" as const, approval: null, intent: null };
  const done = { outcome: "ok" as const, rows: 5, bytes: 0, tag: "", code: null, durationUs: 0, shown: true };
  for (const [command, effect, second] of [["d", emptied, 0] as const, ["i", filled, 2] as const]) {
    played.fold({ type: "command.decided", ...about(command, second), data: { ...decided, effects: [effect] } });
    const finished = { ...about(command, second + 1), id: `${command}-finished` };
    played.fold({ type: "command.finished", ...finished, data: { ...done, undone: [], lasted: [] } });
  }
  played.run(meanwhile);
  const commits = [
    { command: "d", effect: emptied, approved: { rule: "chain", before } },
    { command: "i", effect: filled },
  ];
  const data = { ...facts, effects: [], transaction: { kind: "commit" as const }, commits };
  played.fold({ type: "command.intended", ...about("k", 50), data });
  const answer = played.outputs.findLast(({ type }) => type === "command.answered");
  return answer?.type === "command.answered" ? answer.data.ruling : null;
}

test("a COMMIT is not asked again because its own transaction filled again what it was allowed to empty", () => {
  assert.equal(commit(""), "allow");
});

test("a COMMIT is asked again when somebody went on with the chain after the approval", () => {
  assert.equal(commit("10m10s transform transform orders/public.customers -> orders/public.staging"), "hold");
});
