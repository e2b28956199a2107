/** Rules that change while gateways and correlators run, over brokers in memory and over the journal of one machine. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { sayPolicy } from "../../infra/policy/packed.ts";
import { loadRules } from "../../infra/rules/load.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import type { Config } from "../../schemas/config.ts";
import type { EventData } from "../../schemas/event-data.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { chainRules } from "../../services/gateway/chain.ts";
import { withBefore } from "../../services/gateway/chain-before.ts";
import { Feed } from "../../services/gateway/feed.ts";
import { type GatewayLog, openOwnLog } from "../../services/main-gateway-log.ts";
import { type PolicyFiles, PolicyInForce } from "../../services/main-policy.ts";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { type Gateway, many, until } from "./many.ts";
import { catalog, customers, effect, reading, staging, tenant, workload } from "./world.ts";

const email = `${customers}#email` as ResourceUri;
const copies = reading([{ ...effect("transform", [email], [staging]), flows: [[email, staging as ResourceUri]] }]);
const removes = reading([effect("delete", [], [staging], true)]);

const detection = (name: string, selection: string) =>
  `title: ${name}\nname: ${name}\nlogsource: { product: throughline, category: command }\ndetection:\n  selection: ${selection}\n  condition: selection\n`;
const chainOf = (name: string, first: string) =>
  `title: ${name}\nname: ${name}\ncorrelation:\n  type: temporal_ordered\n  rules: [${first}, gone]\n  timespan: 1h\nx-chain:\n  links: [{ from: ${first}, to: gone, by: [resource] }]\n  gate: { action: hold, approvers: [owners] }\n`;
const gone = detection("gone", "{ destroys: true }");
const oldRules = {
  "rules/r.yml": [gone, detection("granted", "{ operation: grant }"), chainOf("old", "granted")].join("---\n"),
};
const newRules = {
  "rules/r.yml": [gone, detection("copied", "{ operation: transform }"), chainOf("new", "copied")].join("---\n"),
};
const yaml = JSON.stringify(catalog.entries);

async function filesOf(rules: Readonly<Record<string, string>>, digest: string): Promise<PolicyFiles> {
  const policy = await readFile(new URL("../../infra/deploy/demo/policy.cedar", import.meta.url), "utf8");
  const loaded = loadRules(Object.entries(rules).map(([name, text]) => ({ name, text })));
  const texts = { ...rules, "policy.cedar": policy, "catalog.yaml": yaml };
  return { catalog, policy: {} as never, rules: loaded, pipelines: [], texts, digest };
}

async function does(gateway: Gateway, grant: string, text: string, what: typeof copies): Promise<string> {
  const session = await gateway.session(grant);
  const judgement = await gateway.judge(session, text, what);
  await gateway.reached(session, judgement);
  if (judgement.verdict.ruling === "allow") gateway.finish(session, judgement);
  return `${judgement.verdict.ruling} ${judgement.verdict.because.join()}`.trim();
}

describe("new rules, many machines", () => {
  it("hold what was begun before they came, at every correlator alike, also one that was killed meanwhile", async (t) => {
    const brokers = new MemoryBrokers(Date.now);
    const here = await many(["a", "c1", "c2"], brokers.connect());
    t.after(() => here.end());
    const first = await here.correlator("c1", brokers.connect());
    await here.correlator("c2", brokers.connect());
    const a = await here.gateway("a", brokers.connect());
    const entries: Entry[] = [];
    const watching = a.shared.follow((some) => void entries.push(...some));
    t.after(() => watching.close());
    const grant = here.grant(workload("load"), "load");
    assert.equal(await does(a, grant, "INSERT", copies), "allow");
    const steps = await readFile(new URL("../../schemas/rules/steps.yml", import.meta.url), "utf8");
    const files = { ...newRules, "rules/steps.yml": steps, "catalog.yaml": yaml };
    sayPolicy(a.log.appender, { digest: "new", engine: engineVersion, files });
    await first.stop();
    await until(() =>
      entries.some(({ type, data }) => type === "rules.switched" && "digest" in data && data.digest === "new"),
    );
    await here.correlator("c1", brokers.connect());
    assert.equal(await does(a, grant, "DELETE", removes), "hold new");
    const answers = () =>
      entries.filter(({ type, data }) => type === "command.answered" && "ruling" in data && data.ruling === "hold");
    await until(() => answers().length > 0);
    assert.equal(new Set(answers().map(({ id, data }) => JSON.stringify([id, data]))).size, 1);
    assert.deepEqual([here.world.fatal, entries.filter(({ type }) => type === "alert.raised")], [[], []]);
  });
});

async function open(t: TestContext, folder: string, files: PolicyFiles) {
  const around = {
    ...{ version: "test", now: Date.now, newId: randomUUID },
    fatal: (error: Error) => assert.fail(error),
    fault: (error: unknown) => assert.fail(String(error)),
  };
  const feed = new Feed(tenant, catalog);
  const inForce = new PolicyInForce(files, () => {});
  const readers = { definitionsOf: () => null, outdate: () => {} } as never;
  const config = { name: "m1", data: folder, tenant } as unknown as Config;
  const log = await openOwnLog({ config, files, inForce, feed, readers, around });
  t.after(() => log.close());
  return { log, inForce, feed };
}

/** @returns what the correlator rules of a command that is asked about now */
function ask({ log, feed }: { log: GatewayLog; feed: Feed }, effects: readonly object[]): string {
  const subject = { session: "s", command: randomUUID(), identity: "i", account: "load", target: "orders" };
  let ruling = "";
  feed.onAnswer(log.appender.nextId("steps"), (answer) => {
    ruling = answer.ruling;
  });
  const facts = { kind: "query", effects, opaque: null, undoable: true, transaction: { kind: "none" } };
  log.appender.append({ type: "command.intended", subject, data: { ...facts, commits: [] } as never });
  const decided = { ...facts, ruling, approval: null, intent: null, statements: [], fingerprint: "" };
  log.appender.append({ type: "command.decided", subject, data: decided as unknown as EventData["command.decided"] });
  return ruling;
}

