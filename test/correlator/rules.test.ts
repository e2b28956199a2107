import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compileDetection } from "../../infra/rules/detection.ts";
import type { FieldValue } from "../../infra/rules/field.ts";
import { gateSteps } from "../../infra/rules/gate.ts";
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
  assert.match(testRules(files("soon load delete orders/public.x"))[0]?.detail ?? "", /the time is written/);
});

interface Case {
  readonly detection: string;
  readonly more: Record<string, FieldValue>;
  readonly answer: 0 | 2;
}
const c = (detection: string, more: Record<string, FieldValue>, answer: 0 | 2): Case => ({ detection, more, answer });

const cases: readonly Case[] = [
  c("{ a: Value }", { a: "vALUE" }, 2),
  c("{ a|cased: Value }", { a: "value" }, 0),
  c("{ a: 'x*z' }", { a: "xyyz" }, 2),
  c("{ a: 'x*z' }", { a: "xyzy" }, 0),
  c("{ a: 'x?z' }", { a: "xyz" }, 2),
  c("{ a: 'x\\*z' }", { a: "xyz" }, 0),
  c("{ a: 'x\\*z' }", { a: "x*z" }, 2),
  c("{ a: 'c:\\temp' }", { a: "c:\\temp" }, 2),
  c("{ a|contains: bc }", { a: "abcd" }, 2),
  c("{ a|startswith: [x, ab] }", { a: "abcd" }, 2),
  c("{ a|endswith: ab }", { a: "abcd" }, 0),
  c("{ a|contains|all: [ab, cd] }", { a: "abcd" }, 2),
  c("{ a|contains|all: [ab, xy] }", { a: "abcd" }, 0),
  c("{ a|all: [x, y] }", { a: ["x", "y", "z"] }, 2),
  c("{ a|all: [x, y] }", { a: ["x", "z"] }, 0),
  c("{ a: [1, 2] }", { a: 2 }, 2),
  c("{ a: 4624 }", { a: "4624" }, 2),
  c("{ a: true }", { a: true }, 2),
  c("{ a: null }", {}, 2),
  c("{ a: null }", { a: "x" }, 0),
  c("{ a: '' }", {}, 0),
  c("{ a|exists: false }", {}, 2),
  c("{ a|exists: true }", { a: 0 }, 2),
  c("{ a|re: '^ab+c$' }", { a: "abbc" }, 2),
  c("{ a|re: 'B' }", { a: "abc" }, 0),
  c("{ a|re|i: 'B' }", { a: "abc" }, 2),
  c("{ a|gte: 5, a|lt: 10 }", { a: 5 }, 2),
  c("{ a|gte: 5, a|lt: 10 }", { a: 10 }, 0),
  c("{ a|gt: 5 }", {}, 0),
  c("{ a|cidr: 10.0.0.0/8 }", { a: "10.20.30.40" }, 2),
  c("{ a|cidr: [10.0.0.0/8, '2001:db8::/32'] }", { a: "2001:db9::1" }, 0),
  c("{ a|fieldref: b }", { a: "x", b: "x" }, 2),
  c("{ a|neq: x }", { a: "y" }, 2),
  c("[{ a: 1 }, { b: 1 }]", { b: 1 }, 2),
];

function answer(detection: Record<string, unknown>, more: Record<string, FieldValue>): number {
  const effect: Effect = { operation: "read", reads: [], writes: [], ends: [], destroys: false };
  return compileDetection(detection).test({
    subject: {},
    kind: "",
    opaque: false,
    undoable: true,
    effect,
    late: null,
      details: null,
    more,
    tags: () => [],
  });
}

test("Sigma values and modifiers mean what the specification says", () => {
  for (const { detection, more, answer: expected } of cases) {
    const text = `title: t\nname: t\nlogsource: { category: command }\ndetection:\n  s: ${detection}\n  condition: s\n`;
    const [rule] = loadRules([{ name: "t.yml", text }]).detections;
    const effect: Effect = { operation: "read", reads: [], writes: [], ends: [], destroys: false };
    const seen = { subject: {}, kind: "", opaque: false, undoable: true, effect, late: null, details: null, more, tags: () => [] };
    assert.equal(rule?.test(seen), expected, `${detection} on ${JSON.stringify(more)}`);
  }
});

