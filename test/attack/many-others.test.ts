/** One gateway, owned, speaks for itself alone: what others did, hold and define is theirs to end. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Draft } from "../../infra/log/log.ts";
import { People } from "../../infra/policy/people.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import { Approvals } from "../../services/gateway/approvals.ts";
import { type Gateway, many, until } from "../gate/many.ts";
import { customers, effect, person, reading, staging, workload } from "../gate/world.ts";
import { MemoryBrokers, type MemoryBus } from "../log/memory-bus.ts";
import { forged } from "./forge.ts";

const email = `${customers}#email` as ResourceUri;
const stagingEmail = `${staging}#email` as ResourceUri;
const readsTagged = reading([effect("read", [customers])], { shows: [email] });
const copies = reading([{ ...effect("transform", [email], [stagingEmail]), flows: [[email, stagingEmail]] }]);
const removes = reading([effect("delete", [], [staging], true)]);
const olga = person("olga", "owners");

async function stage(t: TestContext) {
  const brokers = new MemoryBrokers(Date.now);
  const here = await many(["a", "b", "c1", "evil"], brokers.connect());
  t.after(() => here.end());
  const buses = new Map<string, MemoryBus>();
  const bus = (name: string) => {
    buses.set(name, brokers.connect());
    return buses.get(name)!;
  };
  await here.correlator("c1", bus("c1"));
  const a = await here.gateway("a", bus("a"));
  const b = await here.gateway("b", bus("b"));
  const own = brokers.connect();
  const { tenant } = here.world.sources;
  let first = 1;
  /** What gateway/evil says; resolves when a has read it. */
  const lie = async (draft: Draft) => {
    const value = forged(here.world, { source: "gateway/evil", stream: "steps", first: first++, drafts: [draft] });
    await own.send([{ topic: `tl.${tenant}.steps`, partition: 0, key: tenant, value }]);
    await seen(a);
  };
  const seen = async (gateway: Gateway) => {
    const grant = here.grant(workload("anybody"), "anybody");
    await until(() => gateway.feed.grants.find(grant) !== null);
  };
  return { here, a, b, buses, lie, seen };
}

async function does(gateway: Gateway, grant: string, text: string, what: typeof copies) {
  const session = await gateway.session(grant);
  const judgement = await gateway.judge(session, text, what);
  await gateway.reached(session, judgement);
  const { ruling } = judgement.verdict;
  if (ruling === "allow" || ruling === "mask") gateway.finish(session, judgement);
  return { session, judgement, ruling };
}

const undone = (command: string): Draft<"command.finished"> => ({
  type: "command.finished",
  subject: { session: "s", command },
  data: {
    ...{ outcome: "error", rows: 0, bytes: 0, tag: "", code: "57014", durationUs: 1, shown: false },
    ...{ undone: [command], lasted: [] },
  },
});

describe("an approval", () => {
  it("is used up by nobody when the log had it refused, expired or voided before", () => {
    const rita = person("rita", "owners");
    for (const [before, atMs] of [
      ["refused", 2],
      ["linked", 2],
      ["nothing", 99],
      ["nothing", 2],
    ] as const) {
      const people = new People();
      const approvals = new Approvals(people);
      const say = (type: string, data: object, at = 1, id = type) => {
        const entry = { type, id, atMs: at, source: "x", role: "api", subject: { identity: "ana" }, data } as never;
        people.fold(entry);
        approvals.fold(entry);
      };
      const about = { approval: "A", binding: "B" };
      const answer = (by: typeof rita, what: string) =>
        say("approval.answered", { ...about, answer: what, by: by.key, kind: by.kind, groups: by.groups });
      const needs = [{ approvers: ["owners"], humans: 1 }];
      say("approval.asked", { ...about, needs, excluded: [], because: [], expiresAtMs: 50 });
      answer(olga, "approve");
      if (before === "refused") answer(rita, "refuse");
      if (before === "linked")
        say("identity.linked", { identities: [olga.key, "ana"], strength: "strong", evidence: [] });
      say("approval.used", about, atMs, "the use");
      assert.equal(approvals.usedBy("A"), before === "nothing" && atMs === 2 ? "the use" : "", `${before} ${atMs}`);
    }
  });

  it("is one question: nobody asks another under its id", async (t) => {
    const { here, a, lie } = await stage(t);
    const grants = ["extract", "transform", "load"].map((name) => here.grant(workload(name), name));
    await does(a, grants[0]!, "SELECT", readsTagged);
    await does(a, grants[1]!, "INSERT", copies);
    const { judgement } = await does(a, grants[2]!, "DELETE", removes);
    const id = judgement.held!.approval;
    await until(() => a.feed.approvals.get(id) !== null);
    const before = structuredClone(a.feed.approvals.get(id));
    const asked = { approval: id, binding: "other", approvers: ["everybody"], humans: 1, excluded: [], escalate: [] };
    const shown = { expiresAtMs: Date.now() + 1e9, sentence: "harmless", because: [], chains: [], statements: [] };
    const data = { ...asked, ...shown, resources: [], text: { bytes: 0, hash: "" } };
    await lie({ type: "approval.asked", subject: {}, data });
    assert.deepEqual(a.feed.approvals.get(id), before);
  });
});

