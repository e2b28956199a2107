/** Promise 4, the people: nobody answers for himself, one human counts once, two humans are two. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chained, load, olga, otto, outcome } from "./chained.ts";
import {
  answerAs,
  answers,
  command,
  createWorld,
  customers,
  deletes,
  effect,
  person,
  reading,
  type World,
  workload,
} from "./world.ts";

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
