import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { anySteps, gateSteps } from "../../infra/rules/gate.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Effect } from "../../schemas/command.ts";
import type { ThroughlineError } from "../../schemas/errors.ts";
import { testRules } from "../../services/correlator/rehearse.ts";
import { chainRule, steps, usual } from "./play.ts";

const folder = join(import.meta.dirname, "../../schemas/rules");
const shipped = readdirSync(folder)
  .sort()
  .map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));

test("every shipped rule passes its own tests, on both sides, with an insider's", () => {
  const results = testRules(shipped);
  for (const result of results)
    assert.ok(result.ok, `${result.rule} "${result.test}": expected ${result.expected}, found ${result.found}`);
  const chains = loadRules(shipped).rules.filter(({ type }) => type !== "single");
  for (const { name } of chains) {
    const mine = results.filter(({ rule }) => rule === name);
    assert.ok(
      mine.some(({ expected }) => expected === "allow") && mine.some(({ expected }) => expected !== "allow"),
      name,
    );
    assert.ok(
      mine.some((result) => /insider/.test(result.test)),
      `${name} has no insider test`,
    );
  }
});

test("an inline test that is wrong is told, not passed", () => {
  const rule = (when: string) => `${chainRule(usual)}tests:\n  - when: ${when}\n    expect: hold\n`;
  const files = (when: string) => [
    { name: "s.yml", text: steps },
    { name: "z.yml", text: rule(when) },
  ];
  assert.deepEqual(
    testRules(files("1s load delete orders/public.x")).map(({ ok, found }) => [ok, found]),
    [[false, "allow"]],
  );
  assert.match(
    testRules(files("soon load delete orders/public.x"))[0]?.detail ?? "",
    /z\.yml:[0-9]+: tests\.0\.when: "soon load .*": soon: write the time since the start first/,
  );
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  [
    "title: t\nname: t\nlogsource: { product: windows }\ndetection: { s: { a: 1 }, condition: s }\n",
    "rule.unsupported",
    /^r\.yml:3: logsource/,
  ],
  [chainRule("unles: { pipeline: x }"), "rule.invalid", /x-chain\.unles: unknown key; known here: .*unless/],
  [chainRule("unless: { night: x }"), "rule.invalid", /^r\.yml:[0-9]+: x-chain\.unless/],
  [chainRule("runs: 3"), "rule.invalid", /x-chain\.runs: must be a list, such as \[a, b\]/],
  [chainRule("runs: [{ rule: pii_read, min: 51 }]"), "rule.invalid", /runs\.0\.min: at most 50; use event_count/],
  [
    chainRule("links: [{ from: pii_red, to: destructive, by: [flow] }]"),
    "rule.invalid",
    /"pii_red" is no step; steps: pii_read/,
  ],
  [
    chainRule("gate: { action: hold, step: pii_read }"),
    "rule.invalid",
    /gate\.step: only what can be the last step completes the chain: destructive/,
  ],
  [chainRule("gate: { action: shout }"), "rule.invalid", /x-chain\.gate\.action/],
  [chainRule("mode: enforce", "condition: { gte: 4 }"), "rule.invalid", /condition: no number of 3 rules fulfils it/],
  [
    chainRule("mode: enforce", "condition: pii_read and not pii_transform"),
    "rule.invalid",
    /condition: does not say what "destructive" is for/,
  ],
  [
    chainRule("mode: enforce", "condition: pii_read or pii_transform or not destructive"),
    "rule.invalid",
    /nothing would have to happen/,
  ],
  [chainRule("mode: enforce", "group-by: [chain.colour]"), "rule.unsupported", /group-by\.0: known: chain\.lineage/],
  [chainRule("mode: enforce").replace("temporal_ordered", "value_sum"), "rule.invalid", /value_sum needs a condition/],
  [
    chainRule("mode: enforce").replace("pii_read", "nobody"),
    "rule.invalid",
    /^r\.yml:5: correlation\.rules\.0: no rule has the name or id "nobody"/,
  ],
  [
    `${chainRule("mode: enforce").replace("pii_read", "outer")}---\n${chainRule("mode: enforce", "", "outer").replace("pii_read", "chain")}`,
    "rule.invalid",
    /^r\.yml:14: correlation\.rules\.0: goes round in a circle: chain -> outer -> chain/,
  ],
  [`${chainRule("mode: enforce")}---\n${chainRule("mode: enforce")}`, "rule.invalid", /has "chain" too/],
  ["title: [\n", "rule.invalid", /^r\.yml:[0-9]+:[0-9]+: /],
];

test("what cannot be meant or evaluated is an error with file, line, key and what to write", () => {
  for (const [text, code, message] of wrong) {
    assert.throws(
      () =>
        loadRules([
          { name: "s.yml", text: steps },
          { name: "r.yml", text },
        ]),
      (error: ThroughlineError) => {
        assert.equal(error.code, code, `${text}\n${error.message}`);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test("which commands must ask is known from the rules alone, and never too few of them", () => {
  const asks = gateSteps(
    loadRules([
      { name: "s.yml", text: steps },
      { name: "z.yml", text: chainRule(usual) },
    ]),
  );
  const effect = (operation: Effect["operation"], destroys: boolean): Effect => ({
    operation,
    reads: [],
    writes: ["orders/public.x"] as never,
    ends: [],
    destroys,
  });
  const facts = (effects: readonly Effect[], opaque: string | null = null) => ({
    kind: "query",
    effects,
    opaque,
    undoable: true,
  });
  const tags = () => [];
  assert.equal(asks(facts([effect("delete", true)]), {}, tags), true);
  assert.equal(asks(facts([effect("write", false)]), {}, tags), false);
  assert.equal(asks(facts([effect("write", false)], "a DO block"), {}, tags), true);
  assert.equal(asks(facts([]), {}, tags), false);
  assert.equal(asks(facts([]), {}, tags, [{ command: "d", effect: effect("delete", true) }]), true);
  const observed = loadRules([
    { name: "s.yml", text: steps },
    { name: "z.yml", text: chainRule(`mode: observe\n${usual}`) },
  ]);
  assert.equal(gateSteps(observed)(facts([effect("delete", true)]), {}, tags), false);
});

test("a tag that a gateway knows may be gone again: a rule for the untagged is asked all the same", () => {
  const untagged =
    "title: u\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: { operation: delete }\n  tagged: { tags: pii }\n  condition: selection and not tagged\nx-chain:\n  gate: { action: hold, approvers: [x] }\n";
  const asks = gateSteps(loadRules([{ name: "u.yml", text: untagged }]));
  const deletes = { operation: "delete", reads: [], writes: ["t/s.a"], ends: [], destroys: true } as unknown as Effect;
  const facts = { kind: "query", effects: [deletes], opaque: null, undoable: true };
  assert.equal(
    asks(facts, {}, () => ["pii"]),
    true,
  );
});

test("a write that brings nothing that was shown is no step of a rule about content; one nobody has looked at may be", () => {
  const loaded =
    "title: l\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: { operation: write, content.values|gte: 1 }\n  condition: selection\n";
  const mayStep = anySteps(loadRules([{ name: "l.yml", text: loaded }]));
  const writes = { operation: "write", reads: [], writes: ["t/s.a"], ends: [], destroys: false } as unknown as Effect;
  const facts = { kind: "query", effects: [writes], opaque: null, undoable: true };
  const none = () => [];
  assert.deepEqual(
    [
      mayStep(facts, {}, none),
      mayStep({ ...facts, brings: true }, {}, none),
      mayStep({ ...facts, brings: false }, {}, none),
    ],
    [true, true, false],
  );
});

test("a detection rule that no correlation uses fires by itself; one that is used does not", () => {
  const { rules } = loadRules([
    { name: "s.yml", text: steps },
    { name: "z.yml", text: chainRule(usual) },
  ]);
  assert.deepEqual(
    rules.map(({ name, type }) => `${name} ${type}`),
    ["announced single", "chain temporal_ordered"],
  );
});
