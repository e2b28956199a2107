/** Tags that are worked out once are what they would be if they were worked out again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Effect } from "../../schemas/command.ts";
import { type Correlator, createCorrelator } from "../../services/correlator/correlator.ts";
import { fromLines } from "../../services/correlator/graph.ts";
import type { Kept } from "../../services/correlator/kept.ts";
import { chainRule, type Played, play, usual } from "./play.ts";
import { tight } from "./scenery.ts";

const customers = "orders/public.customers";
const start = Date.UTC(2026, 0, 1);

type Move = readonly [from: string, to: string];

/** One command that moves several times, one after another, and still runs. */
function running(played: Played, command: string, moves: readonly Move[]): void {
  const effects = moves.map(
    ([from, to]) =>
      ({ operation: "transform", reads: [from], writes: [to], ends: [], destroys: false }) as unknown as Effect,
  );
  played.fold({
    type: "command.decided",
    id: command,
    atMs: start,
    source: "gateway/g",
    role: "gateway",
    subject: { session: command, command, identity: "i", account: "a", target: "orders" },
    data: {
      ...{ kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" } },
      ...{ ruling: "allow", approval: null, intent: null },
    },
  });
}

test("what comes again to a place, by another command, goes on by what is open there", () => {
  const played = play(chainRule(usual));
  // Its second move is later than its first: what it brings to d itself does not go on to e.
  running(played, "c1", [
    ["orders/public.d", "orders/public.e"],
    [customers, "orders/public.d"],
  ]);
  assert.deepEqual(played.correlator.tagsOf("orders/public.d"), ["pii", "pii.email"]);
  assert.deepEqual(played.correlator.tagsOf("orders/public.e"), []);
  running(played, "c2", [[customers, "orders/public.d"]]);
  assert.deepEqual(played.correlator.tagsOf("orders/public.e"), ["pii", "pii.email"]);
  const told = played.outputs.filter(({ type }) => type === "resource.tagged").map(({ data }) => data);
  assert.equal(told.filter((data) => "resource" in data && data.resource === "orders/public.e").length, 1);
});

test("one that goes on from a snapshot names the same origins as one that has run all the time", () => {
  const played = play(chainRule(usual), { limits: tight });
  running(played, "c1", [[customers, "orders/public.d"]]);
  const restored = createCorrelator({ limits: tight, emit: () => assert.fail("everything has been said") });
  restored.restore(played.correlator.keep());
  const known = played.entries.length;
  // Copied onto itself, a column is one more place of its table that has something.
  running(played, "c2", [[`${customers}#email`, `${customers}#email`]]);
  running(played, "c3", [[customers, "orders/public.d"]]);
  for (const entry of played.entries.slice(known)) restored.fold(entry);
  restored.goLive();
  assert.equal(restored.digest(), played.correlator.digest());
  const traceOf = (correlator: Correlator) => (fromLines(correlator.keep()) as Kept).trace;
  assert.deepEqual(traceOf(restored), traceOf(played.correlator));
});