describe("an owned gateway", () => {
  it("undoes no step of another one: the last is held all the same", async (t) => {
    const { here, a, b, lie } = await stage(t);
    const grants = ["extract", "transform", "load"].map((name) => here.grant(workload(name), name));
    await does(a, grants[0]!, "SELECT", readsTagged);
    const session = await a.session(grants[1]!);
    const copy = await a.judge(session, "INSERT", copies);
    await a.reached(session, copy);
    const { id } = copy.command;
    const facts = { kind: "query", effects: [], opaque: null, transaction: { kind: "none" as const }, undoable: true };
    await lie(undone(id));
    await lie({ ...undone("other"), data: { ...undone(id).data } });
    await lie({ type: "session.closed", subject: { session: session.id }, data: closed });
    await lie({
      type: "command.intended",
      subject: { session: session.id, command: id },
      data: { ...facts, commits: [] },
    });
    await lie({ type: "command.decided", subject: { session: session.id, command: id }, data: refusedData(facts) });
    a.finish(session, copy);
    const { ruling, judgement } = await does(b, grants[2]!, "DELETE", removes);
    assert.equal(ruling, "hold");
    assert.deepEqual(judgement.verdict.because, ["read_copy_destroy"]);
  });

  it("ends no definition that another one is making", async (t) => {
    const { here, a, b, lie, seen } = await stage(t);
    const view = "orders/public.customer_names" as ResourceUri;
    const defines = reading([effect("define", [], [view])], { changes: ["definitions"], statements: ["CREATE VIEW"] });
    const session = await b.session(here.grant(workload("transform"), "transform"));
    const judgement = await b.judge(session, "CREATE OR REPLACE VIEW", defines);
    await b.reached(session, judgement);
    await seen(a);
    const mine = a.definitions.join({ underWay: () => [], searchPath: () => [] });
    const uses = reading([effect("read", [view])]);
    assert.ok(mine.mayRead(uses) !== null);
    await lie({ ...undone(judgement.command.id), data: { ...undone(judgement.command.id).data } });
    await lie({ type: "session.closed", subject: { session: session.id }, data: closed });
    assert.ok(mine.mayRead(uses) !== null, "still being made");
    b.finish(session, judgement);
    await until(() => mine.mayRead(uses) === null);
  });

  it("ends no block before its time, and none that has no end", async (t) => {
    const { here, a, lie, seen } = await stage(t);
    const about = { by: olga.key, reason: "r", approvers: [] };
    for (const [block, expiresAtMs] of [
      ["b1", null],
      ["b2", Date.now() + 3_600_000],
    ] as const)
      here.api.append({
        type: "block.placed",
        subject: {},
        data: { block, scope: { account: block }, ...about, expiresAtMs },
      });
    await seen(a);
    for (const block of ["b1", "b2"]) await lie({ type: "block.expired", subject: {}, data: { block } });
    assert.deepEqual(
      a.feed.blocks.map(({ id }) => id),
      ["b1", "b2"],
    );
  });
});

const closed = { reason: "r", commands: 1, clientBytes: 0, targetBytes: 0 };
const refusedData = (facts: object): never =>
  ({
    ...facts,
    ...{ ruling: "block", stage: "deny", because: [], sentence: "", masks: [], text: { bytes: 0, hash: "" } },
    ...{ parameters: null, parameterCount: 0, fingerprint: "", statements: [], resolution: "", policy: "" },
    ...{ approval: null, intent: null },
  }) as never;
