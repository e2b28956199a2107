/** One correlator that lies, or that is late, neither stops the others nor lets a tag pass unseen. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import type { Draft } from "../../infra/log/log.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import type { Output } from "../../services/correlator/outputs.ts";
import { many, until } from "../gate/many.ts";
import { effect, person, reading, workload } from "../gate/world.ts";
import { MemoryBrokers } from "../log/memory-bus.ts";
import { forged } from "./forge.ts";

const customers = "orders/public.customers";
const readsCustomers = reading([effect("read", [customers])]);

async function stage(t: TestContext) {
  const brokers = new MemoryBrokers(Date.now);
  const here = await many(["a", "c1", "c2", "evil"], brokers.connect());
  t.after(() => here.end());
  await here.correlator("c1", brokers.connect());
  const a = await here.gateway("a", brokers.connect());
  const bus = brokers.connect();
  const { tenant } = here.world.sources;
  let first = 1;
  const lie = (draft: Draft) => {
    const value = forged(here.world, { source: "correlator/evil", stream: "steps", first: first++, drafts: [draft] });
    return bus.send([{ topic: `tl.${tenant}.steps`, partition: 0, key: tenant, value }]);
  };
  const heard: Entry[] = [];
  const following = a.shared.follow((entries) => void heard.push(...entries));
  here.world.defer(() => following.close());
  return { here, brokers, a, lie, heard };
}

describe("a correlator whose key somebody else has", () => {
  it("stops no other one, now or at its next start, and is named by an alert", async (t) => {
    const { here, brokers, a, lie, heard } = await stage(t);
    const tags = { resource: "orders/public.x", tags: ["pii"], from: [], event: "e" };
    await lie({ type: "resource.tagged", subject: {}, data: tags, id: "ab".repeat(16) });
    await lie({ type: "command.answered", subject: {}, data: answer("gateway/a/s/1"), id: "cd".repeat(16) });
    await lie({ type: "correlator.digested", subject: {}, data: { folded: 1, digest: "0" }, id: "ef".repeat(16) });
    const alerts = () => heard.filter(({ type }) => type === "alert.raised");
    await until(() => alerts().length > 0 || here.world.fatal.length > 0);
    await here.correlator("c2", brokers.connect());
    const session = await a.session(here.grant(workload("extract"), "extract"));
    const judgement = await a.judge(session, "SELECT", readsCustomers);
    await a.reached(session, judgement);
    assert.deepEqual(here.world.fatal, []);
    assert.equal(alerts().length, 1);
    const [alert] = alerts();
    assert.ok(alert?.type === "alert.raised" && alert.data.sentence.startsWith("correlator/evil"));
  });

  it("keeps nobody from what the others say by saying something else first under the same id", async (t) => {
    const { lie, heard, here, a } = await stage(t);
    const id = "ab".repeat(16);
    await lie({ type: "alert.raised", subject: {}, data: alert("nothing"), id });
    // What an honest one says under that id; here the same key says it, since followers look at the id alone.
    await lie({ type: "block.placed", subject: {}, data: block("b1", { account: "x" }), id });
    await until(() => a.feed.blocks.length > 0 || here.world.fatal.length > 0);
    assert.equal(heard.filter((entry) => entry.id === id).length, 2);
  });

  it("changes no block that stands", async (t) => {
    const { lie, a } = await stage(t);
    await lie({ type: "block.placed", subject: {}, data: block("b1", { account: "x" }), id: "ab".repeat(16) });
    await lie({ type: "block.placed", subject: {}, data: block("b1", { account: "nobody" }), id: "cd".repeat(16) });
    await lie({ type: "block.placed", subject: {}, data: block("b2", { account: "y" }), id: "ef".repeat(16) });
    await until(() => a.feed.blocks.some(({ id }) => id === "b2"));
    assert.deepEqual(
      a.feed.blocks.map(({ scope }) => scope.account),
      ["x", "y"],
    );
  });
});

describe("two correlators that keep to the log", () => {
  it("contest nothing of each other", async (t) => {
    const { here, brokers, a, heard } = await stage(t);
    await here.correlator("c2", brokers.connect());
    const staging = "orders/public.staging";
    const copies = reading([effect("transform", [`${customers}#email`], [`${staging}#email`])]);
    const steps = [readsCustomers, copies, reading([effect("delete", [], [staging], true)])];
    const rulings = [];
    for (const [index, what] of steps.entries()) {
      const session = await a.session(here.grant(workload(`w${index}`), `w${index}`));
      const judgement = await a.judge(session, `${index}`, what);
      await a.reached(session, judgement);
      rulings.push(judgement.verdict.ruling);
      if (judgement.verdict.ruling !== "hold") a.finish(session, judgement);
    }
    assert.equal(rulings[2], "hold");
    const both = () => new Set(heard.filter(({ type }) => type === "clock.ticked").map(({ source }) => source)).size;
    await until(() => both() === 2);
    assert.deepEqual(here.world.fatal, []);
    assert.deepEqual(
      heard.filter(({ type }) => type === "alert.raised"),
      [],
    );
  });
});

describe("what a correlator says that it has said", () => {
  it("is not everything while it keeps its outputs back, or while they wait for room", () => {
    const sent: Output[] = [];
    const correlator = createCorrelator({ emit: (output) => void sent.push(output), limits, source: "correlator/one" });
    assert.equal(correlator.speaks, false);
    correlator.goLive();
    assert.equal(correlator.speaks, true);
    correlator.fallBehind();
    assert.equal(correlator.speaks, false);
  });
});

const answer = (intent: string) => ({
  ...{ intent, ruling: "allow" as const, enforced: [], observed: [], excluded: [], sentence: "" },
});
const alert = (title: string) => ({
  ...{ alert: "x", kind: "clock.jumped" as const, level: "low", title, sentence: "", about: "" },
});
const block = (id: string, scope: object) => ({
  ...{ block: id, scope, by: person("olga", "owners").key, reason: "r", expiresAtMs: null, approvers: [] },
});
