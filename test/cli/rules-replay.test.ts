/** `throughline rules replay` as an operator runs it: the program itself over a data folder with a night in it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { openJournal } from "../../infra/log/journal.ts";
import type { Draft } from "../../infra/log/log.ts";
import { memoryLog } from "../store/memory-log.ts";
import { decide, effect, finish, openSession } from "../store/night.ts";

const root = join(import.meta.dirname, "..", "..");
const customers = "orders/public.customers";
const staging = "orders/public.staging";

const yaml = (data: string) => `
tenant: demo
name: one
data: ${data}
policy: ${data}/policy.cedar
catalog: ${data}/catalog.yaml
rules: ${data}/rules
gateway: { postgres: "127.0.0.1:6432", requireTls: false }
api: { listen: "127.0.0.1:8080", url: "http://127.0.0.1:8080", sessionHours: 8 }
identity: { issuer: "http://127.0.0.1:9000", clientId: console, audience: throughline, groupsClaim: groups, allowInsecure: true }
grants: { hours: 8 }
holds: { mode: wait, waitSeconds: 60, approvers: [owners] }
targets:
  - { name: orders, kind: postgres, address: "127.0.0.1:5432", database: orders, tls: disable, catalogAccount: owner, opaque: hold, mode: enforce, accounts: { owner: { user: owner } } }
`;
const step = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;
const chain = `title: Read, copied, destroyed\nname: new_rule\ncorrelation:\n  type: temporal_ordered\n  rules: [a, b, c]\n  timespan: 24h\nx-chain:\n  links: [{ from: b, to: c, by: [flow] }]\n  distinct: { field: account, min: 2 }\n  gate: { action: hold, approvers: [owners] }\n`;
const rules = [
  step("a", "{ operation: read, tags: pii }"),
  step("b", "{ operation: transform, tags: pii }"),
  step("c", "{ destroys: true }"),
  chain,
].join("---\n");

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "throughline-replay-"));
  await mkdir(join(folder, "rules"));
  await writeFile(join(folder, "policy.cedar"), "permit(principal, action, resource);\n");
  await writeFile(join(folder, "catalog.yaml"), `- { resource: "${customers}", tags: [pii] }\n`);
  await writeFile(join(folder, "throughline.yaml"), yaml(folder));
  await writeFile(join(folder, "new.yml"), rules);
  await record();
});
after(() => rm(folder, { recursive: true, force: true }));

/** No rule was in force: everything was allowed. */
async function record(): Promise<void> {
  const drafts = memoryLog(Date.now, "demo");
  const deeds = [
    ["extract", [effect("read", [customers], [])]],
    ["transform", [effect("transform", [customers], [staging])]],
    ["cleaner", [effect("delete", [], ["orders/public.other"], true)]],
    ["load", [effect("delete", [], [staging], true)]],
  ] as const;
  for (const [name, effects] of deeds) {
    openSession(drafts, name, `s-${name}`);
    decide(drafts, name, `s-${name}`, `c-${name}`, [...effects]);
    finish(drafts, name, `s-${name}`, `c-${name}`, 3);
  }
  const options = { folder, tenant: "demo", name: "one", now: Date.now, fatal: (error: Error) => assert.fail(error) };
  const journal = await openJournal(options);
  const gateway = await journal.appender("gateway", "one");
  let ticket = 0;
  for (const { envelope } of drafts.records) {
    const { type, data, ...more } = envelope;
    const names = ["session", "command", "identity", "account", "task", "target"] as const;
    const subject = Object.fromEntries(names.flatMap((name) => (more[name] === undefined ? [] : [[name, more[name]]])));
    ticket = gateway.append({ type, data, subject } as Draft);
  }
  await gateway.synced(ticket);
  await journal.close();
}

const run = (...words: string[]) =>
  promisify(execFile)(process.execPath, [
    join(root, "services/main.ts"),
    ...words,
    "--config",
    join(folder, "throughline.yaml"),
  ]);

test("a new rule says what it would have held in the log that there is: the command, the chain, the accounts", async () => {
  const { stdout, stderr } = await run("--json", "rules", "replay", join(folder, "new.yml"), "--since", "30d");
  const [only, ...more] = stdout.trim().split("\n");
  assert.deepEqual(more, []);
  const { rule, action, account, accounts, command, chain: ids } = JSON.parse(only ?? "");
  assert.deepEqual(
    { rule, action, account, accounts, command },
    {
      rule: "new_rule",
      action: "hold",
      account: "load",
      accounts: ["extract", "transform", "load"],
      command: "c-load",
    },
  );
  assert.equal(ids.length, 3);
  assert.match(stderr, /1 would have been held, 0 blocked, 0 told/);
});

test("people read a sentence, and only what came since is told", async () => {
  const told = await run("rules", "replay", join(folder, "new.yml"), "--since", "30d");
  assert.match(told.stdout, /hold +new_rule +by load/);
  assert.match(told.stdout, /Read, copied, destroyed: /);
  const later = await run("rules", "replay", join(folder, "new.yml"), "--since", "2999-01-01T00:00:00Z");
  assert.equal(later.stdout, "");
});

test("a store that nobody has filled, no rules at all and a day that does not exist are told with what to do", async () => {
  const replay = (...words: string[]) => run("rules", "replay", ...words);
  const rule = join(folder, "new.yml");
  await assert.rejects(
    replay(rule, "--since", "30d", "--sql"),
    /store is empty: run `throughline store rebuild` first/,
  );
  for (const sql of [[], ["--sql"]])
    await assert.rejects(replay("--since", "30d", ...sql), /\/rules holds no rule: name the files to replay/);
  for (const since of ["2026-02-31T00:00:00Z", "2026-13-01", "2026-02-29"])
    await assert.rejects(replay(rule, "--since", since), /request\.invalid: ".*" is no moment/);
  for (const since of ["2028-02-29", "2028-02-29T12:00:00+02:00"])
    assert.equal((await replay(rule, "--since", since)).stdout, "");
});

test("the store, asked by SQL, finds the same once it is filled", async () => {
  const words = ["rules", "replay", join(folder, "new.yml"), "--since", "30d"];
  await run("store", "rebuild");
  const bySql = await run("--json", ...words, "--sql");
  const byLog = await run("--json", ...words);
  const of = (text: string) => {
    const { rule, event, action, chain: ids, account, accounts } = JSON.parse(text);
    return { rule, event, action, ids, account, accounts };
  };
  assert.deepEqual(of(bySql.stdout), of(byLog.stdout));
});

test("files without a rule are an error, not an empty answer", async () => {
  await writeFile(join(folder, "none.yml"), "");
  await assert.rejects(
    run("rules", "replay", join(folder, "none.yml"), "--since", "30d"),
    /rule\.invalid: \S+\/none\.yml:1: holds no rule/,
  );
});
