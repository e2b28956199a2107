import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { chainRule, type Played, play, steps, usual } from "./play.ts";

const night = `
  0s   extract    read       orders/public.customers
  60s  transform  transform  orders/public.customers -> orders/public.staging
`;

function api(played: Played, entry: Partial<Entry> & Pick<Entry, "type" | "data">): void {
  played.fold({
    id: `api-${played.entries.length}`,
    atMs: Date.UTC(2026, 0, 1),
    source: "api/a",
    role: "api",
    subject: {},
    ...entry,
  } as Entry);
}

test("the last step of three accounts is held, with its chain, links, evidence and sentence", () => {
  const played = play(chainRule(usual));
  played.run(night);
  const answer = played.ask("9m load delete orders/public.staging");
  assert.equal(answer.ruling, "hold");
  const [chain] = answer.enforced;
  assert.deepEqual(
    chain?.steps.map(({ rule, account }) => `${rule} ${account}`),
    ["pii_read extract", "pii_transform transform", "destructive load"],
  );
  assert.deepEqual(
    chain?.links.map(({ from, to, by, strength, evidence }) => [from, to, by, strength, evidence]),
    [
      [0, 1, "lineage", "strong", ["orders/public.customers"]],
      [1, 2, "flow", "strong", ["orders/public.staging"]],
    ],
  );
  assert.match(
    chain?.sentence ?? "",
    /extract read public\.customers 9 min before; transform copied .*; load deletes from public\.staging now/,
  );
  assert.deepEqual(answer.excluded, ["extract", "load", "transform"]);
});

test("a chain fires at every completion: the second DELETE is held like the first", () => {
  const played = play(chainRule(usual));
  played.run(night);
  for (const time of ["9m", "10m", "11m"])
    assert.equal(played.ask(`${time} load delete orders/public.staging`).ruling, "hold");
});

test("the window is inclusive to the millisecond", () => {
  for (const [time, ruling] of [
    ["24h", "hold"],
    ["24h1ms", "allow"],
  ] as const) {
    const played = play(chainRule(usual));
    played.run(night);
    assert.equal(played.ask(`${time} load delete orders/public.staging`).ruling, ruling);
  }
});

test("what two intents in flight would do together counts: they cannot pass each other", () => {
  const played = play(chainRule(usual));
  played.run("0s extract read orders/public.customers");
  played.ask("1s transform transform orders/public.customers -> orders/public.staging");
  assert.equal(played.ask("2s load delete orders/public.staging").ruling, "hold");
});

test("an intent whose gateway starts again without deciding never was; one that was decided stays", () => {
  const restarted = (decided: boolean) => {
    const played = play(chainRule(usual));
    played.run("0s extract read orders/public.customers");
    if (decided) played.run("1s transform transform orders/public.customers -> orders/public.staging outcome=ok");
    else played.ask("1s transform transform orders/public.customers -> orders/public.staging");
    const data = { role: "gateway", version: "1", positions: {} };
    played.fold({
      type: "service.started",
      id: "again",
      atMs: Date.UTC(2026, 0, 1),
      source: "gateway/rehearsal",
      role: "gateway",
      subject: {},
      data,
    });
    return played.ask("9m load delete orders/public.staging").ruling;
  };
  assert.equal(restarted(false), "allow");
  assert.equal(restarted(true), "hold");
});

test("approvers: not the requester, nobody in any chain of the hold, nobody linked to them; a decoy frees nobody", () => {
  const played = play(chainRule(usual));
  api(played, {
    type: "identity.linked",
    data: { identities: ["transform", "tina"], strength: "strong", evidence: ["token"] },
  });
  api(played, {
    type: "identity.linked",
    data: { identities: ["load", "lea"], strength: "weak", evidence: ["address"] },
  });
  played.run(`${night}
  61s  decoy  read  orders/public.customers
  62s  bystander  read  orders/public.countries
  63s  transform  transform  orders/public.customers -> orders/public.staging`);
  assert.deepEqual(played.ask("9m load delete orders/public.staging").excluded, [
    "decoy",
    "extract",
    "load",
    "tina",
    "transform",
  ]);
});

test("a rule may name steps whose identities may approve", () => {
  const rule = chainRule(
    usual.replace("approvers: [data-owners]", "approvers: [data-owners], may-approve: [pii_read]"),
  );
  const played = play(rule);
  played.run(night);
  assert.deepEqual(played.ask("9m load delete orders/public.staging").excluded, ["load", "transform"]);
});

