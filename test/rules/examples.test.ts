/** Rules like the examples of the Sigma specification, in our own words, over lines as another product would log them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runRules } from "../../services/correlator/offline.ts";

async function fired(rule: string, events: readonly object[]): Promise<string[]> {
  const lines = events.map((event, at) =>
    JSON.stringify({ id: `e${at + 1}`, time: `2026-01-01T00:00:${String(at).padStart(2, "0")}Z`, ...event }),
  );
  const found: string[] = [];
  const run = { rules: [{ name: "r.yml", text: rule }], catalog: null, events: lines };
  for await (const { event, action } of runRules(run)) found.push(`${event} ${action}`);
  return found;
}

test("one field, one value: a program by its whole path", async () => {
  const rule = `title: Who am I
references:
  - https://one.example/paper
author: somebody
date: 2019-10-23
logsource: { category: process_creation, product: windows }
detection:
  selection:
    Image: 'C:\\Windows\\System32\\whoami.exe'
  condition: selection
level: high
`;
  const events = [
    { Image: "C:\\Windows\\System32\\whoami.exe" },
    { Image: "c:\\windows\\system32\\WHOAMI.EXE", product: "windows" },
    { Image: "D:\\whoami.exe" },
    { Image: "C:\\Windows\\System32\\whoami.exe", product: "linux" },
    { ParentImage: "C:\\Windows\\System32\\whoami.exe" },
  ];
  assert.deepEqual(await fired(rule, events), ["e1 alert", "e2 alert"]);
});

test("words anywhere in the event, any of them or all", async () => {
  const rule = (keywords: string) =>
    `title: Words\nlogsource: { product: windows }\ndetection:\n  keywords:\n${keywords}\n  condition: keywords\n`;
  const events = [
    { Message: "Service EVILSERVICE installed" },
    { CommandLine: "svchost.exe -n evil -k" },
    { Message: "nothing of note", Data: { Param: ["x", "evilservice"] } },
    { Message: "svchost.exe" },
  ];
  assert.deepEqual(await fired(rule("    - 'EvilService'\n    - 'svchost.exe -n evil'"), events), [
    "e1 alert",
    "e2 alert",
    "e3 alert",
  ]);
  const all = rule("    '|all':\n      - 'OabVirtualDirectory'\n      - ' -ExternalUrl '");
  const exchange = [
    { Cmdlet: "Set-OabVirtualDirectory", Arguments: "x -ExternalUrl y" },
    { Cmdlet: "Set-OabVirtualDirectory" },
    { Line: "set-oabvirtualdirectory -externalurl y" },
  ];
  assert.deepEqual(await fired(all, exchange), ["e1 alert", "e3 alert"]);
});

test("a list of maps is any of them, a map all of it, a list of values any of them", async () => {
  const either = `title: Either
logsource: { product: windows }
detection:
  selection:
    - Image|endswith: '\\\\example.exe'
    - Description|contains: 'Test executable'
  condition: selection
`;
  assert.deepEqual(
    await fired(either, [
      { Image: "C:\\example.exe" },
      { Image: "C:\\other.exe", Description: "a test executable of ours" },
      { Image: "example.exe" },
    ]),
    ["e1 alert", "e2 alert"],
  );
  const both = `title: Cleared
logsource: { product: windows, service: security }
detection:
  selection:
    EventLog: Security
    EventID: [517, 1102]
  condition: selection
`;
  assert.deepEqual(
    await fired(both, [
      { EventLog: "security", EventID: 1102 },
      { EventLog: "Security", EventID: "517" },
      { EventLog: "Security", EventID: 518 },
      { EventLog: "System", EventID: 517 },
      { EventID: 517 },
    ]),
    ["e1 alert", "e2 alert"],
  );
  const weak = `title: Weak ticket
logsource: { product: windows, service: security }
detection:
  selection:
    EventLog: Security
    EventID: 4769
    TicketOptions: '0x40810000'
    TicketEncryption: '0x17'
  condition: selection
`;
  const ticket = { EventLog: "Security", EventID: 4769, TicketOptions: "0x40810000", TicketEncryption: "0x17" };
  assert.deepEqual(await fired(weak, [ticket, { ...ticket, TicketEncryption: "0x12" }]), ["e1 alert"]);
});

test("not null is a part of its own and a negation; null and the empty text are told apart", async () => {
  const rule = `title: Password set
logsource: { product: windows }
detection:
  selection:
    EventID: 4738
  filter:
    PasswordLastSet: null
  condition: selection and not filter
`;
  const events = [
    { EventID: 4738, PasswordLastSet: "2026-01-01" },
    { EventID: 4738, PasswordLastSet: null },
    { EventID: 4738 },
    { EventID: 4738, PasswordLastSet: "" },
  ];
  assert.deepEqual(await fired(rule, events), ["e1 alert", "e4 alert"]);
  const empty = `title: Empty
logsource: { product: windows }
detection:
  selection_main:
    FieldA: 'something'
  selection_empty1:
    FieldB: ''
  selection_empty2:
    FieldB: null
  condition: selection_main and 1 of selection_empty*
`;
  const fields = [{ FieldA: "something", FieldB: "" }, { FieldA: "something" }, { FieldA: "something", FieldB: "x" }];
  assert.deepEqual(await fired(empty, fields), ["e1 alert", "e2 alert"]);
  const both = empty.replace(/FieldB: ''/, "FieldB: ['', null]");
  await assert.rejects(fired(both, []), /r\.yml:7: detection\.selection_empty1\.FieldB: null is no value of a list/);
  const exists = `title: There
logsource: { product: windows }
detection:
  selection:
    EventID: 4738
    PasswordLastSet|exists: true
  condition: selection
`;
  assert.deepEqual(await fired(exists, events), ["e1 alert", "e2 alert", "e4 alert"]);
});

test("the selections and filters of a condition", async () => {
  const rule = (condition: string) => `title: Tools
logsource: { category: process_creation }
detection:
  selection_img:
    Image|endswith: ['\\one.exe', '\\two.exe']
  selection_cli:
    CommandLine|contains|all: [' -x ', ' -y ']
  filter_main_admin:
    User|startswith: adm_
  filter_optional_agent:
    ParentImage|re: '\\\\agent[0-9]+\\.exe$'
  condition: ${condition}
`;
  const hit = { Image: "C:\\one.exe", CommandLine: "one -y a -x b", User: "bob" };
  const events = [
    hit,
    { ...hit, User: "ADM_eve" },
    { ...hit, ParentImage: "C:\\agent12.exe" },
    { ...hit, CommandLine: "one -x b" },
    { User: "adm_eve" },
  ];
  const all = "all of selection_* and not 1 of filter_*";
  assert.deepEqual(await fired(rule(all), events), ["e1 alert"]);
  const some = "1 of selection_* and not 1 of filter_main_*";
  assert.deepEqual(await fired(rule(some), events), ["e1 alert", "e3 alert", "e4 alert"]);
  assert.deepEqual(
    await fired(rule("1 of them"), events),
    events.map((_, at) => `e${at + 1} alert`),
  );
});

test("a rule in another taxonomy names the fields of that log, which may lie inside objects", async () => {
  const rule = `title: A name was asked for
id: 545a5da6-f103-4919-a519-e9aec1026ee4
related: [{ id: 6c82cf5c-090d-4d57-9188-533577631108, type: similar }]
status: test
taxonomy: ecs
tags: [attack.defense-evasion, attack.t1211]
logsource: { category: network, service: dns }
detection:
  selection:
    dns.question.name: 'sigmahq'
  condition: selection
level: high
`;
  const events = [
    { dns: { question: { name: "SigmaHQ" } } },
    { "dns.question.name": "sigmahq", service: "dns" },
    { dns: { question: [{ name: "other" }, { name: "sigmahq" }] } },
    { "dns.question.name": "sigmahq", service: "http" },
    { dns: { question: "sigmahq" } },
  ];
  assert.deepEqual(await fired(rule, events), ["e1 alert", "e2 alert", "e3 alert"]);
});

test("lines of other products and commands stand in one file, each matched by its own fields", async () => {
  const rule = `title: Deletes, and logins that failed
logsource: { product: throughline, category: command }
detection:
  deletes: { operation: delete }
  login: { event: login, outcome: error }
  condition: 1 of them
`;
  const events = [
    { operation: "delete", writes: ["db/public.t"] },
    { event: "login", outcome: "error", account: "load" },
    { event: "login", outcome: "ok" },
    { operation: "delete", writes: ["db/public.t"], outcome: "error" },
  ];
  assert.deepEqual(await fired(rule, events), ["e1 alert", "e2 alert"]);
});
