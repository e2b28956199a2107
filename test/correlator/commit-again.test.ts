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

const about = (command: string, ms: number) => ({
  id: `${command}-said`,
  atMs: Date.UTC(2026, 0, 1) + ms,
  source: "gateway/g",
  role: "gateway" as const,
  subject: { session: "load", command, identity: "load", account: "load", target: "orders" },
});

/** When the chain is built, in four steps; when its DELETE is asked for; when that runs, and is committed (milliseconds). */
const minutes = { built: ["0s", "10s", "20s", "60s"], asked: "9m", ranMs: 600_000, committedMs: 650_000 };

/** What is answered to the COMMIT of an approved DELETE and what fills the same table again. */
function commit(meanwhile: string, { built, asked: askedAt, ranMs, committedMs } = minutes): string | null {
  const played = play(rule);
  played.run(`
    ${built[0]} extract    read       orders/public.customers
    ${built[1]} transform  transform  orders/public.customers -> orders/public.staging
    ${built[2]} load       transform  orders/public.staging -> orders/public.reporting
    ${built[3]} transform  transform  orders/public.customers -> orders/public.staging`);
  const asked = played.ask(`${askedAt} load delete orders/public.reporting`);
  assert.equal(asked.ruling, "hold");
  const before = asked.enforced[0]?.steps.slice(0, -1).map(({ event }) => event) ?? [];
  const facts = { kind: "query", opaque: null, undoable: true, transaction: { kind: "none" as const } };
  const decided = { ...facts, ruling: "allow" as const, approval: null, intent: null };
  const done = { outcome: "ok" as const, rows: 5, bytes: 0, tag: "", code: null, durationUs: 0, shown: true };
  for (const [command, effect] of [["d", emptied] as const, ["i", filled] as const]) {
    played.fold({ type: "command.decided", ...about(command, ranMs), data: { ...decided, effects: [effect] } });
    const finished = { ...about(command, ranMs), id: `${command}-finished` };
    played.fold({ type: "command.finished", ...finished, data: { ...done, undone: [], lasted: [] } });
  }
  played.run(meanwhile);
  const commits = [
    { command: "d", effect: emptied, approved: { rule: "chain", before } },
    { command: "i", effect: filled },
  ];
  const data = { ...facts, effects: [], transaction: { kind: "commit" as const }, commits };
  played.fold({ type: "command.intended", ...about("k", committedMs), data });
  const answer = played.outputs.findLast(({ type }) => type === "command.answered");
  return answer?.type === "command.answered" ? answer.data.ruling : null;
}

test("a COMMIT is not asked again because its own transaction filled again what it was allowed to empty", () => {
  assert.equal(commit(""), "allow");
});

test("a COMMIT is asked again when somebody went on with the chain after the approval", () => {
  assert.equal(commit("10m10s transform transform orders/public.customers -> orders/public.staging"), "hold");
});

test("what was approved counts to the very edge of the COMMIT's window", () => {
  const committedMs = 24 * 3_600_000;
  assert.equal(commit("", { built: ["0s", "0s", "0s", "0s"], asked: "0s", ranMs: 0, committedMs }), "allow");
});