test("a COMMIT is not asked again for what was approved, unless a step before the last differs", () => {
  const commit = (before: string[] | null, again: string) => {
    const played = play(chainRule(usual));
    played.run(`${night}\n${again}`);
    const steps = played.ask("9m load delete orders/public.staging").enforced[0]?.steps.map(({ event }) => event) ?? [];
    const approved = { rule: "chain", before: before ?? steps.slice(0, -1) };
    const effect = {
      operation: "delete",
      reads: [],
      writes: ["orders/public.staging"],
      ends: [],
      destroys: true,
    } as never;
    const data = {
      kind: "query",
      effects: [],
      opaque: null,
      undoable: true,
      transaction: { kind: "commit" as const },
      commits: [{ command: "d", effect, approved }],
    };
    const subject = { session: "load", command: "k", identity: "load", account: "load", target: "orders" };
    played.fold({
      type: "command.intended",
      id: "commit",
      atMs: Date.UTC(2026, 0, 1, 0, 10),
      source: "gateway/g",
      role: "gateway",
      subject,
      data,
    });
    const answer = played.outputs.findLast(({ type }) => type === "command.answered");
    return answer?.type === "command.answered" ? answer.data.ruling : null;
  };
  assert.equal(commit(null, ""), "allow");
  assert.equal(commit(["another"], ""), "hold");
});

test("two accounts of one person are told apart by account and tied by actor; the clusters are those of now", () => {
  const played = play(chainRule("links: [{ from: pii_read, to: destructive, by: [actor] }]\ngate: { action: hold }"));
  played.run(`
    0s   extract    read       orders/public.customers  identity=mallory
    60s  transform  transform  orders/public.customers -> orders/public.staging identity=tom`);
  assert.equal(played.ask("9m load delete orders/public.x identity=mal").ruling, "allow");
  api(played, { type: "identity.linked", data: { identities: ["mallory", "mal"], strength: "strong", evidence: [] } });
  assert.equal(played.ask("10m load delete orders/public.x identity=mal").ruling, "hold");
});

test("a weak chain is held where a strong one is blocked", () => {
  const rule = chainRule(usual.replace("action: hold", "action: block"));
  const strong = play(rule);
  strong.run(night);
  assert.equal(strong.ask("9m load delete orders/public.staging").ruling, "block");
  const weak = play(rule);
  weak.run(
    `0s extract read orders/public.customers\n60s transform transform orders/public.customers -> orders/public.staging`,
  );
  const answer = weak.ask("9m load write orders opaque=true");
  assert.deepEqual([answer.ruling, answer.enforced[0]?.strength, answer.enforced[0]?.action], ["hold", "weak", "hold"]);
});

test("nobody announces his own change, and what cannot be read announces nothing", () => {
  const rule = chainRule(`${usual}absent: { rule: announced, between: [pii_transform, destructive] }`);
  const ask = (announcement: string) => {
    const played = play(rule);
    played.run(`${night}\n${announcement}`);
    return played.ask("9m load delete orders/public.staging").ruling;
  };
  assert.equal(ask("2m change execute orders/public.announce"), "allow");
  assert.equal(ask("2m load execute orders/public.announce"), "hold");
  assert.equal(ask("2m change write orders opaque=true"), "hold");
  assert.equal(ask("60s change execute orders/public.announce"), "allow");
});

test("an observed rule tells and holds nothing; a rule may place a block on strong evidence", () => {
  const observed = play(chainRule(`mode: observe\n${usual}`));
  observed.run(night);
  const answer = observed.ask("9m load delete orders/public.staging");
  assert.deepEqual([answer.ruling, answer.enforced.length, answer.observed.length], ["allow", 0, 1]);
  const blocking = play(chainRule(usual.replace("approvers: [data-owners]", "block: { scope: [identity], for: 1h }")));
  blocking.run(night);
  blocking.ask("9m load delete orders/public.staging");
  const placed = blocking.outputs.find(({ type }) => type === "block.placed");
  assert.deepEqual(placed?.type === "block.placed" && [placed.data.scope, placed.data.by], [
    { identity: "load" },
    "rule chain",
  ]);
});

test("a command that nobody asked about is told when it completes a chain", () => {
  const played = play(chainRule(usual));
  played.run(`${night}\n9m load delete orders/public.staging`);
  const told = played.outputs.find(({ type }) => type === "chain.completed");
  assert.equal(told?.type === "chain.completed" && told.data.ruling, "allow");
});

