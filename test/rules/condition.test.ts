import assert from "node:assert/strict";
import { test } from "node:test";
import type { Seen } from "../../infra/rules/field.ts";
import { command, event, load, refusal } from "./ask.ts";

const parts = "  a1: { x: 1 }\n  a2: { x: 2 }\n  b: { y: 1 }\n  _c: { y: 1 }\n  _d: { y: 2 }";

function on(condition: string): boolean {
  return load(`${parts}\n  condition: ${condition}`).test(event({ x: 1, y: 1 })) === 2;
}

test("and binds more than or, not more than both; parentheses more than all; words in any case", () => {
  for (const yes of [
    "a1",
    "not a2",
    "a1 or a2 and a2",
    "a2 and a1 or a1",
    "not a2 and a1",
    "not (a2 or _d)",
    "(a1 or a2) and b",
    "NOT a2 AND a1",
    "not not a1",
    "((a1))",
    "a1 and(b)",
  ])
    assert.equal(on(yes), true, yes);
  for (const no of ["a2", "(a1 or a2) and a2", "not (a1 or a2)", "not a1 or a2", "a2 and a1 or a2"])
    assert.equal(on(no), false, no);
});

test("1 of, any of and all of take names, patterns and them", () => {
  for (const yes of ["1 of a*", "any of a*", "1 of them", "1 of *2 or b", "all of b", "1 of a1", "not all of a*"])
    assert.equal(on(yes), true, yes);
  for (const no of ["all of a*", "all of them", "1 of *2", "not 1 of a*", "a1 and all of a*"])
    assert.equal(on(no), false, no);
});

test("parts that begin with _ are in no pattern and not in them, unless the pattern begins so too", () => {
  assert.equal(on("all of _c*"), true);
  assert.equal(on("all of _*"), false);
  assert.equal(load("  a: { x: 1 }\n  _b: { y: 2 }\n  condition: all of them").test(event({ x: 1 })), 2);
  assert.equal(load("  a: { x: 1 }\n  _b: { y: 2 }\n  condition: all of *").test(event({ x: 1 })), 2);
});

test("several conditions are several queries: any of them", () => {
  assert.equal(on("[a2, a1 and b]"), true);
  assert.equal(on("[a2, _d]"), false);
});

test("what is no condition is an error that says what to write instead", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["a1 | count() > 5", /^10: detection\.condition: .*correlation rule over this one with type event_count/],
    ["a1 | count(x) by y > 5", /type value_count and condition\.field x/],
    ["a1 | sum(x) > 5", /type value_sum/],
    ["a1 | near a2", /type temporal/],
    ["a1 | min(x) < 5", /type event_count, value_count/],
    ["2 of a*", /"2 of" is not Sigma: write 1 of, all of/],
    ["a1 and", /it ends too early/],
    ["a1 a2", /"a2" is not expected here/],
    ["(a1", /a \) is missing/],
    ["a3", /there is no "a3" under detection; known: a1, a2, b, _c, _d/],
    ["1 of c*", /nothing under detection has a name like "c\*"/],
    ["1 of", /"of" what\?/],
    ["[]", /is missing/],
    ["5", /must be a text/],
    ["[a1, 5]", /condition\.1: must be a text/],
    [`${"(".repeat(60)}a1${")".repeat(60)}`, /nested too deeply/],
    [Array.from({ length: 1_000 }, () => "a1").join(" or "), /more than 1000 words/],
  ];
  for (const [condition, message] of wrong) assert.match(refusal(`${parts}\n  condition: ${condition}`), message);
  assert.match(refusal(parts), /detection\.condition: is missing: write one over a1, a2/);
  assert.match(refusal("  and: { x: 1 }\n  condition: and"), /"and" is a word of the condition itself/);
  assert.match(refusal("  a: { x: 1 }\n  timeframe: 5m\n  condition: a"), /timeframe: is no longer part of Sigma/);
});

test("keywords are looked for in every text field of the event: any of a list, all with |all", () => {
  const line = event({ message: "The EvilService was started", host: "web1", tags: ["a", "b"], port: 4444 });
  const asked = (keywords: string) => load(`  k: ${keywords}\n  condition: k`).test(line) === 2;
  for (const yes of [
    "[evilservice, other]",
    "evilservice",
    "{ '|all': [evil, web1] }",
    "{ '|all': ['evil*started', 444] }",
    "[4444]",
    "[{ host: web2 }, evil]",
    "[{ host: web1 }, nothing]",
    "{ '|contains|all': [evil, started] }",
    "{ '|re': '^web[0-9]$' }",
    "{ '|startswith': the }",
    "{ '|cased': EvilS }",
    "{ '|windash': evil }",
    "['e?il']",
  ])
    assert.equal(asked(yes), true, yes);
  for (const no of ["[missing]", "{ '|all': [evil, web2] }", "{ '|startswith': evil }", "{ '|cased': evils }"])
    assert.equal(asked(no), false, no);
  for (const [keywords, message] of [
    ["{ '|gt': 5 }", /gt needs a field/],
    ["{ '|fieldref': a }", /fieldref needs a field/],
    ["[null]", /null is no keyword/],
    ["{ '|all': [one] }", /all needs a list of two/],
  ] as const)
    assert.match(refusal(`  k: ${keywords}\n  condition: k`), message);
});

test("of another product's event all is searched, of a command no ids, times or what came late", () => {
  const foreign = event({ id: "evil", outcome: "worse" });
  const plain = command({ more: { id: "evil", time: "evil", outcome: "worse", note: "bad" } });
  const asked = (word: string, seen: Seen) => load(`  k: [${word}]\n  condition: k`).test(seen) === 2;
  for (const word of ["evil", "worse"]) assert.deepEqual([asked(word, foreign), asked(word, plain)], [true, false]);
  assert.equal(asked("bad", plain), true);
});
