/** What a rule file says and nothing would read: each of these once loaded, and the rule did less than it said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Logs } from "../../infra/rules/detection.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { ThroughlineError } from "../../schemas/errors.ts";

const about = "logsource: { product: throughline, category: command }\n";
const detection = (name: string) =>
  `title: ${name}\nname: ${name}\n${about}detection:\n  s: { operation: read }\n  condition: s\n`;
const steps = `${detection("r")}---\n${detection("d")}---\n`;
/** Its `correlation:` is line 17, what follows line 18. */
const chain = (keys: string, more = "") =>
  `${steps}title: c\nname: c\ncorrelation: { type: temporal_ordered, rules: [r, d], timespan: 1h${keys} }\n${more}`;

const load = (text: string, logs: Logs = "commands") => loadRules([{ name: "r.yml", text }], { logs });

type Refused = readonly [text: string, message: RegExp, code?: string];

function refused(cases: readonly Refused[], logs: Logs = "commands"): void {
  for (const [text, message, code = "rule.invalid"] of cases)
    assert.throws(
      () => load(text, logs),
      (error: ThroughlineError) => {
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, message);
        return true;
      },
      text,
    );
}

test("live, a field that no command has is refused wherever a rule names one", () => {
  const absent = `---\n${detection("q")}`;
  const who = ", group-by: [who], aliases: { who: { r: account, d: identity } }";
  const count = (field: string) =>
    `${steps}title: c\ncorrelation: { type: value_sum, rules: [r], timespan: 1h, condition: { field: ${field}, gte: 1 } }\n`;
  refused([
    [chain(", group-by: [acount]"), /^r\.yml:17: correlation\.group-by\.0: no command .*do you mean account\?/],
    [
      chain("", "x-chain: { distinct: { field: acount, min: 2 } }\n"),
      /^r\.yml:18: x-chain\.distinct\.field: no command/,
    ],
    [chain(", group-by: [who], aliases: { who: { r: acount, d: account } }"), /aliases\.who\.r: no command has/],
    [count("rowz"), /^r\.yml:16: correlation\.condition\.field: no command has the field "rowz"; do you mean rows\?/],
    [chain(who, `x-chain: { absent: { rule: q, between: [r, d] } }\n${absent}`), /who: does not say .*"q" is meant/],
    [chain(", group-by: [parentTask]"), /only plain events do \(throughline rules run\)/],
    [detection("x").replace("operation: read", "id: e1"), /detection\.s\.id: .*only plain events do/],
  ]);
  assert.equal(load(count("rows")).rules.length, 2);
  const whose = who.replace("d: identity", "d: identity, q: account");
  assert.equal(load(chain(whose, `x-chain: { until: q }\n${absent}`)).rules.length, 1);
  assert.equal(load(chain(", group-by: [chain.lineage]", `x-chain: { until: q }\n${absent}`)).rules.length, 1);
  assert.equal(load(chain(", group-by: [acount]"), "any").rules.length, 1);
});

test("live a firing's own key is a field, under the name that its correlation gives it", () => {
  const outer = (key: string) =>
    `---\ntitle: o\ncorrelation: { type: event_count, rules: [c], timespan: 1h, group-by: [${key}], condition: { gte: 2 } }\n`;
  const inner = chain(", group-by: [who], aliases: { who: { r: account, d: account } }\n");
  assert.equal(load(inner + outer("who")).rules.length, 1);
  refused([[inner + outer("whom"), /group-by\.0: no command has the field "whom"/]]);
});

test("distinct reads a field by its own name: an alias there would be left out", () => {
  const text = chain(
    ", group-by: [who], aliases: { who: { r: account, d: account } }",
    "x-chain: { distinct: { field: who, min: 2 } }\n",
  );
  refused([[text, /^r\.yml:18: x-chain\.distinct\.field: is read by its own name/, "rule.unsupported"]], "any");
});

test("an alias that nothing asks for, or that is about a rule which is no step, is a slip", () => {
  const by = (rules: string) => `, group-by: [who], aliases: { who: { ${rules} } }`;
  refused(
    [
      [
        chain(by("r: account, d: account, dd: account")),
        /^r\.yml:17: correlation\.aliases\.who\.dd: "dd" is no step; steps: r, d/,
      ],
      [
        chain(", aliases: { who: { r: account, d: account } }"),
        /aliases\.who: nothing asks for it: name it in group-by/,
      ],
    ],
    "any",
  );
});

test("a key one level too high is told where it belongs; a rule's own keys stay its own", () => {
  for (const key of ["gate", "distinct", "unless", "links", "absent", "until", "runs", "mode", "group-by-null"])
    refused([
      [chain("", `${key}: x\n`), new RegExp(`^r\\.yml:18: ${key}: belongs under x-chain; here nothing reads it`)],
    ]);
  for (const key of ["group-by", "group_by", "timespan", "Aliases", "rules", "type", "condition"])
    refused([[chain("", `${key}: x\n`), new RegExp(`^r\\.yml:18: ${key}: belongs under correlation`)]]);
  refused([
    [`${detection("r")}gate: { action: hold }\n`, /^r\.yml:7: gate: belongs under x-chain/],
    [`${detection("r")}timeframe: 5m\n`, /^r\.yml:7: timeframe: belongs under detection/],
  ]);
  assert.equal(load(`${detection("r")}type: ours\nrules: [1]\nregression_tests_path: x\nticket: 7\n`).rules.length, 1);
});

