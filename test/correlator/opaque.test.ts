import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { chainRule, type Played, play, usual } from "./play.ts";

const [customers, staging, reporting] = ["customers", "staging", "reporting"].map((name) => `orders/public.${name}`);
const everything = [
  { operation: "read", reads: ["orders"], writes: [], ends: [], destroys: false },
  { operation: "write", reads: [], writes: ["orders"], ends: [], destroys: true },
];

type Loose = Readonly<Record<string, unknown>>;

const copy = (from: string | undefined, to: string | undefined): Loose => ({
  operation: "transform",
  reads: [from],
  writes: [to],
  ends: [],
  destroys: false,
});
const remove = (name: string | undefined): Loose => ({
  operation: "delete",
  reads: [],
  writes: [name],
  ends: [],
  destroys: true,
});

function fold(played: Played, type: "decided" | "intended", account: string, effects: readonly Loose[], dark: boolean) {
  const command = `${type}-${played.entries.length}`;
  const subject = { session: account, command, identity: account, account, target: "orders" };
  const opaque = dark ? "a function that nobody has read" : null;
  const all = dark ? [...effects, ...everything] : effects;
  const facts = { kind: "query", effects: all, opaque, undoable: !dark, transaction: { kind: "none" } };
  const data =
    type === "decided" ? { ...facts, ruling: "allow", approval: null, intent: null } : { ...facts, commits: [] };
  const atMs = Date.UTC(2026, 0, 1) + 60_000;
  const id = `${command}-e`;
  played.fold({
    type: `command.${type}`,
    id,
    atMs,
    source: "gateway/g",
    role: "gateway",
    subject,
    data,
  } as unknown as Entry);
}

function answer(played: Played) {
  const found = played.outputs.findLast(({ type }) => type === "command.answered");
  assert.ok(found?.type === "command.answered");
  return found.data;
}

const night = (rule = usual) => {
  const played = play(chainRule(rule));
  played.run(`0s extract read ${customers}`);
  return played;
};

test("an unread function beside a known INSERT … SELECT hides nothing: tags travel by what is known", () => {
  const played = night();
  fold(played, "decided", "transform", [copy(customers, staging)], true);
  assert.deepEqual(played.correlator.tagsOf(staging ?? ""), ["pii", "pii.email"]);
  assert.ok(played.outputs.some((one) => one.type === "resource.tagged" && one.data.resource === staging));
  fold(played, "intended", "load", [remove(staging)], false);
  assert.equal(answer(played).ruling, "hold");
});

test("that it may touch anything moves nothing, and it ends nothing", () => {
  const played = night();
  fold(played, "decided", "transform", [copy(customers, staging)], false);
  fold(played, "decided", "transform", [{ ...remove(staging), ends: [staging] }], true);
  assert.deepEqual(played.correlator.tagsOf(staging ?? ""), ["pii", "pii.email"]);
  assert.deepEqual(played.correlator.tagsOf(reporting ?? ""), []);
});

test("data that came by way of an opaque command is weak evidence: held where a strong chain is blocked", () => {
  const rule = usual.replace("action: hold", "action: block");
  const ruling = (dark: boolean) => {
    const played = night(rule);
    fold(played, "decided", "middle", [copy(customers, staging)], dark);
    fold(played, "decided", "transform", [copy(staging, reporting)], false);
    fold(played, "intended", "load", [remove(reporting)], false);
    // The steps chosen are read, the second copy and the DELETE; the first copy is only on the way.
    return { ruling: answer(played).ruling, steps: answer(played).enforced[0]?.steps.length };
  };
  assert.deepEqual(ruling(false), { ruling: "block", steps: 3 });
  assert.deepEqual(ruling(true), { ruling: "hold", steps: 3 });
});

test("effects of one command come one after another: the second carries on what the first brought", () => {
  const played = night();
  fold(played, "decided", "transform", [copy(customers, staging), copy(staging, reporting)], false);
  assert.deepEqual(played.correlator.tagsOf(reporting ?? ""), ["pii", "pii.email"]);
  const other = night();
  fold(other, "decided", "transform", [copy(staging, reporting), copy(customers, staging)], false);
  assert.deepEqual(other.correlator.tagsOf(reporting ?? ""), []);
});

test("what an earlier effect of the same command brought has its tags when the later one is matched", () => {
  const tagged = `
links:
  - { from: pii_read, to: pii_transform, by: [lineage] }
  - { from: pii_transform, to: destructive, by: [flow, lineage] }
gate: { action: hold, approvers: [data-owners] }
`;
  const played = night(tagged);
  const again = [{ ...copy(customers, staging), operation: "write" }, copy(staging, reporting)];
  fold(played, "decided", "transform", again, false);
  fold(played, "intended", "load", [remove(reporting)], false);
  assert.equal(answer(played).ruling, "hold", "only the second effect is a transform, of what the first had written");
});

