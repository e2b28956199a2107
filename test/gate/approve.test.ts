/** Promise 4: an approval is one command, once; never by those it concerns; void when anything it was given for changed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Command } from "../../schemas/command.ts";
import type { CommittedEffect } from "../../schemas/event-data.ts";
import { chained, load, olga, otto, outcome } from "./chained.ts";
import { answers, command, createWorld, deletes, effect, reading, staging, type World, workload } from "./world.ts";

describe("a held command", () => {
  it("asks people durably, tells where, and runs exactly once after they said yes", async () => {
    const world = chained();
    const session = await world.session(load);
    const del = command(session, "DELETE FROM staging", deletes());
    const first = world.judge(session, del);
    assert.equal(first.verdict.ruling, "hold");
    assert.equal(first.held?.mode, "wait");
    assert.match(first.held?.address ?? "", /\/approvals\/id/);
    assert.deepEqual(
      world.log.kept.slice(-4).map(({ entry }) => entry.type),
      ["command.answered", "approval.asked", "command.held", "command.decided"],
    );
    assert.equal(await outcome(first.held), "pending");
    answers(world, first, olga);
    assert.equal(await first.held?.settled, "approved");
    const second = world.judge(session, del);
    assert.equal(second.verdict.ruling, "allow");
    assert.equal(second.verdict.stage, "approve");
    assert.deepEqual(second.approved, { rule: "chain", before: ["e1", "e2"] });
    const [used] = world.log.of("approval.used");
    const decided = world.log.of("command.decided").at(-1);
    assert.equal(used?.data.approval, first.held?.approval);
    assert.equal(decided?.data.approval, first.held?.approval);
    assert.equal(decided?.data.intent, world.log.of("command.intended").at(-1)?.id);
    const third = world.judge(session, command(session, "DELETE FROM staging", deletes()));
    assert.equal(third.verdict.ruling, "hold");
    assert.notEqual(third.held?.approval, first.held?.approval);
  });

  it("stays used after a crash, and an answer given before it is still there", async () => {
    const world = chained();
    const session = await world.session(load);
    const used = world.judge(session, command(session, "DELETE 1", deletes()));
    const waiting = world.judge(session, command(session, "DELETE 2", deletes()));
    answers(world, used, olga);
    answers(world, waiting, olga);
    assert.equal(world.judge(session, command(session, "DELETE 1", deletes())).verdict.ruling, "allow");
    const again = chained({ log: world.log.kept });
    const reopened = await again.session(load);
    assert.equal(again.judge(reopened, command(reopened, "DELETE 1", deletes())).verdict.ruling, "hold");
    assert.equal(again.judge(reopened, command(reopened, "DELETE 2", deletes())).verdict.ruling, "allow");
    assert.equal(again.judge(reopened, command(reopened, "DELETE 2", deletes())).verdict.ruling, "hold");
  });

  it("is not yet used when the crash came before it was durable, and then it did not run", async () => {
    const world = chained();
    const session = await world.session(load);
    const first = world.judge(session, command(session, "DELETE", deletes()));
    answers(world, first, olga);
    world.log.syncing = false;
    const second = world.judge(session, command(session, "DELETE", deletes()));
    assert.equal(second.verdict.ruling, "allow");
    assert.equal(world.gate.isDurable(session, second.ticket), false, "the proxy must not forward it yet");
    assert.ok(second.approved, "and knows that it must wait");
    const again = chained({ log: world.log.kept.slice(0, world.log.durable) });
    const reopened = await again.session(load);
    assert.equal(again.judge(reopened, command(reopened, "DELETE", deletes())).verdict.ruling, "allow");
  });

  it("is refused for good when somebody entitled refuses", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    answers(world, held, olga, "refuse");
    assert.equal(await held.held?.settled, "refused");
    answers(world, held, otto);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
  });

  it("expires, and a late answer permits nothing", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    world.pass(60_000);
    assert.equal(await held.held?.settled, "expired", "the connection waits as configured");
    assert.equal(world.log.of("approval.expired").length, 0, "the approval is open longer");
    world.pass(541_000);
    world.gate.tick();
    assert.equal(world.log.of("approval.expired").length, 1);
    answers(world, held, olga);
    assert.match(world.log.of("approval.refused").at(-1)?.data.reason ?? "", /nothing open/);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
  });

  it("answered between its end and the word of it is not approved", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    world.pass(600_001);
    answers(world, held, olga);
    assert.match(world.log.of("approval.refused").at(-1)?.data.reason ?? "", /expired|nothing open/);
    assert.equal(await held.held?.settled, "expired");
  });

  it("cannot be used after it expired, even when it was answered in time", async () => {
    const world = chained();
    const session = await world.session(load);
    answers(world, world.judge(session, command(session, "DELETE", deletes())), olga);
    world.pass(600_001);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
  });

  it("given up by the client ends the approval", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    held.held?.giveUp();
    held.held?.giveUp();
    assert.equal(await held.held?.settled, "expired");
    assert.equal(world.log.of("approval.expired").length, 1);
    answers(world, held, olga);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
  });

  it("ends whoever waits, and nothing else, when even the log's reserve has no room to say so", async () => {
    const world = chained({ parts: { holds: { mode: "wait", waitMs: 900_000, approvers: ["owners"] } } });
    const session = await world.session(load);
    const left = world.judge(session, command(session, "DELETE 1", deletes()));
    const late = world.judge(session, command(session, "DELETE 2", deletes()));
    world.log.full = true;
    left.held?.giveUp();
    assert.equal(await left.held?.settled, "expired");
    world.pass(600_000);
    assert.equal(await late.held?.settled, "expired");
    assert.equal(world.log.of("approval.expired").length, 0);
    world.log.full = false;
    world.pass(1);
    world.gate.tick();
    assert.deepEqual(
      world.log.of("approval.expired").map(({ data }) => data.approval),
      [left.held?.approval, late.held?.approval],
    );
  });

  it("waits no longer than the client lets a statement take, then may come again", async () => {
    const world = chained();
    const session = await world.session(load);
    session.statementMsMax = 5_000;
    const held = world.judge(session, command(session, "DELETE", deletes()));
    assert.equal((held.held?.untilMs ?? 0) - world.now(), 5_000);
    world.pass(5_000);
    assert.equal(await held.held?.settled, "expired");
    answers(world, held, olga);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "allow");
    session.statementMsMax = null;
    const patient = world.judge(session, command(session, "DELETE", deletes()));
    assert.ok((patient.held?.untilMs ?? 0) - world.now() > 5_000);
  });

  it("waits only shortly inside a transaction, then may come again", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()), [], true);
    assert.equal((held.held?.untilMs ?? 0) - world.now(), 30_000);
    world.pass(30_000);
    assert.equal(await held.held?.settled, "expired");
    answers(world, held, olga);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "allow");
  });

  it("in mode retry is the same approval until it is answered, also from another session of the same task", async () => {
    const world = chained({ holdMode: "retry" });
    const session = await world.session(load);
    const first = world.judge(session, command(session, "DELETE", deletes()));
    const again = world.judge(session, command(session, "DELETE", deletes()));
    assert.equal(first.held?.mode, "retry");
    assert.equal(again.held?.approval, first.held?.approval);
    assert.equal(world.log.of("approval.asked").length, 1);
    answers(world, first, olga);
    const other = await world.session(load);
    assert.equal(world.judge(other, command(other, "DELETE", deletes())).verdict.ruling, "allow");
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
  });
});

describe("an approval is void", () => {
  const differences: [string, (world: World) => Promise<{ ruling: string }>][] = [
    ["for another text", (world) => judgeAs(world, load, "DELETE  FROM staging")],
    ["for other parameters", (world) => judgeAs(world, load, "DELETE FROM staging", { parameters: ["2"] })],
    ["for other parameter types", (world) => judgeAs(world, load, "DELETE FROM staging", { parameterTypes: [25] })],
    ["when what it executes was prepared anew", (world) => judgeAs(world, load, "DELETE FROM staging", { uses: "x" })],
    ["when what it resolves to changed", (world) => judgeAs(world, load, "DELETE FROM staging", {}, "r1")],
    ["for another identity", (world) => judgeAs(world, workload("extract", "owners"), "DELETE FROM staging")],
    ["for another account", (world) => judgeAs(world, load, "DELETE FROM staging", {}, "r0", "dba")],
    ["for another task", (world) => judgeAs(world, load, "DELETE FROM staging", {}, "r0", "loader", "other")],
    [
      "when the policy changed",
      (world) => {
        world.policy = createWorld({ policy: `${"//"}\npermit (principal, action, resource);` }).policy;
        return judgeAs(world, load, "DELETE FROM staging");
      },
    ],
  ];
  for (const [name, judge] of differences)
    it(name, async () => {
      const world = chained();
      const session = await world.session(load);
      answers(
        world,
        world.judge(session, command(session, "DELETE FROM staging", deletes(), { parameters: ["1"] })),
        olga,
      );
      assert.equal((await judge(world)).ruling, "hold");
      const same = command(session, "DELETE FROM staging", deletes(), { parameters: ["1"] });
      assert.equal(world.judge(session, same).verdict.ruling, name.startsWith("when the policy") ? "hold" : "allow");
    });

  it("when a role was taken meanwhile", async () => {
    const world = chained();
    const session = await world.session(load);
    answers(world, world.judge(session, command(session, "DELETE", deletes())), olga);
    session.role = "admin";
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
  });

  it("when a reason comes up that people were not told", async () => {
    const world = chained();
    const session = await world.session(load);
    answers(world, world.judge(session, command(session, "DELETE", deletes())), olga);
    world.answer = chained({}, "chain", "second").answer;
    const held = world.judge(session, command(session, "DELETE", deletes()));
    assert.equal(held.verdict.ruling, "hold");
    assert.deepEqual(held.verdict.because, ["chain", "second"]);
    assert.equal(world.log.of("approval.expired").length, 1, "the first one is not left lying around");
  });

  it("for a COMMIT of anything else", async () => {
    const world = chained();
    const session = await world.session(load);
    const commit = (id: string): [Parameters<typeof command>[2], CommittedEffect[]] => [
      reading([effect("delete", [], [staging], true)], { transaction: { kind: "commit" } }),
      [{ command: id, effect: effect("delete", [], [staging], true) }],
    ];
    const [what, commits] = commit("c-a");
    answers(world, world.judge(session, command(session, "COMMIT", what), commits), olga);
    assert.equal(
      world.judge(session, command(session, "COMMIT", ...[commit("c-b")[0]]), commit("c-b")[1]).verdict.ruling,
      "hold",
    );
    assert.equal(world.judge(session, command(session, "COMMIT", what), commits).verdict.ruling, "allow");
  });
});

async function judgeAs(
  world: World,
  identity: typeof load,
  text: string,
  change: Partial<Command> = {},
  resolution = "r0",
  account = "loader",
  task = "nightly",
) {
  const session = await world.session(identity, account, task);
  const same = { parameters: ["1"], ...change };
  return world.judge(session, command(session, text, deletes(resolution), same)).verdict;
}