test("a key that stands too deep is told where it stands", () => {
  refused([
    [
      chain(", generate: true"),
      /^r\.yml:17: correlation\.generate: unknown key; it stands at the top, beside correlation/,
    ],
    [chain(", links: []"), /correlation\.links: unknown key; it stands under x-chain/],
    [chain("", "x-chain: { timespan: 1h }\n"), /x-chain\.timespan: unknown key; it stands under correlation/],
    [chain("", "x-chain: { gat: 1 }\n"), /x-chain\.gat: unknown key; known here: mode, links/],
  ]);
});

test("a file without a rule is refused: it would take away what it held before", () => {
  for (const text of ["", "\uFEFF", "# gone\n", "---\n---\n"])
    refused([[text, /^r\.yml:1: holds no rule: delete the file if none is meant/]]);
  assert.equal(loadRules([]).rules.length, 0);
});

test("what YAML has beyond plain data is refused, not read as something else", () => {
  const own = (yaml: string) => `${detection("r")}own: ${yaml}\n`;
  for (const tag of [
    "!include x",
    "!!js/function x",
    "!!binary aGk=",
    "!!timestamp 2026-01-01",
    "!!set { a, b }",
    "!<tag:x> y",
  ])
    refused([[own(tag), /^r\.yml:7:6: tags \(!name\) are not read: write the value itself$/]]);
  refused([
    [`common: &c { x-chain: { gate: { action: hold } } }\n${detection("r")}<<: *c\n`, /^r\.yml:8:1: << is not read/],
    [detection("r").replace("{ operation", "{ <<: { account: a }, operation"), /^r\.yml:5:8: << is not read/],
    [own("&x { y: *x }"), /^r\.yml:7:14: \*x stands inside what it stands for/],
    [`%YAML 1.1\n---\n${detection("r")}`, /^r\.yml:1:1: of the lines that begin with % only %YAML 1\.2 is read/],
    [`# new\n%OURS x\n---\n${detection("r")}`, /^r\.yml:2:1: of the lines that begin with %/],
    [`${detection("r")}...\n${detection("d")}`, /^r\.yml:8:1: a second document begins: put --- between rules/],
    [`${detection("r")}level: low\nlevel: low\n`, /^r\.yml:8:1: Map keys must be unique$/],
  ]);
  for (const text of [
    own("!!str 5"),
    own("&x [1, 2]\nalso: *x"),
    own("{ '<<': 1 }"),
    own("|\n  <<: as it is\n  %YAML"),
  ])
    assert.equal(load(text).rules.length, 1, text);
});

test("%YAML 1.2 may stand before any document", () => {
  const text = `# ours\n%YAML 1.2\n---\n${detection("r")}...\n# and\n%YAML 1.2\n---\n${detection("d")}`;
  assert.equal(load(text).rules.length, 2);
  assert.equal(load(`\uFEFF%YAML 1.2\n---\n${detection("r")}`).rules.length, 1);
  refused([[`${text}level: severe\n`, /^r\.yml:20: level: must be informational/]]);
});

test("two rules of one name are told by the key that both have", () => {
  const id = "0b9c7a52-4a57-4f53-9f0e-6f1d3f0a7c11";
  const twice = (from: string, to: string) =>
    `${detection("r").replace(from, to)}---\n${detection("r").replace(from, to)}`;
  refused([
    [twice("name: r\n", `id: ${id}\n`), /^r\.yml:9: id: r\.yml has "0b9c/],
    [twice("name: r\n", ""), /^r\.yml:7: title: r\.yml has "r" too/],
    [twice("", ""), /^r\.yml:9: name: r\.yml has "r" too/],
  ]);
});

test("falsepositives of a correlation may be one text, as the published schema has it; of a detection a list", () => {
  assert.equal(load(chain("", "falsepositives: a nightly job\n")).rules.length, 1);
  refused([
    [chain("", "falsepositives: x\n"), /^r\.yml:18: falsepositives: /],
    [`${detection("r")}falsepositives: a nightly job\n`, /^r\.yml:7: falsepositives: must be a list/],
  ]);
});

test("what the schema says as a pattern or a type is said with what to write", () => {
  const head = (line: string): string => `${detection("r")}${line}\n`;
  refused([
    [head("date: 2026/01/31"), /^r\.yml:7: date: must be a date such as "2026-01-31"$/],
    [head("id: seven"), /^r\.yml:7: id: must be a UUID, such as "0b9c/],
    [head("tags: [T1485]"), /^r\.yml:7: tags\.0: must be namespace\.name in lower case, such as attack\.t1485$/],
    [
      chain("").replace("timespan: 1h", "timespan: 1 hour"),
      /timespan: must be a number and s, m, h, d, w, M or y, such/,
    ],
    [chain("", "x-chain: { gate: { action: hold, wait: 15 } }\n"), /gate\.wait: must be a number and s, m, .* "90m"$/],
    [chain(", group-by: account"), /group-by: must be a list, such as \[account\]$/],
    [chain("").replace("rules: [r, d]", "rules: r"), /correlation\.rules: must be a list, such as \[first, second\]$/],
    [chain(", condition: { gte: '2' }"), /condition\.gte: must be a number, without quotes$/],
  ]);
});
