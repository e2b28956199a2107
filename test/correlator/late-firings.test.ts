/** Rules over what is known only when a command has finished: they gate the next command, and tell at the finish itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { runRules } from "../../services/correlator/offline.ts";
import { type Dice, seeded } from "./dice.ts";
import { type Played, play, steps } from "./play.ts";

const day = Date.UTC(2026, 0, 1);

const count = (body: string, chain = "mode: observe", name = "drip") =>
  `title: Drip\nname: ${name}\ncorrelation:\n  rules: [pii_read]\n  timespan: 1h\n  group-by: [account]\n${body.replace(/^/gm, "  ")}\nx-chain:\n  ${chain}\n`;
const sum = "type: value_sum\ncondition: { field: rows, gte: 100 }";

interface Read {
  readonly id: string;
  readonly account: string;
  readonly second: number;
  readonly rows: number;
  readonly failed?: boolean;
}

const about = ({ id, account }: Read, what: string, second: number) => ({
  ...{ id: `${what}-${id}`, atMs: day + 1_000 * second, source: "gateway/g", role: "gateway" as const },
  subject: { session: account, command: id, identity: account, account, target: "orders" },
});

const facts = {
  kind: "query",
  effects: [{ operation: "read", reads: ["orders/public.customers"], writes: [], ends: [], destroys: false }],
  opaque: null,
  transaction: { kind: "none" },
  undoable: true,
  details: { statements: ["SELECT"], fingerprint: "" },
};

function decide(played: Played, read: Read): void {
  const data = { ...facts, ruling: "allow", approval: null, intent: null };
  played.fold({ type: "command.decided", ...about(read, "decided", read.second), data } as unknown as Entry);
}

function finish(played: Played, read: Read, second: number): void {
  const outcome = read.failed ? "error" : "ok";
  const rest = { bytes: 0, tag: "", code: null, durationUs: 0, undone: [], lasted: [] };
  const data = { outcome, rows: read.rows, shown: !read.failed, ...rest };
  played.fold({ type: "command.finished", ...about(read, "finished", second), data } as unknown as Entry);
}

/** `rule command` of what was told, in order. */
const told = ({ outputs }: Played): string[] =>
  outputs.flatMap((output) =>
    output.type === "chain.completed" ? [`${output.data.rule} ${output.subject.command}`] : [],
  );

test("what a command read is told when it has finished, as an alert with that command's event, once", () => {
  const played = play(count(sum));
  const [a, b] = [
    { id: "a", account: "extract", second: 0, rows: 60 },
    { id: "b", account: "extract", second: 1, rows: 40 },
  ];
  decide(played, a);
  finish(played, a, 1);
  decide(played, b);
  assert.deepEqual(told(played), []);
  finish(played, b, 2);
  finish(played, b, 3);
  assert.deepEqual(told(played), ["drip b"]);
  const said = played.outputs.find(({ type }) => type === "chain.completed");
  assert.equal(said?.type, "chain.completed");
  if (said?.type !== "chain.completed") return;
  const { chain, ruling } = said.data;
  assert.equal(ruling, "allow");
  assert.equal(chain.action, "alert");
  assert.deepEqual(
    chain.steps.map(({ event }) => event),
    ["decided-a", "decided-b"],
  );
});

test("two that run side by side cannot each stay under the sum: the one that finishes last tells of the later one", () => {
  const played = play(count(sum));
  const [a, b] = [
    { id: "a", account: "extract", second: 0, rows: 60 },
    { id: "b", account: "extract", second: 1, rows: 60 },
  ];
  decide(played, a);
  decide(played, b);
  finish(played, b, 2);
  assert.deepEqual(told(played), []);
  finish(played, a, 3);
  assert.deepEqual(told(played), ["drip b"]);
});

test("another group, a window that is over and a read of which nothing was shown tell nothing", () => {
  const played = play(count(sum));
  const reads: Read[] = [
    { id: "a", account: "extract", second: 0, rows: 60 },
    { id: "b", account: "other", second: 1, rows: 60 },
    { id: "c", account: "extract", second: 2, rows: 60, failed: true },
    { id: "d", account: "extract", second: 3_601, rows: 60 },
  ];
  for (const read of reads) {
    decide(played, read);
    finish(played, read, read.second);
  }
  assert.deepEqual(told(played), []);
});

test("a gated rule tells at the finish too, and holds the next command; what was held is not told again", () => {
  const played = play(count(sum, "gate: { action: hold }"));
  played.run("0s extract read orders/public.customers rows=150");
  assert.equal(told(played).length, 1);
  const answer = played.ask("1s extract read orders/public.customers");
  assert.equal(answer.ruling, "hold");
  const [, held] = told(played);
  const command = held?.split(" ")[1] ?? "";
  assert.notEqual(command, told(played)[0]?.split(" ")[1]);
  const read = { id: command, account: "extract", second: 2, rows: 5 };
  decide(played, read);
  finish(played, read, 3);
  assert.equal(told(played).length, 2);
});

test("a rule around a sum fires when the sum does", () => {
  const outer =
    "title: Outer\nname: outer\ncorrelation:\n  type: temporal_ordered\n  rules: [announced, drip]\n  timespan: 1h\nx-chain: { mode: observe }\n";
  const played = play([count(sum), outer].join("---\n"));
  played.run("0s change execute orders/public.announce\n1s extract read orders/public.customers rows=150");
  assert.deepEqual(
    told(played).map((one) => one.split(" ")[0]),
    ["outer"],
  );
});