test("counts: the third destructive command of one account inside the window", () => {
  const rule = `title: Many\nname: many\ncorrelation:\n  type: event_count\n  rules: [destructive]\n  group-by: [account]\n  timespan: 10m\n  condition: { gte: 3 }\nx-chain:\n  gate: { action: hold }\n`;
  const played = play(rule);
  played.run("0s load delete orders/public.a\n1s other delete orders/public.a\n2s load delete orders/public.b");
  assert.equal(played.ask("3s load delete orders/public.c").ruling, "hold");
  assert.equal(played.ask("10m1s load delete orders/public.c").ruling, "allow");
});

test("values: three different tables by one account", () => {
  const rule = `title: Wide\nname: wide\ncorrelation:\n  type: value_count\n  rules: [destructive]\n  group-by: [account]\n  timespan: 10m\n  condition: { field: resource, gte: 3 }\nx-chain:\n  gate: { action: hold }\n`;
  const played = play(rule);
  played.run("0s load delete orders/public.a\n1s load delete orders/public.a\n2s load delete orders/public.b");
  assert.equal(played.ask("3s load delete orders/public.b").ruling, "allow");
  assert.equal(played.ask("4s load delete orders/public.c").ruling, "hold");
});

test("late fields count as true at an intent, and are judged when they are known", () => {
  const rule = `title: Big read\nname: big\nlogsource: { category: command }\ndetection:\n  selection: { operation: read, rows|gte: 100 }\n  condition: selection\n---\ntitle: r\nname: r\ncorrelation:\n  type: temporal_ordered\n  rules: [big, destructive]\n  timespan: 1h\nx-chain:\n  gate: { action: hold }\n`;
  for (const [rows, ruling] of [
    [99, "allow"],
    [100, "hold"],
  ] as const) {
    const played = play(rule);
    played.run(`0s extract read orders/public.a rows=${rows}`);
    assert.equal(played.ask("1s load delete orders/public.b").ruling, ruling);
  }
  const running = play(rule);
  running.ask("0s extract read orders/public.a");
  assert.equal(running.ask("1s load delete orders/public.b").ruling, "hold");
});

test("the same record twice counts once", () => {
  const played = play(
    `title: Many\nname: many\ncorrelation:\n  type: event_count\n  rules: [destructive]\n  timespan: 10m\n  condition: { gte: 2 }\nx-chain:\n  gate: { action: hold }\n`,
  );
  played.run("0s load delete orders/public.a");
  for (const entry of [...played.entries]) played.correlator.fold(entry);
  assert.equal(played.outputs.filter(({ type }) => type === "chain.completed").length, 0);
  assert.equal(played.ask("1s load delete orders/public.b").ruling, "hold");
});

test("a bad file never replaces a good one", () => {
  const played = play(chainRule(usual));
  played.run(night);
  const files = { "rules/z.yml": "title: broken\nname: broken\nlogsource: {}\ndetection: { condition: nothing }\n" };
  played.fold({
    type: "policy.changed",
    id: "bad",
    atMs: Date.UTC(2026, 0, 1),
    source: "gateway/g",
    role: "gateway",
    subject: {},
    data: { digest: "", engine: engineVersion, files },
  });
  assert.match(played.correlator.problem ?? "", /rule\.invalid: rules\/z\.yml:4: detection\.condition/);
  assert.equal(played.ask("9m load delete orders/public.staging").ruling, "hold");
});

test("new rules look at what was done before they came", () => {
  const played = play(chainRule(usual, "", "old"));
  played.run(night);
  const text = chainRule(
    "links: [{ from: pii_read, to: destructive, by: [resource] }]\ngate: { action: hold }",
    "",
    "new",
  );
  const files = { "rules/a.yml": steps, "rules/z.yml": text.replace("pii_transform, ", "") };
  const data = { digest: "", engine: engineVersion, files };
  const atMs = Date.UTC(2026, 0, 1);
  played.fold({ type: "policy.changed", id: "new", atMs, source: "gateway/g", role: "gateway", subject: {}, data });
  assert.equal(played.correlator.problem, null);
  assert.equal(played.ask("9m load delete orders/public.customers").enforced[0]?.rule, "new");
});

test("a flood evicts the flooder's own steps, and a gate that may have needed one answers hold", () => {
  const played = play(chainRule(usual), { limits: { stepsKeptMax: 50 } });
  played.run(night);
  const flood = Array.from({ length: 100 }, (_, index) => `${70 + index}s mallory read orders/public.customers`).join(
    "\n",
  );
  played.run(flood);
  assert.equal(played.ask("9m load delete orders/public.staging").enforced[0]?.strength, "strong");
  const evicted = played.outputs.flatMap((output) => (output.type === "state.evicted" ? [output.data] : []));
  assert.ok(evicted.length > 0);
  assert.deepEqual([...new Set(evicted.map(({ identity }) => identity))], ["mallory"]);
});

