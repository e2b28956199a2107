/** What policy promises at the gate: masks, refusals, holds; unknown means everything; a tag counts when it arrives. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Policy } from "../../infra/policy/policy.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import { command, createWorld, customers, effect, person, reading, staging, type World, workload } from "./world.ts";

const email = `${customers}#email` as ResourceUri;
const name = `${customers}#name` as ResourceUri;
const ana = person("ana", "analysts");
const selectStar = reading([effect("read", [customers])], { shows: [name, email] });

async function rule(world: World, what: Parameters<typeof command>[2], identity = ana) {
  const session = await world.session(identity);
  return world.judge(session, command(session, "x", what)).verdict;
}

describe("columns", () => {
  it("are masked where reveal is not permitted, and shown where it is", async () => {
    const world = createWorld();
    const verdict = await rule(world, selectStar);
    assert.equal(verdict.ruling, "mask");
    assert.deepEqual(verdict.masks, [email]);
    assert.equal((await rule(world, selectStar, person("tess", "trusted"))).ruling, "allow");
  });

  it("that cannot be masked refuse the command", async () => {
    const verdict = await rule(createWorld(), reading([effect("read", [email])], { reveals: [email] }));
    assert.equal(verdict.ruling, "block");
    assert.match(verdict.sentence, /customers#email may not be seen by ana and cannot be masked here/);
  });

  it("may be copied with read and write alone, without reveal", async () => {
    const copy = reading([
      { ...effect("transform", [customers], [staging]), flows: [[email, `${staging}#email` as ResourceUri]] },
    ]);
    assert.equal((await rule(createWorld(), copy)).ruling, "allow");
    const readOnly = `permit (principal, action == Action::"read", resource);`;
    assert.equal((await rule(createWorld({ policy: readOnly }), copy)).ruling, "block");
    const writeOnly = `permit (principal, action == Action::"write", resource);`;
    assert.equal((await rule(createWorld({ policy: writeOnly }), copy)).ruling, "block");
  });

  it("a forbid on transform counts although write is permitted", async () => {
    const policy = `permit (principal, action, resource); @id("no-copies") forbid (principal, action == Action::"transform", resource);`;
    const verdict = await rule(createWorld({ policy }), reading([effect("transform", [customers], [staging])]));
    assert.deepEqual(verdict.because, ["no-copies"]);
  });

  it("without a tag ask once as their table; a forbid on one tagged column is seen behind SELECT *", async () => {
    const world = createWorld();
    const asked: string[] = [];
    const inner = world.policy;
    const spy: Policy = {
      ...inner,
      ask(identity, action, resource, tags, context) {
        asked.push(`${action} ${resource}`);
        return inner.ask(identity, action, resource, tags, context);
      },
    };
    world.policy = spy;
    const plain = ["a", "b", "c"].map((column) => `orders/public.notes#${column}`);
    await rule(world, reading([effect("read", plain)], { shows: plain as ResourceUri[] }));
    assert.deepEqual(asked, ["read orders/public.notes"]);
    const card = `permit (principal, action, resource); forbid (principal, action == Action::"read", resource == Resource::"${email}");`;
    assert.equal((await rule(createWorld({ policy: card }), selectStar)).ruling, "block");
  });
});

describe("a repeated command", () => {
  it("is judged again when a tag travels to what it reads, and when the tag is taken away", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const column = `${staging}#note` as ResourceUri;
    const what = reading([effect("read", [column])], { shows: [column] });
    const ruling = () => world.judge(session, command(session, "x", what)).verdict.ruling;
    assert.equal(ruling(), "allow");
    const correlator = world.log.appender("correlator", "m1");
    const tagged = { resource: column, tags: ["pii.email"], from: [email], event: "e" };
    correlator.append({ type: "resource.tagged", subject: {}, data: tagged });
    assert.equal(ruling(), "mask");
    const untagged = { resource: staging, tags: ["pii.email"], by: "olga", reason: "pseudonymised" };
    world.api.append({ type: "resource.untagged", subject: {}, data: untagged });
    assert.equal(ruling(), "allow");
  });

  it("that still runs shows no more when a tag travels to what it reads, unless it would be permitted as it is", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const columns = ["note", "other"].map((name) => `${staging}#${name}` as ResourceUri);
    const judged = columns.map((column) =>
      world.judge(session, command(session, "x", reading([effect("read", [column])], { shows: [column] }))),
    );
    const shown = () => judged.map((judgement) => world.gate.mayShow(session, judgement));
    assert.deepEqual(shown(), [true, true]);
    const tagged = { resource: columns[0]!, tags: ["pii.email"], from: [email], event: "e" };
    world.log.appender("correlator", "m1").append({ type: "resource.tagged", subject: {}, data: tagged });
    assert.deepEqual(shown(), [false, true]);
    const masked = world.judge(session, command(session, "x", judged[0]!.command.reading));
    assert.deepEqual([masked.verdict.ruling, world.gate.mayShow(session, masked)], ["mask", true]);
  });

  it("sees a column's travelled tag on its table, its schema and its target", async () => {
    const policy = `permit (principal, action, resource); forbid (principal, action == Action::"read", resource in Tag::"pii");`;
    const world = createWorld({ policy });
    const session = await world.session(ana);
    const ruling = (uri: string) =>
      world.judge(session, command(session, "x", reading([effect("read", [uri])]))).verdict.ruling;
    assert.equal(ruling("orders/other.copy"), "allow");
    const tagged = { resource: "orders/other.copy#note", tags: ["pii.email"], from: [email], event: "e" };
    world.log.appender("correlator", "m1").append({ type: "resource.tagged", subject: {}, data: tagged });
    assert.equal(ruling("orders/other.copy"), "block");
    assert.equal(ruling("orders/other"), "block");
    assert.equal(ruling("orders/other.copy#else"), "allow");
  });

  it("is judged again when the minute changes, if a policy reads the clock", async () => {
    const policy = `permit (principal, action, resource) when { context.time.toTime() < duration("12h1m") };`;
    const world = createWorld({ policy });
    const session = await world.session(ana);
    const what = reading([effect("read", ["orders/public.notes"])]);
    const ruling = () => world.judge(session, command(session, "x", what)).verdict.ruling;
    assert.equal(ruling(), "allow");
    world.pass(60_000);
    assert.equal(ruling(), "block");
  });

  it("asks policy nothing", async () => {
    const world = createWorld();
    let asked = 0;
    const inner = world.policy;
    world.policy = {
      ...inner,
      ask: (...args) => {
        asked += 1;
        return inner.ask(...args);
      },
    };
    const session = await world.session(ana);
    world.judge(session, command(session, "x", selectStar));
    const before = asked;
    world.judge(session, command(session, "x", selectStar));
    assert.ok(before > 0);
    assert.equal(asked, before);
  });
});

describe("a command that cannot be read", () => {
  const all = reading([effect("read", ["orders"]), effect("write", ["orders"], ["orders"], true)], {
    opaque: "DO block",
    reveals: ["orders" as ResourceUri],
    undoable: false,
  });

  it("is held by default, blocked or allowed as the target says", async () => {
    const held = await rule(createWorld(), all, workload("loader"));
    assert.equal(held.ruling, "hold");
    assert.deepEqual(held.hold?.needs, [{ approvers: ["owners"], humans: 1 }]);
    assert.equal((await rule(createWorld({ opaque: "block" }), all)).ruling, "block");
    assert.equal((await rule(createWorld({ opaque: "allow" }), all)).ruling, "allow");
  });

  it("is not held for an account that can read nothing tagged, and held while that is not known", async () => {
    const blind = { resources: () => [email], canRead: () => false };
    assert.equal((await rule(createWorld({ parts: { readerOf: () => blind } }), all)).ruling, "allow");
    assert.equal((await rule(createWorld({ parts: { readerOf: () => null } }), all)).ruling, "hold");
  });

  it("is everything: any forbid on anything it might do counts", async () => {
    const policy = `permit (principal, action, resource); @id("no-grants") forbid (principal, action == Action::"grant", resource);`;
    assert.deepEqual((await rule(createWorld({ policy, opaque: "allow" }), all)).because, ["no-grants"]);
    const readers = `permit (principal, action == Action::"read", resource);`;
    assert.equal((await rule(createWorld({ policy: readers, opaque: "allow" }), all)).ruling, "block");
  });
});

describe("errors and notices", () => {
  it("are scrubbed for whatever touches tagged data that may not be revealed, or cannot be read", async () => {
    const world = createWorld();
    const session = await world.session(ana);
    const trusted = await world.session(person("tess", "trusted"));
    const insert = reading([effect("write", [], [customers])]);
    assert.equal(world.gate.scrubs(session, insert), true);
    assert.equal(world.gate.scrubs(trusted, insert), false);
    assert.equal(world.gate.scrubs(session, reading([effect("write", [], [staging])])), false);
    assert.equal(world.gate.scrubs(trusted, reading([], { opaque: "unknown function" })), true);
  });
});

describe("policy in observe mode", () => {
  it("is recorded with the decision and not obeyed", async () => {
    const policy = `permit (principal, action, resource); @id("try") @mode("observe") forbid (principal, action == Action::"read", resource);`;
    const world = createWorld({ policy });
    assert.equal((await rule(world, reading([effect("read", [staging])]))).ruling, "allow");
    assert.match(world.log.kept.at(-1)?.json ?? "", /"ruling":"allow".*"observed":\["try"\]/);
  });
});

describe("the strictest answer", () => {
  it("wins: a block over a hold, a hold over a mask, which keeps its columns", async () => {
    const policy = `permit (principal, action in [Action::"read", Action::"delete"], resource);
      @hold("dba") forbid (principal, action == Action::"delete", resource == Resource::"${staging}")
      unless { context.approvals.contains("dba") };
      forbid (principal, action == Action::"delete", resource == Resource::"orders/public.audit");`;
    const both = reading([effect("read", [customers]), effect("delete", [], [staging])], { shows: [email] });
    const held = await rule(createWorld({ policy }), both);
    assert.equal(held.ruling, "hold");
    assert.deepEqual(held.masks, [email]);
    const worse = reading([...both.effects, effect("delete", [], ["orders/public.audit"])], { shows: [email] });
    assert.equal((await rule(createWorld({ policy }), worse)).ruling, "block");
  });
});