test("Sigma conditions: precedence, parentheses, of, patterns, them", () => {
  const on = (condition: string) => answer({ a1: { x: 1 }, a2: { x: 2 }, _b: { y: 1 }, condition }, { x: 1, y: 1 });
  for (const yes of [
    "a1",
    "not a2",
    "a1 or a2 and a2",
    "1 of a*",
    "any of them",
    "(a1 or a2) and _b",
    "all of _*",
    "NOT a2 AND a1",
  ])
    assert.equal(on(yes), 2, yes);
  for (const no of ["a2", "all of a*", "all of them", "not (a1 or a2)", "a2 and a1 or a2"]) assert.equal(on(no), 0, no);
});

test("a catastrophic regular expression is no catastrophe", () => {
  const before = process.hrtime.bigint();
  assert.equal(answer({ s: { "a|re": "^(a+)+$" }, condition: "s" }, { a: `${"a".repeat(5_000)}!` }), 0);
  assert.ok(process.hrtime.bigint() - before < 2_000_000_000n);
});

const lineOf = (text: string) => `title: t\nname: t\nlogsource: { category: command }\ndetection:\n${text}`;
const wrong: readonly (readonly [string, string, RegExp])[] = [
  [
    lineOf("  s: { a|base64: x }\n  condition: s\n"),
    "rule.unsupported",
    /^r\.yml:5: detection\.s\.a\|base64: the modifier "base64"/,
  ],
  [lineOf("  s: [word, other]\n  condition: s\n"), "rule.unsupported", /^r\.yml:5: .*keywords/],
  [
    lineOf("  s: { a: 1 }\n  condition: s | count() > 5\n"),
    "rule.invalid",
    /^r\.yml:6: detection\.condition: aggregations/,
  ],
  [lineOf("  s: { a: 1 }\n  condition: s and t\n"), "rule.invalid", /no "t" under detection; known: s/],
  [lineOf("  s: { a|re: '(?=x)' }\n  condition: s\n"), "rule.invalid", /^r\.yml:5/],
  [lineOf("  s: { operation: reed }\n  condition: s\n"), "rule.invalid", /"reed" is no operation; known: read/],
  [`${lineOf("  s: { a: 1 }\n  condition: s\n")}x-chain: { links: [] }\n`, "rule.invalid", /x-chain\.links/],
  [
    "title: t\nname: t\nlogsource: { product: windows }\ndetection: { s: { a: 1 }, condition: s }\n",
    "rule.unsupported",
    /^r\.yml:3: logsource/,
  ],
  [chainRule("unles: { pipeline: x }"), "rule.invalid", /x-chain\.unles: unknown key; known here: .*unless/],
  [chainRule("unless: { pipeline: x }"), "rule.unsupported", /^r\.yml:8: x-chain\.unless/],
  [chainRule("runs: 3"), "rule.unsupported", /x-chain\.runs/],
  [chainRule("links: [{ from: pii_read, to: destructive, by: [content] }]"), "rule.unsupported", /content/],
  [
    chainRule("links: [{ from: pii_red, to: destructive, by: [flow] }]"),
    "rule.invalid",
    /"pii_red" is no step; steps: pii_read/,
  ],
  [chainRule("gate: { action: hold, step: pii_read }"), "rule.invalid", /only the last step can complete/],
  [chainRule("gate: { action: shout }"), "rule.invalid", /x-chain\.gate\.action/],
  [chainRule("mode: enforce", "condition: { gte: 3 }"), "rule.unsupported", /correlation\.condition/],
  [chainRule("mode: enforce", "group-by: [chain.colour]"), "rule.unsupported", /group-by\.0: known: chain\.lineage/],
  [
    chainRule("mode: enforce").replace("temporal_ordered", "value_sum"),
    "rule.unsupported",
    /value_sum is not evaluated/,
  ],
  [
    chainRule("mode: enforce").replace("pii_read", "nobody"),
    "rule.invalid",
    /^r\.yml:5: correlation\.rules\.0: no rule has the name or id "nobody"/,
  ],
  [
    `${chainRule("mode: enforce")}---\n${chainRule("mode: enforce", "", "outer").replace("pii_read", "chain")}`,
    "rule.unsupported",
    /chained correlations/,
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
