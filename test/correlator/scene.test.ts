/** Inline tests mean what they say: whatever would be read otherwise is refused, with its place and what to write. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type TestResult, testRules } from "../../services/correlator/rehearse.ts";
import { chainRule, steps, usual } from "./play.ts";

const head = chainRule(usual);
const linesBefore = head.split("\n").length;

/** @param tests YAML under `tests:` */
function results(tests: string, rule = head): readonly TestResult[] {
  const files = [
    { name: "s.yml", text: steps },
    { name: "z.yml", text: `${rule}tests:\n${tests}` },
  ];
  return testRules(files);
}

const scene = (given: string, when = "9m load delete orders/public.staging", expect = "hold") =>
  `  - given: |\n${given
    .split("\n")
    .map((line) => `      ${line}\n`)
    .join("")}    when: ${when}\n    expect: ${expect}\n`;

const read = "0s extract read orders/public.customers rows=500";
const copy = "1m transform transform orders/public.customers -> orders/public.staging";

test("a test as people write it is played: comments, empty lines, spaces round commas, every key", () => {
  const keys =
    "identity=i onbehalfof=a,b task=t1 parent=t0 session=s9 address=10.0.0.1 role=r statement=SELECT fingerprint=aa trace=bb";
  const given = `# who reads\n\n0s extract read orders/public.customers , orders/public.x ${keys} bytes=5 outcome=ok\n${copy} opaque=false`;
  assert.deepEqual(
    results(scene(given, "9m load define orders/public.staging ends=orders/public.staging destroys=true")).map(
      ({ ok, found }) => [ok, found],
    ),
    [[true, "hold"]],
  );
});

