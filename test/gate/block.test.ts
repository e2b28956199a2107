/** Standing orders: on the next command of sessions that are already open, until lifted or over; every one is an event. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BlockScope } from "../../schemas/event-data.ts";
import { command, createWorld, deletes, effect, person, reading, staging, type World, workload } from "./world.ts";

const extract = workload("extract");
const read = reading([effect("read", [`${staging}#note`])]);

function place(world: World, scope: BlockScope, expiresAtMs: number | null = null): void {
  const data = { block: "b1", scope, by: "olga", reason: "under investigation", expiresAtMs, approvers: [] };
  world.api.append({ type: "block.placed", subject: {}, data });
}

describe("a block", () => {
  it("refuses the next command of an open session, is acknowledged, and ends when lifted", async () => {
    const world = createWorld();
    const session = await world.session(extract);
    const next = () => world.judge(session, command(session, "SELECT", read));
    assert.equal(next().verdict.ruling, "allow");
    place(world, { identity: extract.key });
    const { verdict } = next();
    assert.equal(verdict.ruling, "block");
    assert.equal(verdict.stage, "block");
    assert.deepEqual(verdict.because, ["b1"]);
    assert.equal(verdict.sentence, "Blocked until somebody lifts it: under investigation");
    const [enforced] = world.log.of("block.enforced");
    assert.deepEqual(enforced?.data, { block: "b1", gateway: "gateway/m1", placedAtMs: world.now() });
    assert.equal(enforced?.subject.session, session.id);
    assert.equal(
      world.gate.preview(session, command(session, "SELECT", read, { kind: "parse" })).verdict.ruling,
      "block",
    );
    world.api.append({ type: "block.lifted", subject: {}, data: { block: "b1", by: "olga", reason: "done" } });
    assert.equal(next().verdict.ruling, "allow");
  });

  it("ends with its time, and that is said once", async () => {
    const world = createWorld();
    const session = await world.session(extract);
    place(world, { account: "loader" }, world.now() + 1_000);
    assert.equal(world.judge(session, command(session, "SELECT", read)).verdict.ruling, "block");
    world.pass(1_000);
    assert.equal(world.judge(session, command(session, "SELECT", read)).verdict.ruling, "allow");
    world.gate.tick();
    world.gate.tick();
    assert.equal(world.log.of("block.expired").length, 1);
  });

  it("stands after a restart", async () => {
    const world = createWorld();
    place(world, { identity: extract.key });
    const again = createWorld({ log: world.log.kept });
    const session = await again.session(extract);
    assert.equal(again.judge(session, command(session, "SELECT", read)).verdict.ruling, "block");
  });

  it("matches only when everything it names does", async () => {
    const ruling = async (scope: BlockScope, what = read, who = extract) => {
      const world = createWorld();
      const session = await world.session(who);
      place(world, scope.session === "own" ? { ...scope, session: session.id } : scope);
      return world.judge(session, command(session, "x", what)).verdict.ruling;
    };
    assert.equal(await ruling({ session: "own" }), "block");
    assert.equal(await ruling({ session: "other" }), "allow");
    assert.equal(await ruling({ task: "nightly", account: "loader" }), "block");
    assert.equal(await ruling({ task: "nightly", account: "other" }), "allow");
    assert.equal(await ruling({ resource: staging }), "block", "a column is in its table");
    assert.equal(await ruling({ resource: "orders" }), "block");
    assert.equal(await ruling({ resource: "orders/public.stag" }), "allow", "a name is no prefix");
    assert.equal(await ruling({ resource: staging, operations: ["delete"] }), "allow");
    assert.equal(await ruling({ resource: staging, operations: ["delete"] }, deletes()), "block");
    assert.equal(await ruling({ operations: ["grant"] }), "allow");
  });

  it("reaches what a COMMIT makes lasting, what cannot be read, and agents that act for the blocked", async () => {
    const world = createWorld({ opaque: "allow" });
    const session = await world.session(extract);
    place(world, { resource: staging, operations: ["delete"] });
    const commit = reading([], { transaction: { kind: "commit" } });
    const commits = [{ command: "c0", effect: effect("delete", [], [staging], true) }];
    assert.equal(world.judge(session, command(session, "COMMIT", commit), commits).verdict.ruling, "block");
    const opaque = reading([effect("read", ["orders"])], { opaque: "DO" });
    assert.equal(world.judge(session, command(session, "DO", opaque)).verdict.ruling, "block");
    const other = createWorld();
    place(other, { identity: person("ana").key });
    const agent = await other.session({ ...workload("agent"), kind: "agent", onBehalfOf: [person("ana").key] });
    assert.equal(other.judge(agent, command(agent, "SELECT", read)).verdict.ruling, "block");
  });

  it("outranks a hold: nobody is asked", async () => {
    const world = createWorld();
    world.answer = () => ({ ruling: "hold", sentence: "chain" });
    const session = await world.session(extract);
    place(world, { identity: extract.key });
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "block");
    assert.equal(world.log.of("approval.asked").length, 0);
    assert.equal(world.log.of("command.intended").length, 0);
  });
});

describe("a session whose Grant has ended", () => {
  it("runs nothing more", async () => {
    const world = createWorld();
    const session = await world.session(extract);
    session.ending = "the Grant was revoked";
    const { verdict } = world.judge(session, command(session, "SELECT", read));
    assert.equal(verdict.sentence, "This session has ended: the Grant was revoked.");
    assert.equal(world.gate.preview(session, command(session, "SELECT", read)).verdict.ruling, "block");
  });
});
