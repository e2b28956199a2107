/** Chains at the gate: who must ask does, before the target sees anything; without an answer the rule's word counts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GateParts } from "../../services/gateway/gate.ts";
import {
  answers,
  command,
  createWorld,
  deletes,
  effect,
  evidence,
  person,
  reading,
  staging,
  workload,
} from "./world.ts";

const load = workload("load");
const hold = () => ({
  ruling: "hold" as const,
  enforced: [evidence("chain", "e1")],
  sentence: "It would be complete.",
});

describe("the chain stage", () => {
  it("asks only for what can be a last step, with what the command would do", async () => {
    const world = createWorld();
    const session = await world.session(load);
    world.judge(session, command(session, "SELECT", reading([effect("read", [staging])])));
    assert.equal(world.log.of("command.intended").length, 0);
    const del = command(session, "DELETE", deletes());
    world.judge(session, del);
    const [intended] = world.log.of("command.intended");
    assert.equal(intended?.subject.command, del.id);
    assert.deepEqual(intended?.data.effects, del.reading.effects);
    assert.equal(world.log.of("command.decided").at(-1)?.data.intent, intended?.id);
  });

  it("asks for a COMMIT by what it makes lasting, with the approvals it ran under", async () => {
    const world = createWorld();
    const session = await world.session(load);
    const commit = reading([], { transaction: { kind: "commit" } });
    world.judge(session, command(session, "COMMIT", commit));
    assert.equal(world.log.of("command.intended").length, 0);
    const approved = { rule: "chain", before: ["e1"] };
    const commits = [{ command: "c0", effect: effect("delete", [], [staging], true), approved }];
    world.answer = hold;
    const judgement = world.judge(session, command(session, "COMMIT", commit), commits);
    assert.equal(judgement.verdict.ruling, "hold");
    assert.deepEqual(world.log.of("command.intended")[0]?.data.commits, commits);
  });

  it("is not asked about policy again at COMMIT", async () => {
    const world = createWorld({ policy: `forbid (principal, action, resource);` });
    const session = await world.session(load);
    const commit = reading([effect("write", [], [staging])], { transaction: { kind: "commit" } });
    assert.equal(world.judge(session, command(session, "COMMIT", commit)).verdict.ruling, "allow");
    const opaque = reading([effect("write", [], ["orders"])], {
      transaction: { kind: "commit" },
      opaque: "two statements",
    });
    assert.equal(world.judge(session, command(session, "DELETE; COMMIT", opaque)).verdict.ruling, "block");
  });

  it("names rule, story and people", async () => {
    const world = createWorld();
    world.answer = () => ({ ...hold(), excluded: ["x|extract"] });
    const session = await world.session(load);
    const { verdict } = world.judge(session, command(session, "DELETE", deletes()));
    assert.deepEqual(verdict.because, ["chain"]);
    assert.equal(verdict.sentence, "It would be complete.");
    assert.deepEqual(verdict.hold?.approvers, ["owners"]);
    const [asked] = world.log.of("approval.asked");
    assert.deepEqual(asked?.data.excluded, [load.key, "x|extract"].sort());
    assert.deepEqual(
      asked?.data.chains.map((one) => one.rule),
      ["chain"],
    );
  });

  it("obeys a block", async () => {
    const world = createWorld();
    world.answer = () => ({ ...hold(), ruling: "block" });
    const session = await world.session(load);
    assert.equal(world.judge(session, command(session, "DELETE", deletes())).verdict.stage, "chain");
    assert.equal(world.log.of("approval.asked").length, 0);
  });

  it("only records on a target in observe mode, and what rules in observe mode say", async () => {
    const world = createWorld({ mode: "observe" });
    world.answer = hold;
    const session = await world.session(load);
    const { verdict } = world.judge(session, command(session, "DELETE", deletes()));
    assert.equal(verdict.ruling, "allow");
    assert.deepEqual(verdict.observed, ["chain"]);
    const other = createWorld();
    other.answer = () => ({ observed: [evidence("trial", "e1")] });
    const open = await other.session(load);
    const observed = other.judge(open, command(open, "DELETE", deletes())).verdict;
    assert.equal(observed.ruling, "allow");
    assert.deepEqual(observed.observed, ["trial"]);
  });
});

describe("without an answer", () => {
  const unanswered = async (unavailable: "allow" | "hold" | "block") => {
    const rules: ReturnType<GateParts["rules"]> = {
      version: "r",
      mustAsk: ({ effects }) => effects.some((one) => one.destroys),
      mayStep: () => true,
      gateOf: () => null,
      unavailable,
    };
    const world = createWorld({ parts: { rules: () => rules } });
    world.answer = () => null;
    const session = await world.session(load);
    const pending = world.gate.judge(session, command(session, "DELETE", deletes()), [], false);
    assert.ok(pending instanceof Promise);
    world.pass(1_999);
    assert.equal(world.log.of("command.decided").length, 0);
    world.pass(1);
    return { world, judgement: await pending };
  };

  it("the rule's unavailable decides, in time", async () => {
    assert.equal((await unanswered("block")).judgement.verdict.ruling, "block");
    assert.equal((await unanswered("hold")).judgement.verdict.ruling, "hold");
    const { judgement } = await unanswered("allow");
    assert.equal(judgement.verdict.ruling, "allow");
    assert.deepEqual(judgement.verdict.observed, ["correlator.unavailable"]);
  });

  it("the hold can be answered, and a late answer of the correlator changes nothing", async () => {
    const { world, judgement } = await unanswered("hold");
    const intent = world.log.of("command.intended")[0]?.id ?? "";
    const data = { intent, ruling: "allow" as const, enforced: [], observed: [], excluded: [], sentence: "" };
    world.log.appender("correlator", "m1").append({ type: "command.answered", subject: {}, data });
    answers(world, judgement, person("olga", "owners"));
    assert.equal(await judgement.held?.settled, "approved");
  });

  it("that comes later than at once the command waits for it", async () => {
    const world = createWorld();
    world.answer = () => null;
    const session = await world.session(load);
    const pending = world.gate.judge(session, command(session, "DELETE", deletes()), [], false);
    const intent = world.log.of("command.intended")[0]?.id ?? "";
    const data = { intent, enforced: [], observed: [], excluded: [], sentence: "no", ruling: "block" as const };
    world.log.appender("correlator", "m1").append({ type: "command.answered", subject: {}, data });
    assert.equal((await pending).verdict.ruling, "block");
  });
});