test("one finish that shows very many says so and does not go on for ever", () => {
  const played = play(count(sum));
  const first = { id: "first", account: "extract", second: 0, rows: 1_000 };
  decide(played, first);
  for (let index = 0; index < limits.lateFiringsMax + 50; index += 1) {
    const read = { id: `r${index}`, account: "extract", second: 1, rows: 0 };
    decide(played, read);
    finish(played, read, 1);
  }
  finish(played, first, 2);
  assert.equal(told(played).length, limits.lateFiringsMax + 1);
  const sentences = played.outputs.flatMap((output) =>
    output.type === "chain.completed" ? [output.data.chain.sentence] : [],
  );
  const cut = sentences.filter((sentence) => sentence.includes("may complete it, but the search for it was cut short"));
  assert.equal(cut.length, 1);
});

const rules = [
  ...["value_sum\ncondition: { field: rows, gte: 100 }", "value_avg\ncondition: { field: rows, gte: 40 }"],
  "value_percentile\ncondition: { field: rows, gte: 40, percentile: 75 }",
  ...["value_count\ncondition: { field: rows, gte: 3 }", "value_sum\ncondition: { field: rows, lte: 60 }"],
].map((body) => `type: ${body}`);

/** Commands start in order and finish in any order. */
function playAtRandom(dice: Dice, rule: string, mayFail: boolean): { played: Played; reads: Read[] } {
  const played = play(count(rule).replace("1h", "20s"));
  const reads: Read[] = [];
  const running: Read[] = [];
  for (let second = 0; second < 40; second += 1) {
    const ends = dice(2) === 0 ? running.splice(dice(running.length + 1), 1)[0] : undefined;
    if (ends !== undefined) finish(played, ends, second);
    if (dice(3) === 0) continue;
    const read = {
      ...{ id: `c${reads.length}`, account: ["a", "b"][dice(2)]!, second, rows: dice(60) },
      ...(mayFail && dice(5) === 0 ? { failed: true, rows: 0 } : {}),
    };
    decide(played, read);
    reads.push(read);
    running.push(read);
  }
  for (const read of running.reverse()) finish(played, read, 40);
  return { played, reads };
}

async function firesAt(rule: string, reads: readonly Read[]): Promise<string[]> {
  const events = reads.map(({ id, account, second, rows, failed }) =>
    JSON.stringify({
      ...{ id, time: day + 1_000 * second, identity: account, account, operation: "read", rows },
      ...{ reads: ["orders/public.customers"], writes: [], ends: [], outcome: failed ? "error" : "ok" },
    }),
  );
  const files = [
    { name: "steps.yml", text: steps },
    { name: "z.yml", text: count(rule).replace("1h", "20s") },
  ];
  const text = JSON.stringify([{ resource: "orders/public.customers#email", tags: ["pii.email"] }]);
  const firings: string[] = [];
  for await (const { event } of runRules({ rules: files, catalog: { name: "catalog.yaml", text }, events }))
    firings.push(event);
  return firings;
}

test("in whatever order commands finish: told once each, at every command at which the condition holds when all is known", async () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const dice = seeded(seed * 15_485_863);
    const at = dice(rules.length);
    const rule = rules[at]!;
    // What an earlier read did not show changes an average of what was told already; a sum can only be less by it.
    const { played, reads } = playAtRandom(dice, rule, at === 0 && dice(2) === 0);
    const [found, due] = [told(played).map((one) => one.split(" ")[1]!), await firesAt(rule, reads)];
    assert.equal(new Set(found).size, found.length, `seed ${seed}: told twice`);
    const missing = due.filter((command) => !found.includes(command));
    assert.deepEqual(missing, [], `seed ${seed}: ${rule}`);
    // A sum that has been reached stays reached (but for what came to nothing); others may have held for a while only.
    const failed = new Set(reads.filter((read) => read.failed).map(({ id }) => id));
    if (at === 0 && failed.size === 0) assert.deepEqual([...found].sort(), [...due].sort(), `seed ${seed}`);
  }
});

test("a replay, and a snapshot taken in between, tell the same and nothing twice", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const dice = seeded(seed * 32_452_843);
    const { played } = playAtRandom(dice, rules[dice(rules.length)]!, false);
    const { entries } = played;
    const missing: string[] = [];
    const emit = ({ type }: { readonly type: string }) => missing.push(type);
    let correlator = createCorrelator({ limits, emit });
    const cut = dice(entries.length);
    for (const entry of entries.slice(0, cut)) correlator.fold(entry);
    const restored = createCorrelator({ limits, emit });
    restored.restore([...correlator.keep()]);
    correlator = restored;
    for (const entry of entries.slice(cut)) correlator.fold(entry);
    correlator.goLive();
    assert.deepEqual([correlator.digest(), missing], [played.correlator.digest(), []], `seed ${seed}`);
  }
});

test("what a window of the past holds is not looked at when a read finishes", () => {
  // Another rule's window keeps steps for a month; more than a search may look at, though each minute has one.
  const slow = `title: Slow\nname: slow\ncorrelation: { type: temporal_ordered, rules: [pii_read, destructive], timespan: 30d }\nx-chain: { mode: observe }\n`;
  const played = play([count(sum).replace("1h", "1m"), slow].join("---\n"), { limits: { chainLooksMax: 50 } });
  for (let at = 0; at < 120; at += 1) {
    const read = { id: `r${at}`, account: "extract", second: 61 * at, rows: 1 };
    decide(played, read);
    finish(played, read, 61 * at);
  }
  assert.deepEqual(told(played), []);
});
