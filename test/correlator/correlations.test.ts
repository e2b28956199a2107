/** Repeated steps, correlations as steps, sums, and conditions over rules, live: held, and by whom not approved. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chainRule, play, usual } from "./play.ts";

const night = `
  0s   extract    read       orders/public.customers
  60s  transform  transform  orders/public.customers -> orders/public.staging
`;

const correlation = (name: string, body: string, chain = "gate: { action: hold }") =>
  `title: ${name}\nname: ${name}\ncorrelation:\n${body.replace(/^/gm, "  ")}\nx-chain:\n  ${chain}\n`;

test("a step that must happen three times: two are too few, and each event counts once", () => {
  const rule = chainRule(`${usual}runs: [{ rule: pii_read, min: 3 }]`);
  const read = (second: number, account = "extract") => `${second}s ${account} read orders/public.customers`;
  const copy = "60s transform transform orders/public.customers -> orders/public.staging";
  const ask = (...reads: string[]) => {
    const played = play(rule);
    played.run([...reads, copy].join("\n"));
    return played.ask("9m load delete orders/public.staging");
  };
  assert.equal(ask(read(0), read(1)).ruling, "allow");
  const answer = ask(read(0, "other"), read(1), read(2), read(3, "fourth"));
  assert.deepEqual(
    answer.enforced[0]?.steps.map(({ account }) => account),
    ["extract", "extract", "fourth", "transform", "load"],
  );
  // The earliest reader is not in the chain that is shown, but in another one.
  assert.deepEqual(answer.excluded, ["extract", "fourth", "load", "other", "transform"]);
});

const inner = correlation(
  "copied",
  "type: temporal_ordered\nrules: [pii_read, pii_transform]\ntimespan: 1h\ngroup-by: [chain.lineage]",
  "mode: observe",
);
const outer = correlation("wiped", "type: temporal_ordered\nrules: [copied, destructive]\ntimespan: 1h");

test("a correlation as a step: it holds, nobody of its chain may approve, and what was rolled back fires nothing", () => {
  const played = play([inner, outer].join("---\n"));
  played.run(night);
  const answer = played.ask("9m load delete orders/public.staging");
  assert.deepEqual(
    answer.enforced.map(({ rule, strength }) => `${rule} ${strength}`),
    ["wiped strong"],
  );
  assert.deepEqual(answer.excluded, ["extract", "load", "transform"]);
  const undone = play([inner, outer].join("---\n"));
  undone.run(`
    0s   extract    read       orders/public.customers
    59s  transform  begin
    60s  transform  transform  orders/public.customers -> orders/public.staging`);
  assert.equal(undone.ask("2m load delete orders/public.staging").ruling, "hold");
  undone.run("3m transform rollback");
  assert.equal(undone.ask("4m load delete orders/public.staging").ruling, "allow");
});

test("a chain is as weak as a correlation inside it: no block", () => {
  const blocking = outer.replace("action: hold", "action: block");
  const weakly = inner.replace("group-by: [chain.lineage]", "group-by: [address]");
  const ask = (rule: string) => {
    const played = play([rule, blocking].join("---\n"));
    played.run(night.replaceAll(/(staging|customers)$/gm, "$1 address=10.0.0.1"));
    const [chain] = played.ask("9m load delete orders/public.staging").enforced;
    return [chain?.action, chain?.strength];
  };
  assert.deepEqual(ask(inner), ["block", "strong"]);
  assert.deepEqual(ask(weakly), ["hold", "weak"]);
});

test("a sum over rows is known when a command has finished, and holds the next one", () => {
  const rule = correlation(
    "drip",
    "type: value_sum\nrules: [pii_read]\ngroup-by: [account]\ntimespan: 1h\ncondition: { field: rows, gt: 100 }",
  );
  const played = play(rule);
  played.run("0s extract read orders/public.customers rows=60\n1s extract read orders/public.customers rows=40");
  assert.equal(played.ask("2s extract read orders/public.customers").ruling, "allow");
  played.run("3s extract read orders/public.customers rows=1");
  assert.equal(played.ask("4s extract read orders/public.customers").ruling, "hold");
  assert.equal(played.ask("5s other read orders/public.customers").ruling, "allow");
});

test("`not` in a condition holds until it has happened; what only may have happened does not count", () => {
  const rule = correlation(
    "unannounced",
    "type: temporal\nrules: [destructive, announced]\ntimespan: 1h\ncondition: destructive and not announced",
  );
  const ask = (before: string) => {
    const played = play(rule);
    if (before !== "") played.run(before);
    return played.ask("9m load delete orders/public.staging").ruling;
  };
  assert.equal(ask(""), "hold");
  assert.equal(ask("8m load write orders opaque=true"), "hold");
  assert.equal(ask("8m change execute orders/public.announce"), "allow");
});

test("a COMMIT is not asked again for a count that was approved, unless more was counted since", () => {
  const rule = correlation("many", "type: event_count\nrules: [destructive]\ntimespan: 10m\ncondition: { gte: 3 }");
  const commit = (since: string) => {
    const played = play(rule);
    played.run("0s a delete orders/public.a\n1s b delete orders/public.b\n2s load begin");
    const [chain] = played.ask("3s load delete orders/public.c").enforced;
    const before = chain?.steps.slice(0, -1).map(({ event }) => event) ?? [];
    assert.equal(before.length, 2);
    if (since !== "") played.run(since);
    const effect = { operation: "delete", reads: [], writes: ["orders/public.c"], ends: [], destroys: true } as never;
    const data = {
      kind: "query",
      effects: [],
      opaque: null,
      undoable: true,
      transaction: { kind: "commit" as const },
      commits: [{ command: "d", effect, approved: { rule: "many", before } }],
    };
    const subject = { session: "load", command: "k", identity: "load", account: "load", target: "orders" };
    const atMs = Date.UTC(2026, 0, 1, 0, 1);
    const about = { id: "commit", atMs, source: "gateway/rehearsal", role: "gateway" } as const;
    played.fold({ type: "command.intended", ...about, subject, data });
    const answer = played.outputs.findLast(({ type }) => type === "command.answered");
    return answer?.type === "command.answered" ? answer.data.ruling : null;
  };
  assert.equal(commit(""), "allow");
  assert.equal(commit("4s c delete orders/public.d"), "hold");
});
