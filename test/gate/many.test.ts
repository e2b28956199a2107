/** Two gateways, correlators and an api over brokers in memory: what one allows, the other knows in time. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { ResourceUri } from "../../schemas/command.ts";
import { limits } from "../../schemas/limits.ts";
import type { ChainRules } from "../../services/gateway/chain.ts";
import type { GateParts } from "../../services/gateway/gate.ts";
import { SharedView } from "../../services/gateway/shared-view.ts";
import { MemoryBrokers, type MemoryBus } from "../log/memory-bus.ts";
import { type Gateway, many, until } from "./many.ts";
import { customers, effect, person, reading, staging, workload } from "./world.ts";

const email = `${customers}#email` as ResourceUri;
const stagingEmail = `${staging}#email` as ResourceUri;
const readsTagged = reading([effect("read", [customers])], { shows: [email] });
const copies = reading([{ ...effect("transform", [email], [stagingEmail]), flows: [[email, stagingEmail]] }]);
const removes = reading([effect("delete", [], [staging], true)]);
const plain = reading([effect("read", ["orders/public.countries"])]);
const olga = person("olga", "owners");

async function stage(t: TestContext, correlators = ["c1"], parts: Partial<GateParts> = {}) {
  const brokers = new MemoryBrokers(Date.now);
  const here = await many(["a", "b", "c1", "c2"], brokers.connect(), parts);
  t.after(() => here.end());
  const buses = new Map<string, MemoryBus>();
  const bus = (name: string) => {
    buses.set(name, brokers.connect());
    return buses.get(name)!;
  };
  const running = [];
  for (const name of correlators) running.push(await here.correlator(name, bus(name)));
  const a = await here.gateway("a", bus("a"));
  const b = await here.gateway("b", bus("b"));
  return { here, brokers, buses, a, b, correlators: running };
}

async function does(gateway: Gateway, grant: string, text: string, what: typeof copies) {
  const session = await gateway.session(grant);
  const judgement = await gateway.judge(session, text, what);
  await gateway.reached(session, judgement);
  if (judgement.verdict.ruling === "allow" || judgement.verdict.ruling === "mask") gateway.finish(session, judgement);
  return { session, judgement, ruling: judgement.verdict.ruling };
}

describe("two gateways", () => {
  it("hold the last step of a chain whose other steps went through the other one", async (t) => {
    const { here, a, b } = await stage(t, ["c1", "c2"]);
    const grants = ["extract", "transform", "load"].map((name) => here.grant(workload(name), name));
    await does(a, grants[0]!, "SELECT", readsTagged);
    await does(b, grants[1]!, "INSERT", copies);
    const { ruling, judgement } = await does(a, grants[2]!, "DELETE", removes);
    assert.equal(ruling, "hold");
    assert.deepEqual(judgement.verdict.because, ["read_copy_destroy"]);
  });

  it("know that who showed one certificate at either of them is one, and may not answer for himself", async (t) => {
    const { here, a, b } = await stage(t, ["c1", "c2"]);
    const certificate = { key: "ab".repeat(32), subject: "CN=x", issuer: "", serial: "", notAfterMs: 0 };
    const [extract, transform, load] = ["extract", "transform", "load"].map((name) => here.grant(workload(name), name));
    await does(a, extract!, "SELECT", readsTagged);
    await does(b, transform!, "INSERT", copies);
    await a.session(extract!, certificate);
    await b.session(here.grant(olga, "analyst"), certificate);
    const both = [olga.key, workload("extract").key].sort();
    for (const { feed } of [a, b]) await until(() => feed.people.linkedTo([olga.key]).length === 2);
    for (const { feed } of [a, b]) assert.deepEqual(feed.people.linkedTo([olga.key]), both);
    const { judgement } = await does(a, load!, "DELETE", removes);
    assert.equal(judgement.verdict.ruling, "hold");
    assert.ok(judgement.verdict.hold?.excluded.includes(olga.key), "she showed what a part of the chain showed");
  });

  it("both know a tag before the copy that brings it lasts", async (t) => {
    const { here, a, b, buses } = await stage(t);
    const grant = here.grant(workload("transform"), "transform");
    const session = await a.session(grant);
    buses.get("b")!.hold();
    const judgement = await a.judge(session, "INSERT", copies);
    await until(() => a.feed.tags.of(stagingEmail).length > 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(a.gate.isDurable(session, judgement.ticket), false, "b does not know it yet");
    buses.get("b")!.release();
    await a.reached(session, judgement);
    assert.deepEqual(b.feed.tags.of(stagingEmail), ["pii", "pii.email"]);
  });

  it("both know a tag that came with the answer to its intent, before the copy that brings it lasts", async (t) => {
    const { here, a, b, buses } = await stage(t, ["c1"], { targetOf: () => ({ opaque: "allow", mode: "enforce" }) });
    const session = await a.session(here.grant(workload("transform"), "transform"));
    buses.get("b")!.hold();
    // Opaque, so it asks: its tags are told with the answer, before it is decided.
    const judgement = await a.judge(session, "DO", { ...copies, opaque: "a DO block" });
    assert.equal(judgement.verdict.ruling, "allow");
    assert.deepEqual(a.feed.tags.of(stagingEmail), ["pii", "pii.email"]);
    await until(() => judgement.ticket <= a.log.appender.durable);
    await a.shared.shipped();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(a.gate.isDurable(session, judgement.ticket), false, "b does not know it yet");
    buses.get("b")!.release();
    await a.reached(session, judgement);
    assert.deepEqual(b.feed.tags.of(stagingEmail), ["pii", "pii.email"]);
  });

  it("use an approval once, though both try at the same moment", async (t) => {
    const { here, a, b } = await stage(t);
    const grants = ["extract", "transform", "load"].map((name) => here.grant(workload(name), name));
    await does(a, grants[0]!, "SELECT", readsTagged);
    await does(a, grants[1]!, "INSERT", copies);
    const { judgement: held } = await does(a, grants[2]!, "DELETE", removes);
    assert.equal(held.verdict.ruling, "hold");
    await here.approve(a, held, olga);
    const approved = ({ feed }: Gateway) => {
      const asked = feed.approvals.get(held.held!.approval);
      return asked !== null && feed.approvals.isApproved(asked);
    };
    await until(() => approved(a) && approved(b));
    const [one, other] = await Promise.all([
      does(a, grants[2]!, "DELETE", removes),
      does(b, grants[2]!, "DELETE", removes),
    ]);
    const rulings = [one.ruling, other.ruling];
    assert.equal(rulings.filter((ruling) => ruling === "allow").length, 1, rulings.join());
    // Refused when both had used it; asked anew when the first use was known already.
    const refused = one.ruling === "allow" ? other : one;
    if (refused.ruling === "block") assert.match(refused.judgement.verdict.sentence, /counts once/);
    else assert.equal(refused.ruling, "hold");
  });

  it("wait for the shared log only where it matters", async (t) => {
    const { here, a, buses } = await stage(t);
    const grant = here.grant(workload("extract"), "extract");
    const session = await a.session(grant);
    buses.get("a")!.cut("the cable");
    const [tagged, other] = [
      await a.judge(session, "SELECT", readsTagged),
      await a.judge(await a.session(grant), "SELECT 1", plain),
    ];
    await until(() => other.ticket <= a.log.appender.durable);
    assert.equal(a.gate.isDurable(session, tagged.ticket), false);
    const free = await a.session(grant);
    const again = await a.judge(free, "SELECT 1", plain);
    await a.reached(free, again);
    buses.get("a")!.mend();
    await a.reached(session, tagged);
  });

  it("refuse what reads when they have not heard from the shared log for too long, and only that", async (t) => {
    const { here, a, buses } = await stage(t);
    const grant = here.grant(workload("extract"), "extract");
    const session = await a.session(grant);
    const running = await a.judge(session, "SELECT * FROM countries", plain);
    assert.equal(a.gate.mayShow(session, running), true);
    buses.get("a")!.cut("the cable");
    const shared = a.log.shared!;
    const staleMs = shared.staleMs.bind(shared);
    t.mock.method(shared, "staleMs", () => staleMs() + limits.feedStaleMsMax);
    const refused = await a.judge(session, "SELECT", readsTagged);
    assert.deepEqual([refused.verdict.ruling, refused.verdict.because], ["block", ["feed.stale"]]);
    // Tags may have come to any table meanwhile; what reads none goes on.
    assert.equal((await a.judge(session, "SELECT * FROM countries", plain)).verdict.ruling, "block");
    assert.equal((await a.judge(session, "SELECT 1", reading([]))).verdict.ruling, "allow");
    assert.equal(a.gate.mayShow(session, running), false, "what ran meanwhile may have read what was tagged unseen");
    buses.get("a")!.mend();
  });

  it("do not use a name that the other one is redefining, and read the catalog again afterwards", async (t) => {
    const { here, a, b } = await stage(t);
    const grant = here.grant(workload("admin"), "admin");
    const session = await a.session(grant);
    const view = "orders/public.v" as ResourceUri;
    const defines = reading([effect("define", [], [view])], { changes: ["definitions"] as never });
    const uses = reading([effect("read", [view])]);
    const underWay = [uses];
    const reader = b.definitions.join({ underWay: () => underWay, searchPath: () => ["public"] });
    const judgement = await a.judge(session, "CREATE OR REPLACE VIEW", defines);
    await until(() => b.definitions.concern(reader, uses));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(a.gate.isDurable(session, judgement.ticket), false, "something that uses it is under way at b");
    underWay.length = 0;
    reader.stir();
    await a.reached(session, judgement);
    assert.equal(b.definitions.concern(reader, uses), true);
    a.finish(session, judgement);
    await until(() => !b.definitions.concern(reader, uses));
    assert.deepEqual(b.outdated, ["orders"]);
    reader.close();
  });

  it("go on with one correlator when the other dies, and hold when none is left", async (t) => {
    const { here, a, b, correlators } = await stage(t, ["c1", "c2"]);
    const grants = ["extract", "transform", "load"].map((name) => here.grant(workload(name), name));
    await does(a, grants[0]!, "SELECT", readsTagged);
    await correlators[0]!.stop();
    await does(b, grants[1]!, "INSERT", copies);
    assert.equal((await does(a, grants[2]!, "DELETE", removes)).ruling, "hold");
    await correlators[1]!.stop();
    const { judgement } = await does(b, grants[0]!, "DELETE", removes);
    assert.deepEqual([judgement.verdict.ruling, judgement.verdict.because], ["hold", ["correlator.unavailable"]]);
  });

  it("start again from what they kept, and fold the rest", async (t) => {
    const { here, brokers, a, b, buses } = await stage(t);
    const grants = ["extract", "transform", "load"].map((name) => here.grant(workload(name), name));
    await does(a, grants[0]!, "SELECT", readsTagged);
    await does(a, grants[1]!, "INSERT", copies);
    const { judgement } = await does(a, grants[2]!, "DELETE", removes);
    await here.approve(a, judgement, olga);
    const isThere = ({ feed }: Gateway) => (feed.approvals.get(judgement.held!.approval)?.answers.length ?? 0) > 0;
    await until(() => isThere(a) && isThere(b));
    await a.close();
    const late = here.grant(workload("late"), "late");
    await until(() => b.feed.grants.find(late) !== null);
    // What it folded before is no longer there to be read.
    brokers.trim("tl.acme.steps", 0, 3);
    const again = await here.gateway("a", buses.get("a")!);
    await until(() => again.feed.grants.find(late) !== null);
    assert.deepEqual(again.feed.kept(0), b.feed.kept(0));
    assert.equal((await does(again, grants[2]!, "DELETE", removes)).ruling, "allow");
  });

  it("do not start what was blocked while it waited for its record", async (t) => {
    const { here, a } = await stage(t);
    const session = await a.session(here.grant(workload("load"), "load"));
    const judgement = await a.judge(session, "INSERT", copies);
    assert.equal(a.gate.mayStart(session, judgement), null);
    const scope = { account: "load" };
    const data = { block: "b1", scope, by: "olga", reason: "stop", expiresAtMs: null, approvers: [] };
    here.api.append({ type: "block.placed", subject: {}, data });
    await until(() => a.feed.blocks.length === 1);
    assert.deepEqual(a.gate.mayStart(session, judgement)?.because, ["b1"]);
  });

  it("neither start nor show unasked what a tag made a last step of meanwhile", async (t) => {
    const mustAsk: ChainRules["mustAsk"] = ({ effects }, _, tagsOf) =>
      effects.some(({ reads }) => reads.some((uri) => tagsOf(uri).includes("pii")));
    const rules: ChainRules = {
      version: "r",
      mustAsk,
      mayStep: () => true,
      gateOf: () => null,
      unavailable: "hold",
    };
    const { here, a } = await stage(t, ["c1"], { rules: () => rules });
    const [reads, moves] = ["extract", "transform"].map((name) => here.grant(workload(name), name));
    const session = await a.session(reads!);
    const unasked = await a.judge(session, "SELECT * FROM staging", reading([effect("read", [staging])]));
    assert.deepEqual([a.gate.mayStart(session, unasked), a.gate.mayShow(session, unasked)], [null, true]);
    await does(a, moves!, "INSERT", copies);
    await until(() => a.feed.tags.of(staging).includes("pii"));
    assert.deepEqual(a.gate.mayStart(session, unasked)?.because, ["result.outdated"]);
    assert.equal(a.gate.mayShow(session, unasked), false);
  });

  it("do not place a block again that was lifted, when the other replica says it late", async (t) => {
    const { here, a, buses } = await stage(t);
    const { api } = here;
    const other = await here.world.share(here.world.machine("c2"), buses.get("b")!);
    const c2 = await other.appender("correlator", "c2");
    const id = "0123456789abcdef0123456789abcdef";
    const data = { block: id, scope: { account: "load" }, by: "rule x", reason: "r", expiresAtMs: null, approvers: [] };
    c2.append({ type: "block.placed", subject: {}, data, id });
    await until(() => a.feed.blocks.length === 1);
    await api.synced(
      api.append({ type: "block.lifted", subject: {}, data: { block: id, by: "olga", reason: "done" } }),
    );
    await until(() => a.feed.blocks.length === 0);
    c2.append({ type: "block.placed", subject: {}, data, id });
    await other.shipped();
    const mark = here.grant(workload("mark"), "mark");
    await until(() => a.feed.grants.find(mark) !== null);
    assert.deepEqual(a.feed.blocks, []);
  });

  it("propose files that changed, and do not undo each other by starting again", async (t) => {
    const { here, a, b, buses } = await stage(t);
    const proposed: string[] = [];
    const watching = b.shared.follow((entries) => {
      for (const entry of entries) if (entry.type === "policy.changed") proposed.push(entry.data.digest);
    });
    t.after(() => watching.close());
    const settled = async () => {
      await watching.caughtUp();
      return proposed.join();
    };
    assert.equal(await settled(), "d", "the first one, because the log had none");
    await a.close();
    const changed = await here.gateway("a", buses.get("a")!, "d2");
    await changed.shared.shipped();
    assert.equal(await settled(), "d,d2");
    await b.close();
    const other = await here.gateway("b", buses.get("b")!, "d");
    await other.shared.shipped();
    await changed.close();
    const again = await here.gateway("a", buses.get("a")!, "d2");
    await again.shared.shipped();
    assert.equal(await settled(), "d,d2");
  });
});

describe("what a gateway knows", () => {
  const view = () => {
    const clocks = { wall: 1_000_000, steady: 500 };
    const parts = { source: "gateway/a", said: () => 0, acknowledged: () => 0, goneMs: 6_000 };
    const shared = new SharedView({ ...parts, now: () => clocks.wall, steady: () => clocks.steady });
    const beat = (source: string, id: string) => {
      const about = { atMs: 0, role: "gateway" as const, subject: {} };
      const data = { upTo: "0", targets: ["orders"] };
      shared.fold({ type: "gateway.followed", id, source, data, ...about }, "1");
    };
    return { clocks, shared, beat };
  };

  it("is old by whichever clock says more", () => {
    const { clocks, shared, beat } = view();
    assert.equal(shared.staleMs(), Number.POSITIVE_INFINITY);
    shared.beats("h1");
    beat("gateway/a", "h1");
    clocks.steady += 7_000;
    clocks.wall -= 3_600_000;
    assert.equal(shared.staleMs(), 7_000, "the clock was set back");
    shared.beats("h2");
    beat("gateway/a", "h2");
    clocks.wall += 8_000;
    assert.equal(shared.staleMs(), 8_000, "the machine slept");
  });

  it("of others does not age when somebody sets the clock forward", () => {
    const { clocks, shared, beat } = view();
    beat("gateway/b", "x");
    clocks.wall += 3_600_000;
    assert.equal(shared.live("orders").length, 1);
    clocks.steady += 6_001;
    assert.equal(shared.live("orders").length, 0);
  });
});
