import assert from "node:assert/strict";
import { test } from "node:test";
import { loadRules } from "../../infra/rules/load.ts";
import type { ThroughlineError } from "../../schemas/errors.ts";
import { limits } from "../../schemas/limits.ts";
import { command, event } from "./ask.ts";

const usual = "logsource: { product: throughline, category: command }\n";
const body = "detection:\n  s: { operation: read }\n  condition: s\n";

function load(text: string, logs: "commands" | "any" = "commands") {
  return loadRules([{ name: "r.yml", text }], { logs });
}

function refused(text: string, code: string, message: RegExp, logs: "commands" | "any" = "commands"): void {
  assert.throws(
    () => load(text, logs),
    (error: ThroughlineError) => {
      assert.equal(error.code, code, `${text}\n${error.message}`);
      assert.match(error.message, message);
      return true;
    },
  );
}

const head = `title: Somebody read
id: 0b9c7a52-4a57-4f53-9f0e-6f1d3f0a7c11
name: somebody_read
related:
  - { id: 6a1f6f0e-0d3c-4f53-8a3b-0f9a9a2f5c01, type: derived }
taxonomy: sigma
status: experimental
description: what it is about
license: Apache-2.0
author: A, B
references: [https://one.example, https://two.example]
date: 2026-01-31
modified: 2026-02-01
fields: [account]
falsepositives: [a nightly job]
level: low
tags: [attack.t1485, cve.2021-44228, tlp.amber]
scope: [server]
our_own_key: { anything: [1, 2] }
`;

test("every key that Sigma has for people loads, and so do keys of others", () => {
  assert.equal(load(head + usual + body).rules[0]?.level, "low");
});

test("a key whose value Sigma does not allow is an error with its line", () => {
  const wrong: readonly (readonly [RegExp, string, RegExp])[] = [
    [/^title: .*/m, "title: ''", /^r\.yml:1: title: /],
    [/^title: .*/m, `title: ${"x".repeat(257)}`, /^r\.yml:1: title: /],
    [/^id: .*/m, "id: seven", /^r\.yml:2: id: /],
    [/type: derived/, "type: obsoletes", /related\.0\.type: must be derived or obsolete or merged/],
    [/^status: .*/m, "status: good", /status: must be stable or test/],
    [/^date: .*/m, "date: 2026/01/31", /date: /],
    [/^modified: .*/m, "modified: 2026-13-01", /modified: /],
    [/^references: .*/m, "references: https://one.example", /references: /],
    [/^references: .*/m, "references: [a, a]", /references: /],
    [/^falsepositives: .*/m, "falsepositives: [x]", /falsepositives\.0: /],
    [/^level: .*/m, "level: severe", /level: must be informational or low/],
    [/^tags: .*/m, "tags: [T1485]", /tags\.0: /],
    [/^scope: .*/m, "scope: server", /scope: /],
  ];
  for (const [line, instead, message] of wrong)
    refused(head.replace(line, instead) + usual + body, "rule.invalid", message);
});

test("a key that looks like a known one is taken for a mistake, not for somebody's own", () => {
  for (const [key, message] of [
    ["Level: low", /^r\.yml:20: Level: is no key of a rule; do you mean level\?/],
    ["lvel: low", /do you mean level\?/],
    ["x_chain: {}", /do you mean x-chain\?/],
    ["detections: {}", /do you mean detection\?/],
    ["generat: true", /do you mean generate\?/],
  ] as const)
    refused(`${head}${key}\n${usual}${body}`, "rule.invalid", message);
});

test("what Sigma dropped or leaves to the tool is named, with what to write instead", () => {
  refused(`action: global\n${head}${usual}${body}`, "rule.unsupported", /action: .*write each rule whole, with ---/);
  refused(
    `title: f\nlogsource: { category: command }\nfilter: { rules: [x], selection: { account: a }, condition: selection }\n`,
    "rule.unsupported",
    /^r\.yml:3: filter: .*add the selection there/,
  );
  refused(
    head.replace("taxonomy: sigma", "taxonomy: ecs") + usual + body,
    "rule.unsupported",
    /taxonomy: .*FIELDS\.md/,
  );
});

