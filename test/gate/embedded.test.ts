/**
 * The gate on the real journal with the real correlator: three accounts, one chain, the last step held before it is
 * forwarded, answered by somebody entitled, run once, and remembered over a restart.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { openBlobs } from "../../infra/blobs/blobs-folder.ts";
import { openKeys } from "../../infra/keys/keys-folder.ts";
import type { Entry } from "../../infra/log/entry.ts";
import { openJournal } from "../../infra/log/journal.ts";
import { loadPolicy } from "../../infra/policy/cedar.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { Reading, ResourceUri } from "../../schemas/command.ts";
import type { GrantId, Identity, TaskId } from "../../schemas/identity.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { chainRules } from "../../services/gateway/chain.ts";
import { Feed } from "../../services/gateway/feed.ts";
import { createGate, type Judgement } from "../../services/gateway/gate.ts";
import type { Session } from "../../services/gateway/session.ts";
import { openSession } from "../../services/gateway/sessions.ts";
import { catalog, command, customers, effect, person, reading, staging, tenant, workload } from "./world.ts";

const policyText = `permit (principal, action, resource) unless { action == Action::"reveal" };`;
const rule = `title: Read, copied, destroyed by different accounts
name: read_copy_destroy
level: critical
correlation:
  type: temporal_ordered
  rules: [pii_read, pii_transform, destructive]
  timespan: 24h
x-chain:
  mode: enforce
  links:
    - { from: pii_read, to: pii_transform, by: [lineage] }
    - { from: pii_transform, to: destructive, by: [flow, lineage] }
  distinct: { field: account, min: 2 }
  gate: { action: hold, approvers: [owners], escalate: [security], wait: 15m, unavailable: hold }
`;
const email = `${customers}#email` as ResourceUri;
const stagingEmail = `${staging}#email` as ResourceUri;
const copy: Reading = reading([{ ...effect("transform", [email], [stagingEmail]), flows: [[email, stagingEmail]] }]);
const read: Reading = reading([effect("read", [customers])], { shows: [email] });
const remove: Reading = reading([effect("delete", [], [staging], true)]);

async function open(folder: string) {
  const fatal = (error: Error) => {
    throw error;
  };
  const journal = await openJournal({ folder, tenant, name: "m1", now: Date.now, fatal });
  const [gateway, speaker, api] = [
    await journal.appender("gateway", "m1"),
    await journal.appender("correlator", "m1"),
    await journal.appender("api", "m1"),
  ];
  const feed = new Feed(tenant, catalog);
  const correlator = createCorrelator({ emit: (draft) => void speaker.append(draft), limits });
  const entries: Entry[] = [];
  await journal.foldFromStart((entry) => {
    correlator.fold(entry);
    feed.fold(entry);
    entries.push(entry);
  });
  correlator.goLive();
  const steps = await readFile(new URL("../../schemas/rules/steps.yml", import.meta.url), "utf8");
  const files = { "rules/steps.yml": steps, "rules/chain.yml": rule };
  const rules = chainRules(loadRules(Object.entries(files).map(([name, text]) => ({ name, text }))));
  const yaml = JSON.stringify(catalog.entries);
  if (entries.length < 5)
    gateway.append({
      type: "policy.changed",
      subject: {},
      data: { digest: "d", engine: engineVersion, files: { ...files, "catalog.yaml": yaml } },
    });
  assert.equal(correlator.problem, null);
  const keys = await openKeys(folder);
  const policy = loadPolicy({ text: policyText, file: "policy.cedar", catalog: catalog.version });
  const gate = createGate({
    shared: null,
    appender: gateway,
    feed,
    policy: () => policy,
    rules: () => rules,
    readerOf: () => null,
    blobs: openBlobs(folder),
    tenantKey: await keys.tenantKey(tenant),
    targetOf: () => ({ opaque: "hold", mode: "enforce" }),
    holds: { mode: "retry", waitMs: 60_000, approvers: ["owners"] },
    addressOf: (approval) => approval,
    newId: randomUUID,
    now: Date.now,
    after: (ms, call) => {
      const timer = setTimeout(call, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
    limits,
  });
  const parts = { appender: gateway, keys, grants: feed.grants, newId: randomUUID, now: Date.now };
  const session = async (identity: Identity, account: string): Promise<Session> => {
    const id = randomUUID();
    const task = { id: "nightly" as TaskId, justification: "j" };
    const times = { issuedAtMs: Date.now(), expiresAtMs: Date.now() + 60_000 };
    api.append({
      type: "grant.issued",
      subject: {},
      data: { grant: id, identity, account, target: "orders", task, ...times },
    });
    const grant = feed.grants.find(id as GrantId)?.grant;
    assert.ok(grant);
    const facts = { wire: "postgres" as const, clientAddress: "127.0.0.1:1", application: "psql", tls: false };
    return openSession({ ...parts, roleOf: () => account, commandsOf: gate.commandsOf }, grant, facts);
  };
  const run = (one: Session, text: string, what: Reading): Judgement => {
    const judgement = gate.judge(one, command(one, text, what, { id: randomUUID() as never }), [], false);
    assert.ok(!(judgement instanceof Promise), "embedded, the answer is there before the append returns");
    const outcome = { outcome: "ok", rows: 1, bytes: 1, tag: "", code: null, durationUs: 1, shown: true } as const;
    const lasted = what === read ? [] : [judgement.command.id];
    if (judgement.verdict.ruling === "allow" || judgement.verdict.ruling === "mask")
      gate.finished(one, judgement, { ...outcome, undone: [], lasted });
    return judgement;
  };
  const answer = (judgement: Judgement, by: Identity) => {
    const approval = judgement.held?.approval ?? "";
    const binding = feed.approvals.get(approval)?.binding ?? "";
    const who = { by: by.key, byName: by.name, kind: by.kind, groups: [...by.groups], reason: "seen" };
    api.append({
      type: "approval.answered",
      subject: { identity: by.key },
      data: { approval, binding, answer: "approve", ...who },
    });
  };
  const close = async () => {
    await journal.close();
    await keys.close();
  };
  return { journal, feed, gate, entries, session, run, answer, close, gateway };
}

async function folderFor(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "throughline-gate-"));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

describe("three accounts, one chain", () => {
  it("is held before its last step, approved by nobody in it, run once, and remembered", async (context) => {
    const folder = await folderFor(context);
    const house = await open(folder);
    const extract = await house.session(workload("extract", "owners"), "extract");
    const transform = await house.session(workload("transform", "owners"), "transform");
    const load = await house.session(workload("load", "owners"), "load");
    assert.equal(house.run(load, "DELETE 0", remove).verdict.ruling, "allow", "nothing was read yet");
    const masked = house.run(extract, "SELECT", read).verdict;
    assert.equal(masked.ruling, "mask");
    assert.equal(house.run(transform, "INSERT k7q SELECT", copy).verdict.ruling, "allow");
    assert.ok(house.feed.tags.of(stagingEmail).includes("pii.email"), "the tag travelled");
    const held = house.run(load, "DELETE", remove);
    assert.equal(held.verdict.ruling, "hold");
    assert.deepEqual(held.verdict.because, ["read_copy_destroy"]);
    assert.deepEqual(
      held.verdict.chains?.[0]?.steps.map((step) => step.account),
      ["extract", "transform", "load"],
    );
    for (const name of ["extract", "transform", "load"]) house.answer(held, { ...person(name, "owners") });
    const refused = house.entries.filter((entry) => entry.type === "approval.refused");
    assert.equal(refused.length, 3);
    assert.equal(house.run(load, "DELETE", remove).verdict.ruling, "hold");
    house.answer(held, person("olga", "owners"));
    const ran = house.run(load, "DELETE", remove);
    assert.equal(ran.verdict.ruling, "allow");
    assert.equal(ran.approved?.rule, "read_copy_destroy");
    await house.gateway.synced(ran.ticket);
    const after = house.run(load, "DELETE", remove);
    assert.equal(after.verdict.ruling, "hold");
    house.answer(after, person("olga", "owners"));
    await house.close();

    const again = await open(folder);
    const reopened = await again.session(workload("load", "owners"), "load");
    assert.equal(again.run(reopened, "DELETE", remove).verdict.ruling, "allow", "approved before the restart");
    assert.equal(again.run(reopened, "DELETE", remove).verdict.ruling, "hold", "and used since");
    await again.close();
    for (const name of await readdir(join(folder, "log"))) {
      const raw = await readFile(join(folder, "log", name));
      assert.equal(raw.includes("INSERT k7q"), false, "no text in the clear");
    }
  });
});
