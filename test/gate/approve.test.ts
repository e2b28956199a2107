/** Promise 4: an approval is one command, once; never by those it concerns; void when anything it was given for changed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CommittedEffect } from "../../schemas/event-data.ts";
import type { Held } from "../../services/gateway/gate.ts";
import {
  answerAs,
  answers,
  command,
  createWorld,
  customers,
  deletes,
  effect,
  evidence,
  person,
  reading,
  staging,
  type World,
  type WorldOptions,
  workload,
} from "./world.ts";

const olga = person("olga", "owners");
const otto = person("otto", "owners");
const load = workload("load", "owners");

/** Every DELETE completes the chain `chain` of extract and transform. */
function chained(options: WorldOptions = {}, ...rulesFound: string[]): World {
  const world = createWorld(options);
  const rules = rulesFound.length > 0 ? rulesFound : ["chain"];
  world.answer = () => ({
    ruling: "hold",
    enforced: rules.map((rule) => evidence(rule, "e1", "e2")),
    excluded: ["extract", "transform", "load"].map((name) => workload(name).key),
    sentence: "This would complete read, copy, destroy.",
  });
  return world;
}

async function outcome(held: Held | null): Promise<string> {
  const pending = Promise.resolve("pending");
  return Promise.race([held?.settled ?? Promise.resolve("not held"), pending]);
}

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
    assert.equal(world.gate.isDurable(second.ticket), false, "the proxy must not forward it yet");
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
  change: { parameters?: string[] } = {},
  resolution = "r0",
  account = "loader",
  task = "nightly",
) {
  const session = await world.session(identity, account, task);
  const same = { parameters: ["1"], ...change };
  return world.judge(session, command(session, text, deletes(resolution), same)).verdict;
}

describe("nobody answers for himself", () => {
  const refused = async (by: ReturnType<typeof person>, reason: RegExp, prepare: (world: World) => void = () => {}) => {
    const world = chained();
    prepare(world);
    const session = await world.session({ ...load, kind: "person" });
    const held = world.judge(session, command(session, "DELETE", deletes()));
    answers(world, held, by);
    assert.equal(await outcome(held.held), "pending");
    assert.match(world.log.of("approval.refused").at(-1)?.data.reason ?? "none", reason);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
  };
  const link = (world: World, ...identities: string[]) =>
    world.api.append({ type: "identity.linked", subject: {}, data: { identities, strength: "strong", evidence: [] } });

  it("not the requester", () => refused({ ...load, kind: "person" }, /requester/));
  it("not somebody linked to the requester", () =>
    refused(person("load-admin", "owners"), /linked/, (world) => link(world, load.key, person("load-admin").key)));
  it("not linked by way of a third", () =>
    refused(person("x", "owners"), /linked/, (world) => {
      link(world, load.key, person("y").key);
      link(world, person("y").key, person("x").key);
    }));
  it("not somebody who was linked only after people were asked", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    link(world, olga.key, load.key);
    answers(world, held, olga);
    assert.match(world.log.of("approval.refused").at(-1)?.data.reason ?? "", /linked/);
  });
  it("but a weak link excludes nobody", async () => {
    const world = chained();
    const session = await world.session(load);
    const identities = [olga.key, load.key];
    world.api.append({ type: "identity.linked", subject: {}, data: { identities, strength: "weak", evidence: [] } });
    const held = world.judge(session, command(session, "DELETE", deletes()));
    answers(world, held, olga);
    assert.equal(await held.held?.settled, "approved");
  });
  it("not a member of the chain, nor anybody linked to one", async () => {
    await refused(person("extract", "owners"), /chain/);
    await refused(person("twin", "owners"), /linked/, (world) =>
      link(world, person("twin").key, person("transform").key),
    );
  });
  it("not an agent or a workload", () => refused(workload("bot", "owners"), /only a person/));
  it("not somebody outside the group", () => refused(person("ivan", "investigators"), /not in a group/));

  it("not the person on whose behalf an agent asks", async () => {
    const world = chained();
    const session = await world.session({ ...workload("agent"), kind: "agent", onBehalfOf: [olga.key] });
    const held = world.judge(session, command(session, "DELETE", deletes()));
    answers(world, held, olga);
    assert.equal(await outcome(held.held), "pending");
  });

  it("not for another command's id, and not twice", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    answerAs(world, held.held?.approval ?? "", "another binding", olga, "approve");
    assert.equal(await outcome(held.held), "pending");
    assert.match(world.log.of("approval.refused").at(-1)?.data.reason ?? "", /another command/);
  });

  it("and an answer stops counting when its giver turns out to be part of it", async () => {
    const world = chained();
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    answers(world, held, olga);
    link(world, olga.key, load.key);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "hold");
    const later = world.judge(session, command(session, "DELETE b", deletes()));
    answers(world, later, otto);
    const answer = world.answer;
    world.answer = (facts, intent) => ({ ...answer(facts, intent), excluded: [otto.key] });
    assert.equal(world.judge(session, command(session, "DELETE b", deletes())).verdict.ruling, "hold");
    assert.match(world.log.of("approval.refused").at(-1)?.data.reason ?? "", /took part/);
  });
});