test("a flood holds what may have needed what it evicted, and nothing else", () => {
  const flooded = (rule: string) => {
    const played = play(rule, { limits: { stepsKeptMax: 50 } });
    const reads = Array.from({ length: 100 }, (_, index) => `${70 + index}s mallory read orders/public.customers`);
    played.run(reads.join("\n"));
    return played;
  };
  const anyone = flooded(chainRule(usual));
  assert.equal(anyone.ask("10m load delete orders/public.other").ruling, "allow", "nobody has copied anything");
  anyone.run("11m transform transform orders/public.customers -> orders/public.staging");
  assert.equal(anyone.ask("12m load delete orders/public.staging").ruling, "hold");
  const twoSteps = (by: string) =>
    chainRule(
      `links:\n  - { from: pii_read, to: destructive, by: [${by}] }\ngate: { action: hold, approvers: [x] }`,
    ).replace("rules: [pii_read, pii_transform, destructive]", "rules: [pii_read, destructive]");
  const late = "26h load delete orders/public.other";
  for (const by of ["actor", "identity", "account", "task", "lineage", "resource"]) {
    const played = flooded(twoSteps(by));
    assert.equal(played.ask("10m load delete orders/public.other").ruling, "allow", by);
    if (by === "task" || by === "lineage" || by === "resource") continue;
    // What is kept of the flooder's holds without what was evicted.
    assert.equal(played.ask("10m mallory delete orders/public.other").ruling, "hold", by);
  }
  assert.equal(
    flooded(twoSteps("address")).ask(`10m load delete orders/public.other`).ruling,
    "hold",
    "nothing is known",
  );
  assert.equal(flooded(twoSteps("address")).ask(late).ruling, "allow", "out of the window");
});

test("a search that would take too long is cut short and answers hold", () => {
  const ask = (chainLooksMax: number) => {
    const played = play(chainRule(usual), { limits: { chainLooksMax } });
    // One account, many identities: alike steps would be looked at as one.
    const reads = Array.from({ length: 100 }, (_, at) => `${at}s etl read orders/public.customers identity=p${at}`);
    played.run(reads.join("\n"));
    played.run("200s etl transform orders/public.customers -> orders/public.staging");
    return played.ask("9m etl delete orders/public.staging");
  };
  assert.equal(ask(1_000).ruling, "allow");
  assert.equal(ask(50).ruling, "hold");
  assert.match(ask(50).sentence, /cut short/);
});

test("a jump of the clock between two ticks of one run is an alert; a restart in between is none", () => {
  const played = play(chainRule(usual));
  const tick = (atMs: number) =>
    played.fold({
      type: "clock.ticked",
      id: `t${atMs}`,
      atMs,
      source: "correlator/c",
      role: "correlator",
      subject: {},
      data: {},
    });
  const start = Date.UTC(2026, 0, 1);
  for (const after of [0, 1_000, 61_000]) tick(start + after);
  assert.equal(played.outputs.length, 0);
  tick(start + 121_001);
  assert.deepEqual(
    played.outputs.map(({ type }) => type),
    ["alert.raised"],
  );
});

test("an answer fits into one event, however many people and tables are part of it", () => {
  const played = play(chainRule(usual));
  const readers = Array.from({ length: 2_000 }, (_, index) => `${index}ms reader${index} read orders/public.customers`);
  played.run(`${readers.join("\n")}\n60s transform transform orders/public.customers -> orders/public.staging`);
  const answer = played.ask("9m load delete orders/public.staging");
  assert.equal(answer.ruling, "block");
  assert.match(answer.sentence, /nobody may approve/);
  assert.ok(JSON.stringify(answer).length < 30_000);
});

test("the same load ten thousand times over is answered without looking at every pair", () => {
  const played = play(chainRule(usual));
  const reads = Array.from({ length: 5_000 }, (_, index) => `${index}ms etl read orders/public.customers`);
  const copies = Array.from(
    { length: 1_000 },
    (_, index) => `${5_000 + index}ms etl transform orders/public.customers -> orders/public.staging`,
  );
  played.run([...reads, ...copies].join("\n"));
  assert.equal(played.ask("9m etl delete orders/public.staging").ruling, "allow");
});