test("what came by way of an opaque command stays weak, though a copy that was read came there later in the window", () => {
  const rule = chainRule("links: [{ from: pii_read, to: destructive, by: [lineage] }]\ngate: { action: block }");
  const times = [
    ["1m", "10m", "23h45m", "23h50m"],
    ["0s", "0s", "24h", "24h"],
  ];
  for (const [read, copied, swept, asked] of times) {
    const played = play(rule.replace("pii_read, pii_transform", "pii_read"), {
      limits: { sweepRecordsEvery: 1, flowsSettledEvery: 1 },
    });
    // At the end the window begins shortly before all that, and what is older is kept in short.
    played.run(`
      0s        x    transform ${customers} -> ${reporting} opaque=true
      ${read}   one  read      ${reporting}
      ${copied} etl  transform ${customers} -> ${reporting}
      ${swept}  y    read      orders/public.elsewhere`);
    const { ruling, enforced } = played.ask(`${asked} two delete ${reporting}`);
    assert.deepEqual([ruling, enforced[0]?.strength], ["hold", "weak"], `asked at ${asked}`);
    played.run(`24h one read ${reporting}`);
    assert.equal(played.ask(`24h two delete ${reporting}`).ruling, "block", "it was read again since");
  }
});

const look = (name: string | undefined): Loose => ({ ...copy(name, undefined), operation: "read", writes: [] });

const correlation = (type: string, rules: string, more: string, action = "block") => `title: A chain
name: ${action === "" ? "inner" : "chain"}
correlation: { type: ${type}, rules: [${rules}], timespan: 24h, ${more} }
${action === "" ? "" : `x-chain:\n  gate: { action: ${action} }\n`}`;

/** Commands of one account after data was copied into staging, the last one asked. */
function byOne(rules: string, dark: boolean, ...commands: readonly Loose[]) {
  const played = play(rules);
  fold(played, "decided", "etl", [copy(customers, staging)], dark);
  for (const [at, command] of commands.entries())
    fold(played, at === commands.length - 1 ? "intended" : "decided", "eve", [command], false);
  const { ruling, enforced } = answer(played);
  return [ruling, enforced[0]?.strength, enforced[0]?.steps.map(({ resources }) => resources.join())];
}

test("a step that matches only by a tag that came by way of an opaque command is weak, however it is tied", () => {
  const rule = correlation("temporal_ordered", "pii_read, destructive", "group-by: [account]");
  const ending = [look(staging), remove(reporting)];
  assert.deepEqual(byOne(rule, false, ...ending), ["block", "strong", [staging, reporting]]);
  assert.deepEqual(byOne(rule, true, ...ending), ["hold", "weak", [staging, reporting]]);
  // The latest strong chain is what a block stands on.
  assert.deepEqual(byOne(rule, true, look(customers), ...ending), ["block", "strong", [customers, reporting]]);
  assert.deepEqual(byOne(rule, false, look(customers), ...ending), ["block", "strong", [staging, reporting]]);
});

test("so is one of several effects, and one that matches by what the earlier effects of its command bring", () => {
  const rule = correlation("temporal_ordered", "pii_transform, destructive", "group-by: [account]");
  const several = (dark: boolean, source: string | undefined) => {
    const played = play(rule);
    fold(played, "decided", "etl", [copy(customers, staging)], dark);
    fold(played, "decided", "eve", [{ ...copy(source, "orders/public.other"), operation: "write" }], false);
    const again = [
      { ...copy("orders/public.other", reporting), operation: "write" },
      copy(reporting, "orders/public.z"),
    ];
    fold(played, "decided", "eve", again, false);
    fold(played, "intended", "eve", [remove("orders/public.y")], false);
    return answer(played).ruling;
  };
  assert.deepEqual(
    [several(false, staging), several(true, staging), several(true, customers)],
    ["block", "hold", "block"],
  );
});

test("so is a count of such steps, or of steps that share data only that way, and a chain around it", () => {
  const count = (by: string, action?: string) =>
    correlation("event_count", "pii_read", `group-by: [${by}], condition: { gte: 2 }`, action);
  const reads = [look(staging), look(staging)];
  for (const by of ["account", "chain.lineage"]) {
    assert.deepEqual(byOne(count(by), false, ...reads).slice(0, 2), ["block", "strong"]);
    assert.deepEqual(byOne(count(by), true, ...reads).slice(0, 2), ["hold", "weak"]);
  }
  const around = correlation("temporal_ordered", "inner, destructive", "group-by: [account]");
  const chain = `${count("account", "")}---\n${around}`;
  assert.deepEqual(byOne(chain, false, ...reads, remove(reporting)).slice(0, 2), ["block", "strong"]);
  assert.deepEqual(byOne(chain, true, ...reads, remove(reporting)).slice(0, 2), ["hold", "weak"]);
});

test("a rule that blocks stands on its strong chain, though by another of its ways a weak one came later", () => {
  const ways = `condition: "(announced or pii_read) and destructive", group-by: [account]`;
  const rule = correlation("temporal_ordered", "announced, pii_read, destructive", ways);
  const called = { ...copy(reporting, undefined), operation: "execute", writes: [] };
  const found = ["block", "strong", [reporting, reporting]];
  assert.deepEqual(byOne(rule, true, called, look(staging), remove(reporting)), found);
  assert.deepEqual(byOne(rule, false, called, look(staging), remove(reporting))[2], [staging, reporting]);
});