/** A line that stands after a good one, and what is said of it. */
const mistakes: readonly (readonly [string, RegExp])[] = [
  ["1 a read o/p.x", /: 1: write the time since the start first: 0s, 90s, 1h30m, 2d/],
  ["2026-01-01T00:00:00Z a read o/p.x", /write the time since the start first/],
  ["0.5s a read o/p.x", /write the time since the start first/],
  ["1s read o/p.x", /: o\/p\.x is no operation; write: time account operation resources; operations: read, write/],
  ["1s a", /the operation is missing; write: time account operation/],
  ["1s a READ o/p.x", /READ is no operation: write read$/],
  ["1s a select o/p.x", /select is no operation: write read$/],
  ["1s a TRUNCATE o/p.x", /TRUNCATE is no operation: write delete with ends=$/],
  ["1s a trasnform o/p.x -> o/p.y", /trasnform is no operation: write transform$/],
  ["1s task=t read o/p.x", /the account stands there, and task=t is none/],
  ["1s a read", /what does it read\? Write a resource such as orders\/public\.customers/],
  ["1s a write opaque=false", /what does it write\?/],
  ["1s a read customers", /customers: write target\/schema\.table, such as orders\/public\.customers/],
  ["1s a read o/p.*", /o\/p\.\*: a line names one resource; \* is for the catalog/],
  ["1s a read o/p.x o/p.y", /o\/p\.y: join several resources by commas/],
  ["1s a read o/p.x,,o/p.y", /a resource is missing beside the comma/],
  ["1s a read o/p.x -> o/p.y", /read has no ->; what reads one and writes another is transform or transfer/],
  ["1s a transform o/p.x", /transform reads one and writes another: write what is read -> what is written/],
  ["1s a transform o/p.x ->", /a resource is missing beside ->/],
  ["1s a transform o/p.x -> o/p.y -> o/p.z", /one -> only: a line is one command/],
  ["1s a read o/p.x 2s b read o/p.y", /2s begins a second command: write `given: \|` and each on a line of its own/],
  ["1s a begin o/p.x", /begin has no resources/],
  ["1s a ask", /ask is about one approval: write its name/],
  ["1s a read o/p.x row=5", /row= is not known: write rows=$/],
  ["1s a read o/p.x colour=5", /colour= is not known; keys: identity, /],
  ["1s a read o/p.x constructor=5", /constructor= is not known; keys: identity, /],
  ["1s a read o/p.x rows=5 rows=6", /rows= stands there twice; join several values by commas/],
  ["1s a read o/p.x rows = 5", /=: write key=value, without spaces around =/],
  ["1s a read o/p.x task=", /task=: write key=value.*a value is not empty/],
  ['1s a read o/p.x task="two words"', /task="two: no quotes here, and no spaces in a value/],
  ["1s a read o/p.x task=two words", /words stands after the keys/],
  ["1s a read o/p.x rows=many", /rows=many: write a whole number such as 500/],
  ["1s a write o/p.x destroys=yes", /destroys=yes: write true or false/],
  ["1s a write o/p.x opaque=1", /opaque=1: write true or false/],
  ["1s a write o/p.x outcome=fail", /outcome=fail: write ok or error/],
  ["1s a delete o/p.x ends=o/p.y", /ends=o\/p\.y: what ends is one of what it writes: o\/p\.x/],
  ["1s a read o/p.x ends=o/p.x", /ends=o\/p\.x: what ends is one of what it writes: nothing/],
  ["1s a read o/p.x parent=t0", /parent= says what a task belongs to: write task= as well/],
  ["1s a begin rows=5", /rows= says nothing of begin/],
  ["1s a ask a1 role=r", /role= says nothing of ask/],
  ["1s a commit", /a has no open transaction: write a line with begin before/],
  ["1s a rollback session=s2", /s2 has no open transaction/],
  ["1s extract begin\n2s extract begin", /the transaction of extract has begun already/],
  ["9s a read o/p.x\n8s a read o/p.x", /its time is before the line above/],
];

test("a line that would be read otherwise than it is meant is told, with its line and what to write", () => {
  for (const [lines, message] of mistakes) {
    const [result] = results(scene(`${read}\n${lines}`));
    assert.deepEqual([result?.ok, result?.found], [false, null], lines);
    assert.match(result?.detail ?? "", message);
    const line = linesBefore + 2 + lines.split("\n").length;
    assert.ok(result?.detail.startsWith(`z.yml:${line}: tests.0.given: "`), `${line}: ${result?.detail}`);
  }
});

test("what is asked is one command, and nothing is known of it yet that comes when it has run", () => {
  const said = (when: string) => {
    const [result] = results(scene(read, when));
    assert.deepEqual([result?.ok, result?.found], [false, null], when);
    return result?.detail ?? "";
  };
  assert.match(
    said("|\n      1s a read o/p.x\n      2s b delete o/p.x"),
    /:18: .*when is one command: what happens before/,
  );
  assert.match(said('" "'), /tests\.0\.when: is empty: write the one command that is asked/);
  assert.match(
    said("1s a read o/p.x rows=5"),
    /rows is not known before it runs: leave it out, or move the line to given/,
  );
  assert.match(said("1s a commit"), /a has no open transaction/);
  const late = results(scene(`${read}\n5m b read orders/public.x`, "1m load delete orders/public.staging"));
  assert.match(late[0]?.detail ?? "", /tests\.0\.when: "1m load .*": its time is before the line above/);
});

test("a transaction that begins under given ends in what is asked", () => {
  const given = [read, copy, "2m load begin", "3m load delete orders/public.staging"].join("\n");
  assert.deepEqual(
    results(scene(given, "4m load commit")).map(({ ok, detail }) => [ok, detail]),
    [[true, results(scene(given, "4m load commit"))[0]?.detail]],
  );
});

test("tests that cannot run, or expect what the rule never says, are told", () => {
  const inner = `${steps.replace("name: pii_read\n", "name: pii_read\ntests:\n  - { when: 0s a read o/p.x, expect: alert }\n")}`;
  const files = (text: string, more = "") => [
    { name: "s.yml", text },
    { name: "z.yml", text: head + more },
  ];
  const [step] = testRules(files(inner));
  assert.deepEqual([step?.rule, step?.ok, step?.found], ["pii_read", false, null]);
  assert.match(
    step?.detail ?? "",
    /^s\.yml:4: tests\.0: cannot run: pii_read never fires by itself, it is a step of chain\. Write the test there, or `generate: true` into pii_read$/,
  );
  assert.equal(testRules(files(inner.replace("tests:", "generate: true\ntests:")))[0]?.found, "allow");
  const never = (rule: string, expect: string) => results(scene(read, undefined, expect), rule)[0]?.detail ?? "";
  const observed = chainRule(`mode: observe\n${usual}`);
  assert.match(
    never(observed, "hold"),
    /tests\.0\.expect: never comes to hold: chain has mode: observe; write alert, or allow/,
  );
  assert.match(never(head, "block"), /never comes to block: chain says action: hold; write hold, or allow/);
  assert.match(never(chainRule("distinct: { field: account, min: 2 }"), "hold"), /chain has no gate; write alert/);
});

test("a correlation that is a step, by a condition or inside another, says where its tests belong", () => {
  const both =
    "title: both\nname: both\ncorrelation: { type: temporal, rules: [pii_read, destructive], timespan: 1h }\n";
  const outer =
    "title: outer\nname: outer\ncorrelation: { type: temporal, timespan: 1h, condition: announced and not (both) }\n";
  const tested = `${both}tests:\n  - { when: 0s a read o/p.x, expect: alert }\n`;
  const [result] = testRules([{ name: "s.yml", text: `${steps}---\n${tested}---\n${outer}` }]);
  assert.match(result?.detail ?? "", /it is a step of outer\. .* `generate: true` into the rule that names it/);
});

test("a test that finds nothing says which one demand is missing, and what each step matches", () => {
  const found = (given: string, when?: string) => {
    const [result] = results(scene(given, when));
    assert.deepEqual([result?.ok, result?.found], [false, "allow"]);
    return result?.detail;
  };
  const matches = (first: string, second: string, last: string) =>
    `(pii_read matches ${first}; pii_transform matches ${second}; destructive matches ${last})`;
  const both = matches("line 1 of given", "line 2 of given", "when");
  const alone = `${read.replace("extract", "load")}\n${copy.replace("transform transform", "load transform")}`;
  assert.equal(found(alone), `chain does not fire. It would, with at least 2 different values of account ${both}`);
  assert.equal(
    found(`# a comment\n${read}`),
    `chain does not fire: a step before it was not seen ${matches("line 2 of given", "nothing", "when")}`,
  );
  assert.equal(
    found(`${read}\n${copy}`, "9m load read orders/public.staging"),
    `chain does not fire: the event is no destructive, which completes it ${matches("line 1 of given, when", "line 2 of given", "nothing")}`,
  );
  assert.equal(
    found(`${read}\n${copy}`, "25h load delete orders/public.staging"),
    `chain does not fire. It would, inside its time ${both}`,
  );
});