describe("two humans", () => {
  const policy = `permit (principal, action, resource);
    @id("two") @hold("owners:2") forbid (principal, action == Action::"delete", resource)
    unless { context.approvals.contains("owners") };`;

  it("are two humans: neither one person twice nor two linked identities", async () => {
    const world = createWorld({ policy });
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    answers(world, held, olga);
    answers(world, held, olga);
    assert.match(world.log.of("approval.refused").at(-1)?.data.reason ?? "", /already/);
    const olgas = [olga.key, person("olga-admin").key];
    world.api.append({
      type: "identity.linked",
      subject: {},
      data: { identities: olgas, strength: "strong", evidence: [] },
    });
    answers(world, held, person("olga-admin", "owners"));
    assert.equal(await outcome(held.held), "pending");
    answers(world, held, otto);
    assert.equal(await held.held?.settled, "approved");
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "allow");
  });

  it("of different reasons are asked in one approval, and one human fills one place", async () => {
    const dba = policy.replaceAll("owners:2", "dba").replaceAll('"owners"', '"dba"');
    const world = chained({ policy: dba });
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    assert.deepEqual([...held.verdict.because].sort(), ["chain", "two"]);
    assert.equal(world.log.of("approval.asked").length, 1);
    assert.equal(world.log.of("approval.asked")[0]?.data.humans, 2);
    answers(world, held, person("both", "dba", "owners"));
    assert.equal(await outcome(held.held), "pending");
    answers(world, held, person("dan", "dba"));
    assert.equal(await held.held?.settled, "approved");
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "allow");
  });
});

describe("people", () => {
  it("are not flooded: beyond the limit an identity's holds are blocks", async () => {
    const world = chained();
    const session = await world.session(load);
    for (let index = 0; index < 20; index += 1)
      assert.equal(world.judge(session, command(session, `DELETE ${index}`, deletes())).verdict.ruling, "hold");
    const verdict = world.judge(session, command(session, "DELETE 20", deletes())).verdict;
    assert.equal(verdict.ruling, "block");
    assert.deepEqual(verdict.because, ["holds.too_many"]);
  });

  it("are not flooded by asking and giving up in turns either; what was approved does not count", async () => {
    const world = chained();
    const session = await world.session(load);
    for (let index = 0; index < 30; index += 1) {
      const text = `DELETE ok ${index}`;
      answers(world, world.judge(session, command(session, text, deletes())), olga);
      assert.equal(world.judge(session, command(session, text, deletes())).verdict.ruling, "allow");
    }
    for (let index = 0; index < 20; index += 1)
      world.judge(session, command(session, `DELETE ${index}`, deletes())).held?.giveUp();
    const again = () => world.judge(session, command(session, "DELETE more", deletes())).verdict.ruling;
    assert.equal(again(), "block");
    world.pass(900_000);
    assert.equal(again(), "hold");
  });

  it("are named at once when nobody of them is left, and the rule's others may answer", async () => {
    const world = chained();
    await world.session(person("extract", "owners"));
    const session = await world.session(load);
    const held = world.judge(session, command(session, "DELETE", deletes()));
    assert.match(held.verdict.sentence, /Nobody known in owners may answer this, so security may\./);
    answers(world, held, person("sam", "security"));
    assert.equal(await held.held?.settled, "approved");
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.ruling, "allow");
  });
});

describe("a masked command that is approved", () => {
  it("keeps its masks", async () => {
    const policy = `permit (principal, action in [Action::"read", Action::"write"], resource);
      @hold("owners") forbid (principal, action == Action::"read", resource) when { resource.tags.contains("pii") }
      unless { context.approvals.contains("owners") };`;
    const world = createWorld({ policy });
    const session = await world.session(load);
    const what = reading([effect("read", [customers])], { shows: [`${customers}#email` as never] });
    const held = world.judge(session, command(session, "SELECT", what));
    assert.equal(held.verdict.ruling, "hold");
    answers(world, held, olga);
    const after = world.judge(session, command(session, "SELECT", what));
    assert.equal(after.verdict.ruling, "mask");
    assert.deepEqual(after.verdict.masks, [`${customers}#email`]);
    assert.deepEqual(after.approved, { rule: "", before: [] });
  });
});