describe("new rules, one machine", () => {
  it("take over after a start with other files, and guard what was done before", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "throughline-rules-"));
    t.after(() => rm(folder, { recursive: true }));
    const [old, next] = [await filesOf(oldRules, "old"), await filesOf(newRules, "next")];
    const before = await open(t, folder, old);
    assert.equal(ask(before, copies.effects), "allow");
    await before.log.close();
    const after = await open(t, folder, next);
    await until(() => after.inForce.before.length === 0);
    assert.equal(after.log.refolding?.state, null);
    assert.equal(ask(after, removes.effects), "hold");
    await after.log.close();
    const again = await open(t, folder, next);
    assert.equal(again.inForce.before.length, 0);
    assert.equal(ask(again, removes.effects), "hold");
  });
});

describe("until correlators answer by new rules", () => {
  it("a gateway asks whatever the old ones ask as well, by the tags that their catalog gives", async () => {
    const tagged = detection("tagged", "{ operation: read, tags: pii }");
    const own = "x-chain: { gate: { action: block, approvers: [owners] } }\n";
    const before = chainRules(loadRules([{ name: "rules/r.yml", text: tagged + own }]));
    const now = chainRules(loadRules([{ name: "rules/r.yml", text: newRules["rules/r.yml"] }]));
    const facts = { kind: "query", effects: [effect("read", [customers])], opaque: null, undoable: true } as never;
    const subject = { account: "load" };
    const nothing = () => [];
    const both = withBefore(now, [{ rules: before, tagsOf: catalog.tagsOf }]);
    assert.equal(now.mustAsk(facts, subject, nothing), false);
    assert.equal(both.mustAsk(facts, subject, nothing), true);
    assert.equal(both.gateOf("tagged")?.action, "block");
    assert.equal(both.gateOf("new")?.action, "hold");
    assert.equal(withBefore(now, []), now);
  });
});
