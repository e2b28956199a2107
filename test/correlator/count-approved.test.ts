import assert from "node:assert/strict";
import { test } from "node:test";
import { play } from "./play.ts";

const rule = `title: Many deleted
name: chain
correlation: { type: event_count, rules: [destructive], group-by: [account], timespan: 1h, condition: { gte: 2 } }
x-chain: { gate: { action: hold } }
`;
const h = 3_600_000;
const removed = (name: string) => ({ operation: "delete", reads: [], writes: [name], ends: [], destroys: true });
const about = (command: string, ms: number) => ({
  ...{ id: `${command}-said`, atMs: Date.UTC(2026, 0, 1) + ms, source: "gateway/g", role: "gateway" as const },
  subject: { session: "load", command, identity: "load", account: "load", target: "orders" },
});
const facts = { kind: "query", opaque: null, undoable: true, transaction: { kind: "none" as const } };
const done = { outcome: "ok" as const, rows: 5, bytes: 0, tag: "", code: null, durationUs: 0, shown: true };

/** Two approved DELETEs in one transaction, after one that was made before it; and the COMMIT. */
function commit(committedMs: number) {
  const played = play(rule);
  played.run("0s load delete orders/public.a");
  const commits = ["b", "c"].map((name, at) => {
    const asked = played.ask(`${50 + at}m load delete orders/public.${name}`);
    assert.equal(asked.ruling, "hold");
    const before = asked.enforced[0]?.steps.slice(0, -1).map(({ event }) => event) ?? [];
    const effects = [removed(`orders/public.${name}`)];
    const decided = { ...facts, effects, ruling: "allow", approval: null, intent: null };
    const ms = (50 + at) * 60_000 + 1_000;
    played.fold({ type: "command.decided", ...about(name, ms), data: decided } as never);
    const finished = { ...about(name, ms), id: `${name}-f`, data: { ...done, undone: [], lasted: [] } };
    played.fold({ type: "command.finished", ...finished } as never);
    return { command: name, effect: effects[0], approved: { rule: "chain", before } };
  });
  const data = { ...facts, effects: [], transaction: { kind: "commit" }, commits };
  played.fold({ type: "command.intended", ...about("k", committedMs), data } as never);
  const answer = played.outputs.findLast(({ type }) => type === "command.answered");
  if (answer?.type === "command.answered" && answer.data.ruling !== "allow")
    console.log(answer.data.enforced[0]?.sentence, JSON.stringify(commits));
  return answer?.type === "command.answered" ? answer.data.ruling : null;
}

test("a COMMIT is not asked again for what was counted when each of its DELETEs was approved", () => {
  assert.equal(commit(0.9 * h), "allow");
  assert.equal(commit(1.1 * h), "allow", "what came before has left the window: less is counted now, and nothing new");
});