test("live, a rule about another log or a field that no command has is refused: it could never match", () => {
  const other = (logsource: string) => `title: t\nlogsource: ${logsource}\n${body}`;
  for (const logsource of ["{ product: windows }", "{ category: process_creation }", "{ service: sshd }"])
    refused(other(logsource), "rule.unsupported", /^r\.yml:2: logsource: only \{ product: throughline/);
  for (const logsource of ["{}", "{ product: throughline }", "{ category: command, definition: as it is }"])
    assert.equal(load(other(logsource)).rules.length, 1);
  const on = (selection: string) => `title: t\n${usual}detection:\n  s: ${selection}\n  condition: s\n`;
  refused(
    on("{ acount: x }"),
    "rule.invalid",
    /^r\.yml:4: detection\.s\.acount: .*do you mean account\? Known: session/,
  );
  refused(on("{ account|fieldref: idenity }"), "rule.invalid", /do you mean identity\?/);
  refused(on("{ operation: reed }"), "rule.invalid", /"reed" is no operation; known: read, write/);
  refused(on("{ destroys: 'yes' }"), "rule.invalid", /"yes" is no destroys; known: true, false/);
  refused(on("{ chain.lineage: x }"), "rule.unsupported", /write it under group-by of a correlation/);
  for (const selection of ["{ operation: 're*' }", "{ onBehalfOf: x }", "{ destroys: True }", "[word]"])
    assert.equal(load(on(selection)).rules.length, 1, selection);
});

test("offline a rule about another log is asked about every event, unless the event says what it is", () => {
  const rule = (logsource: string, taxonomy = "ecs") => {
    const text = `title: t\ntaxonomy: ${taxonomy}\nlogsource: ${logsource}\ndetection:\n  s: { dns.question.name: example }\n  condition: s\n`;
    const [detection] = load(text, "any").detections;
    return (more: Record<string, string>) => detection?.test(event({ "dns.question.name": "example", ...more }));
  };
  const dns = rule("{ category: network, service: dns }");
  assert.equal(dns({}), 2);
  assert.equal(dns({ category: "Network", product: "zeek" }), 2);
  assert.equal(dns({ category: "network", service: "http" }), 0);
  assert.equal(dns({ category: "process_creation" }), 0);
  assert.equal(rule("{ product: throughline, category: command }")({ product: "windows" }), 0);
});

test("offline a line with an operation is a command, whatever else its fields say", () => {
  const [detection] = load(`title: t\n${usual}${body}`, "any").detections;
  assert.equal(detection?.test(command({ more: { product: "windows", category: "x" } })), 2);
  assert.equal(detection?.test(event({ operation_: "read" })), 0);
});

test("offline a rule about approvals is not asked about commands", () => {
  const text = "title: t\nlogsource: { category: approval }\ndetection:\n  s: { account: load }\n  condition: s\n";
  const [detection] = load(text, "any").detections;
  const subject = { account: "load" };
  assert.equal(detection?.test({ ...event({ category: "approval" }), subject }), 2);
  assert.equal(detection?.test({ ...event({}), subject }), 2);
  assert.equal(detection?.test(command({ subject })), 0);
});

test("documents keep their lines, and what stands behind --- belongs to them", () => {
  const two = `# a comment\n---\n${head}${usual}${body}--- # the second\ntitle: second\nname: second\n${usual}${body}`;
  assert.deepEqual(
    load(two).rules.map(({ name }) => name),
    ["somebody_read", "second"],
  );
  refused(`${two}---\ntitle: third\nlogsource: 5\ndetection: {}\n`, "rule.invalid", /^r\.yml:35: logsource: /);
  refused(`${two}---\ntitle: [\n`, "rule.invalid", /^r\.yml:3[0-9]:/);
  assert.equal(load(`---\n---\n${head}${usual}${body}`).rules.length, 1);
});

test("a file that is too large, a bomb of aliases and a tower of brackets are errors", () => {
  refused(`# ${"x".repeat(limits.ruleFileBytesMax)}`, "rule.invalid", /^r\.yml:1: larger than 4194304 bytes: split/);
  const level = (name: string, of: string) => `${name}: &${name} [${Array(9).fill(`*${of}`).join(", ")}]\n`;
  const bomb = `a: &a [x]\n${level("b", "a")}${level("c", "b")}${level("d", "c")}${level("e", "d")}`;
  refused(bomb, "rule.invalid", /alias/i);
  refused("[".repeat(50_000), "rule.invalid", /^r\.yml:1/);
  refused(`title: t\ntitle: u\n${usual}${body}`, "rule.invalid", /^r\.yml:2/);
});

test("thousands of rules load, and more than the bound are refused by number", () => {
  const one = (n: number) =>
    `title: t${n}\n${usual}detection: { s: { resource|startswith: db/public.t${n} }, condition: s }\n`;
  const file = (from: number, count: number) => ({
    name: `r${from}.yml`,
    text: Array.from({ length: count }, (_, n) => one(from + n)).join("---\n"),
  });
  assert.equal(loadRules([file(0, 2_000)]).rules.length, 2_000);
  assert.throws(() => loadRules([file(0, 3)], { rulesMax: 2 }), /more than 2 rules/);
});
