/** Hard cases: each is bounded, and says so where it gives up. Nothing is timed: what is asserted is the outcome. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import type { Seen } from "../../infra/rules/field.ts";
import { loadRules } from "../../infra/rules/load.ts";
import { Matcher } from "../../infra/rules/matcher.ts";
import type { Effect, ResourceUri } from "../../schemas/command.ts";
import { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { Lineage } from "../../services/correlator/lineage.ts";
import { crowd } from "../bench/correlator-stream.ts";
import { catalog, chainRule, play, steps, usual } from "./play.ts";

const detection = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;

test("an expression that would take for ever elsewhere is read in linear time, over the longest of names", () => {
  const evil = detection("evil", "{ resource|re: '^orders/(a+)+$' }");
  const rule = `${evil}---\n${chainRule("gate: { action: hold, approvers: [x] }", "group-by: [account]").replace("[pii_read, pii_transform, destructive]", "[evil, destructive]")}`;
  const played = play(rule);
  const name = `orders/${"a".repeat(50_000)}!`;
  played.run(`0s etl read ${name}\n1s etl read orders/${"a".repeat(50_000)}`);
  assert.equal(played.ask("2s etl delete orders/public.x").ruling, "hold");
});

test("references that are lost by RE2's rules are an error, not a slow match", () => {
  const load = () => loadRules([{ name: "r.yml", text: detection("evil", "{ resource|re: '(a)\\1' }") }]);
  assert.throws(load, (error: unknown) => error instanceof ThroughlineError && error.code.startsWith("rule."));
});

test("correlations that need each other are refused with their names", () => {
  const one = (name: string, of: string) =>
    `title: ${name}\nname: ${name}\ncorrelation:\n  type: temporal\n  rules: [${of}, any]\n  timespan: 1h\n`;
  const text = [detection("any", "{ operation: read }"), one("first", "second"), one("second", "first")].join("---\n");
  assert.throws(
    () => loadRules([{ name: "r.yml", text }]),
    (error: unknown) => error instanceof ThroughlineError && /first|second/.test(error.message),
  );
});

test("of a hundred thousand rules only those are tried whose value an event has", () => {
  const files = Array.from({ length: 10 }, (_, file) => {
    const documents = Array.from({ length: limits.rulesMax / 10 }, (_, at) => {
      const number = file * (limits.rulesMax / 10) + at;
      return detection(`d${number}`, `{ operation: read, resource: "orders/public.t${number}" }`);
    });
    return { name: `${file}.yml`, text: documents.join("---\n") };
  });
  const { detections } = loadRules(files);
  assert.equal(detections.length, 100_000);
  let tried = 0;
  const counting = detections.map((one) => ({
    ...one,
    test: (seen: Seen) => {
      tried += 1;
      return one.test(seen);
    },
  }));
  const reads = ["orders/public.t77" as ResourceUri];
  const effect: Effect = { operation: "read", reads, writes: [], ends: [], destroys: false };
  const see = (): Seen => ({
    ...{ subject: {}, kind: "query", opaque: false, undoable: true, details: null, late: null, timeMs: 0, more: null },
    effect,
    tags: () => [],
  });
  const matcher = new Matcher(counting);
  const ask = () => matcher.match({ opaque: false }, { effect, tags: [] }, see).hits;
  assert.deepEqual(ask(), [77]);
  assert.deepEqual(ask(), [77]);
  assert.equal(tried, 1, "the same effect is not asked again");
});

test("an event over ten thousand tables is one step: it counts for the chain, and the answer fits into one event", () => {
  const played = play(chainRule(usual));
  const tables = Array.from({ length: 10_000 }, (_, at) => `orders/public.copy${at}` as ResourceUri).join(",");
  played.run(`0s one read orders/public.customers\n1s two transform orders/public.customers -> ${tables}`);
  const answer = played.ask("2s three delete orders/public.copy9999");
  assert.equal(answer.ruling, "hold");
  assert.ok(JSON.stringify(answer).length < limits.eventBytesMax);
});

test("a clock that jumps forward by a year forgets what it must, once, and goes on", () => {
  const played = play(chainRule(usual));
  played.run("0s one read orders/public.customers\n1s two transform orders/public.customers -> orders/public.staging");
  played.run("365d four read orders/public.other");
  assert.equal(played.ask("365d three delete orders/public.staging").ruling, "allow");
  played.run(
    "366d one read orders/public.customers\n366d two transform orders/public.customers -> orders/public.staging",
  );
  assert.equal(played.ask("366d three delete orders/public.staging").ruling, "hold");
});

test("of alike steps in a window of thirty days a question looks at one, however many there are", () => {
  const rule = chainRule(usual, "").replace("timespan: 24h", "timespan: 30d");
  const ask = (reads: number) => {
    const played = play(rule, { limits: { chainLooksMax: 200 } });
    const scene = Array.from({ length: reads }, (_, at) => `${at}m etl read orders/public.customers`);
    played.run([...scene, `${reads}m etl transform orders/public.customers -> orders/public.staging`].join("\n"));
    return played.ask(`${reads + 1}m etl delete orders/public.staging`).ruling;
  };
  // All by one account: no chain, and 200 looks are enough to know it. Cut short it would be a hold.
  assert.equal(ask(5_000), "allow");
});

test("an announced change of what many have copied is looked at once per copy, and nobody is held for it", () => {
  const chain = `${usual.replace("min: 2", "min: 3")}absent: { rule: announced, between: [pii_transform, destructive] }`;
  const rule = chainRule(chain, "group-by: [chain.lineage]");
  const catalog =
    '[{ resource: "orders/public.customers#email", tags: [pii] }, { resource: "orders/public.customers#name", tags: [pii] }]';
  const ask = (announcement: string, before = "", last = "delete orders/public.customers") => {
    const played = play(rule, { limits: { chainLooksMax: 2_000 }, catalog });
    const work = Array.from({ length: 100 }, (_, at) => [
      `${at}m reader${at % 50} read orders/public.customers`,
      `${at}m copier${at % 50} transform orders/public.customers -> orders/public.c${at}`,
    ]);
    played.run([before, ...work.flat(), `100m ${announcement}`].join("\n"));
    const { ruling, enforced } = played.ask(`101m dba ${last}`);
    return enforced.some(({ sentence }) => sentence.includes("cut short")) ? "cut short" : ruling;
  };
  assert.equal(ask("desk execute orders/public.customers"), "allow");
  assert.equal(ask("desk execute orders/public.elsewhere"), "hold");
  // Who has read is part of the chain, however long ago: his announcement excuses nothing.
  assert.equal(ask("desk execute orders/public.customers", "0s desk read orders/public.customers"), "hold");
  assert.equal(ask("reader0 execute orders/public.customers"), "hold");
  assert.equal(ask("copier7 execute orders/public.customers"), "hold");
  // An announcement for one column leaves the other, which somebody has read by itself.
  const one = "0s other read orders/public.customers#name";
  assert.equal(ask("desk execute orders/public.customers#email", one), "hold");
  assert.equal(ask("desk execute orders/public.customers", one), "allow");
  assert.equal(ask("desk execute orders/public.customers#email", "", "delete orders/public.customers#email"), "allow");
});

test("of thousands who have seen values, those are looked at whose values came back, or whose trace it is", () => {
  const links = (kind: string) => `
links:
  - { from: pii_read, to: pii_transform, by: [${kind}] }
  - { from: pii_transform, to: destructive, by: [lineage] }
distinct: { field: account, min: 3 }
gate: { action: hold, approvers: [data-owners] }
`;
  const ask = (kind: string, what: (at: number) => string, mine: string) => {
    const played = play(chainRule(links(kind)), { limits: { chainLooksMax: 200 } });
    const reads = Array.from({ length: 2_000 }, (_, at) => `${at}s r${at} read orders/public.customers ${what(at)}`);
    played.run(`${reads.join("\n")}\n2000s b transform orders/public.customers -> orders/public.staging ${mine}`);
    // Cut short, its only step would be the last.
    return played.ask("2001s c delete orders/public.staging").enforced[0]?.steps.map(({ account }) => account);
  };
  const trace = (at: number) => `trace=${String(at).padStart(32, "a")}`;
  const content = (at: number) => `content=v${at}`;
  assert.deepEqual(ask("trace", trace, trace(7)), ["r7", "b", "c"]);
  assert.equal(ask("trace", trace, trace(9_999)), undefined);
  assert.deepEqual(ask("content", content, content(7)), ["r7", "b", "c"]);
  assert.equal(ask("content", content, content(9_999)), undefined);
});

test("tens of thousands who have begun a chain each leave their lists when the window has passed", () => {
  const played = play(chainRule(usual), { catalog: '[{ resource: "orders/public.t1_pii", tags: [pii] }]' });
  const many = 20_000;
  for (let at = 0; at < many; at += 1) for (const record of crowd(at)) played.fold(record);
  const whole = played.correlator.digest();
  played.run("40d etl read orders/public.t1_pii");
  for (let at = many; at < many + 2_000; at += 1)
    for (const record of crowd(at)) played.fold({ ...record, atMs: record.atMs + 40 * 86_400_000 });
  assert.notEqual(played.correlator.digest(), whole);
  assert.equal(played.ask("41d somebody delete orders/public.x").ruling, "allow");
});

test("the same rules in another order of files and detections find the same", () => {
  const found = (text: string) => loadRules([{ name: "r.yml", text }]).detections.length;
  assert.equal(found(`${steps}---\n${detection("again", "{ destroys: true }")}`), found(steps));
});

test("what moved data and was lost sight of keeps nothing for ever", () => {
  const about = (name: string) => ({
    ...{ source: "gateway/g", role: "gateway" as const, atMs: Date.UTC(2026, 0, 1) },
    subject: { session: `of ${name}`, command: name, identity: "etl", account: "etl", target: "orders" },
  });
  const effects = [
    {
      operation: "transform",
      reads: ["orders/public.customers"],
      writes: ["orders/public.t"],
      ends: [],
      destroys: false,
    },
  ];
  const decided = { kind: "query", effects, undoable: true, transaction: { kind: "none" }, ruling: "allow" };
  const ways = {
    closed: [{ type: "session.closed", data: {} }],
    restarted: [{ type: "service.started", data: { role: "gateway", version: "", positions: {} } }],
  };
  for (const [way, ends] of Object.entries(ways)) {
    const played = play(chainRule(usual), { limits: { sweepRecordsEvery: 10 } });
    const data = { ...decided, opaque: null, approval: null, intent: null };
    played.fold({ ...about("moves"), id: "moves", type: "command.decided", data } as never);
    for (const end of ends) played.fold({ ...about("moves"), id: way, ...end } as never);
    for (let at = 0; at < 50; at += 1) played.run(`${30 + at}d admin grant orders/public.customers`);
    const kept = [...played.correlator.keep()].filter((line) => line.startsWith('["t"'));
    assert.ok(kept.length <= 2, `${way}: ${kept.length} steps are kept that no rule asks for`);
  }
});

test("what would match once something is undone is not evicted without a mark", () => {
  const clean = `title: Untagged data read
name: clean_read
logsource: { product: throughline, category: command }
detection:
  selection: { operation: read, resource: "*public.t" }
  tagged: { tags: pii }
  condition: selection and not tagged
`;
  const chain = chainRule("gate: { action: hold }", "group-by: [account]").replace(
    "pii_read, pii_transform",
    "clean_read",
  );
  const answer = (stepsKeptMax: number) => {
    const played = play([clean, chain].join("---\n"), { limits: { stepsKeptMax } });
    played.run(
      "0s etl begin\n1s etl transform orders/public.customers -> orders/public.t\n2s eve read orders/public.t rows=1",
    );
    for (let at = 0; at < 30; at += 1) played.run(`${3 + at}s eve execute orders/public.f`);
    played.run("50s etl rollback");
    return played.ask("60s eve delete orders/public.z").ruling;
  };
  assert.equal(answer(1_000), "hold");
  assert.equal(answer(10), "hold");
});

test("steps are alike only where they agree: no task is another than an empty one, and a line end parts nothing", () => {
  const rule = chainRule("distinct: { field: task, min: 2 }\ngate: { action: hold }", "group-by: [identity]").replace(
    "pii_read, pii_transform",
    "pii_read",
  );
  const played = play(rule);
  const subject = { session: "s", identity: "i", account: "a", target: "orders" };
  const effects = [{ operation: "read", reads: ["orders/public.customers"], writes: [], ends: [], destroys: false }];
  const data = { kind: "query", effects, undoable: true, transaction: { kind: "none" }, ruling: "allow" };
  const read = (command: string, task: object) =>
    played.fold({
      ...{ id: command, source: "gateway/g", role: "gateway", atMs: Date.UTC(2026, 0, 1), type: "command.decided" },
      subject: { ...subject, command, ...task },
      data: { ...data, opaque: null, approval: null, intent: null },
    } as never);
  read("with", { task: "" });
  for (let at = 0; at < 40; at += 1) read(`without${at}`, {});
  const intent = { operation: "delete", reads: [], writes: ["orders/public.z"], ends: [], destroys: true };
  played.fold({
    ...{ id: "asks", source: "gateway/g", role: "gateway", atMs: Date.UTC(2026, 0, 1, 0, 1), type: "command.intended" },
    subject: { ...subject, command: "asks", task: "x" },
    data: { ...data, effects: [intent], opaque: null, commits: [] },
  } as never);
  const answer = played.outputs.findLast(({ type }) => type === "command.answered");
  assert.equal(answer?.type === "command.answered" && answer.data.ruling, "hold");
});

test("a ROLLBACK of many moves looks again once at what came after them, and only where it can have come", (context) => {
  const played = play(chainRule(usual));
  const about = (command: string, session: string) => ({
    ...{ source: "gateway/g", role: "gateway" as const, atMs: Date.UTC(2026, 0, 1) },
    subject: { session, command, identity: session, account: session, target: "orders" },
  });
  const decided = { kind: "query", opaque: null, undoable: true, transaction: { kind: "none" }, ruling: "allow" };
  const finished = { outcome: "ok", rows: 1, bytes: 0, tag: "", code: null, durationUs: 0, shown: true, lasted: [] };
  const act = (command: string, session: string, effect: object, undone: readonly string[] = []) => {
    const effects = [{ reads: [], writes: [], ends: [], destroys: false, ...effect }];
    const data = { ...decided, effects, approval: null, intent: null };
    played.fold({ ...about(command, session), id: `${command}d`, type: "command.decided", data } as never);
    played.fold({
      ...{ ...about(command, session), id: `${command}f`, type: "command.finished", data: { ...finished, undone } },
    } as never);
  };
  const moves = Array.from({ length: 50 }, (_, at) => `m${at}`);
  for (const name of moves)
    act(name, "etl", { operation: "transform", reads: ["orders/public.customers"], writes: [`orders/public.${name}`] });
  for (let at = 0; at < 500; at += 1)
    act(`r${at}`, `bob${at}`, { operation: "read", reads: ["orders/public.customers"] });
  const { mock: looks } = context.mock.method(Lineage.prototype, "taggedAt");
  act("rollback", "etl", { operation: "execute" }, moves);
  assert.ok(looks.callCount() < 200, `${looks.callCount()} steps looked at again`);
});

test("what was evicted under other rules is missed under new ones, wherever these have that detection", () => {
  const chain = chainRule("gate: { action: hold }", "group-by: [account]").replace(
    "pii_read, pii_transform",
    "pii_read",
  );
  const played = play(chain, { limits: { stepsKeptMax: 10 } });
  const change = (id: string, more: Record<string, string>) => {
    const files = { "rules/steps.yml": steps, "rules/z.yml": chain, "catalog.yaml": catalog, ...more };
    const data = { digest: id, engine: engineVersion, files };
    played.fold({ ...played.entries[0]!, id, atMs: 0, type: "policy.changed", data } as Entry);
    assert.equal(played.correlator.refold, null);
  };
  change("more", { "rules/a.yml": detection("first", "{ operation: read, resource: orders/public.elsewhere }") });
  const said = () => played.ask("60s eve delete orders/public.z").enforced[0]?.sentence ?? "";
  played.run("0s eve read orders/public.customers");
  for (let at = 1; at < 30; at += 1) played.run(`${at}s eve execute orders/public.f`);
  assert.match(said(), /evicted/);
  change("fewer", {});
  assert.match(said(), /evicted/);
});
