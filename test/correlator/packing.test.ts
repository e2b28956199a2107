/** A kept step is packed into few bytes, and reads as it did before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeStep, Pool } from "../../services/correlator/compact.ts";
import { fromLines, toLines } from "../../services/correlator/graph.ts";
import { type Own, Packing } from "../../services/correlator/packing.ts";
import type { Step, StepParts } from "../../services/correlator/step.ts";
import { seeded } from "./dice.ts";

const late = { rows: 3, outcome: "error", bytes: 2 ** 40, durationUs: 0, shown: true, tag: "SELECT 3", code: "42501" };

function own(number: number, change: Partial<Own> = {}): Own {
  const command = `mgq3k2-${number}`;
  const identity = `https://id.example|${number}`;
  return { id: `d${number}`, command, subject: { session: "", identity, command }, late, more: null, ...change };
}

test("what a step says of itself comes back as it was, whatever there is of it", () => {
  const packing = new Packing();
  const dice = seeded(7);
  const texts = ["", "a", "orders", "-", "https://id.example|x", "a b", "SELECT 1", "agent/7@host:1", "~".repeat(300)];
  const text = () => texts[dice(texts.length)]!;
  for (let number = 0; number < 2_000; number += 1) {
    const command = text();
    const fields = ["session", "identity", "onbehalfof", "account", "task", "target", "clientaddress", "grantid"];
    const subject = Object.fromEntries(fields.flatMap((field) => (dice(2) === 0 ? [] : [[field, text()]])));
    const counts = { rows: dice(9), bytes: dice(1e9), durationUs: dice(1e9) };
    const end = { ...counts, outcome: ["ok", "error", "unknown"][dice(3)]!, shown: dice(2) === 0 };
    const given: Own = {
      ...{ id: `x${text()}`, command, subject: { ...subject, command }, more: null },
      late: dice(4) === 0 ? null : { ...end, tag: text(), code: dice(2) === 0 ? null : text() },
    };
    const packed = packing.pack(given);
    assert.ok(packed !== null);
    assert.deepEqual(packing.unpack(packed), given);
    assert.equal(packing.commandOf(packed), command);
  }
});

test("what has no such form stays as it is: other letters, control letters, fractions, further fields", () => {
  const packing = new Packing();
  assert.ok(packing.pack(own(1)) !== null);
  assert.equal(packing.pack(own(1, { id: "dé" })), null);
  assert.equal(packing.pack(own(1, { command: "a\u0000b", subject: { command: "a\u0000b" } })), null);
  assert.equal(packing.pack(own(1, { subject: { ...own(1).subject, account: "\u0080\u0081" } })), null);
  assert.equal(packing.pack(own(1, { late: { ...late, rows: 0.5 } })), null);
  assert.equal(packing.pack(own(1, { late: { ...late, rows: -1 } })), null);
  assert.equal(packing.pack(own(1, { subject: { command: "another" } })), null);
  assert.equal(packing.pack(own(1, { more: {} })), null);
});

test("beginnings beyond those that can be named are written out", () => {
  const packing = new Packing();
  for (let number = 0; number < 20_000; number += 1) {
    const given = own(number, { id: `issuer${number}|1` });
    assert.deepEqual(packing.unpack(packing.pack(given) ?? ""), given);
  }
});

function parts(number: number): StepParts {
  const { id, command, subject, more } = own(number);
  const effect = { operation: "read", reads: ["t/s.a"], writes: [], ends: [], destroys: false } as const;
  return {
    ...{ id, command, subject, late, more, at: number, atMs: 1_767_225_600_000.25 + number, source: "gateway/g" },
    ...{ kind: "query", opaque: false, undoable: true, commit: false, details: null, settled: true, alike: null },
    effects: [
      { effect, of: command, approved: [], withdrawn: false, tags: ["pii"] },
    ] as unknown as StepParts["effects"],
    ...{ decidedAt: number, finishedAt: number + 1, lostAt: Number.POSITIVE_INFINITY },
    ...{ lineage: ["t/s.a"], hits: [0, 1], sure: [0] },
  };
}

test("steps that are packed read as before, share what they have in common, and change each for itself", () => {
  const pool = new Pool(2);
  const steps = Array.from({ length: 10 }, (_, number) => makeStep(parts(number)));
  for (const step of steps) pool.admit(step);
  for (const [number, step] of steps.entries())
    for (const key of ["id", "at", "atMs", "subject", "late", "decidedAt", "finishedAt", "lostAt", "settled"] as const)
      assert.deepEqual(step[key], parts(number)[key], key);
  const [one, other] = [steps[0]!, steps[1]!];
  assert.equal(one.effects, other.effects);
  one.tag([["card"]]);
  one.lineage = [];
  one.hits = [1];
  assert.deepEqual([one.effects[0]?.tags, one.lineage, one.hits], [["card"], [], [1]]);
  assert.deepEqual([other.effects[0]?.tags, other.lineage, other.hits], [["pii"], ["t/s.a"], [0, 1]]);
  // Whatever changed first.
  const third = steps[2]!;
  third.lineage = [];
  third.tag([["card"]]);
  assert.deepEqual([third.effects[0]?.tags, other.effects[0]?.tags], [["card"], ["pii"]]);
  one.finishedAt = Number.POSITIVE_INFINITY;
  one.lostAt = 9;
  assert.deepEqual([one.finishedAt, one.lostAt, one.decidedAt, one.settled], [Number.POSITIVE_INFINITY, 9, 0, true]);
});

test("steps that a snapshot brings back share as before, and change each for itself", () => {
  const pool = new Pool(2);
  const steps = Array.from({ length: 10 }, (_, number) => makeStep(parts(number)));
  for (const step of steps) pool.admit(step);
  for (const step of steps) void step.id;
  const again = fromLines(toLines(steps, new Set(["alike"]))) as Step[];
  const [one, other, ...more] = again.slice(0, 6);
  assert.equal(one?.effects, other?.effects);
  one?.tag([["card"]]);
  assert.deepEqual([one?.effects[0]?.tags, other?.effects[0]?.tags], [["card"], ["pii"]]);
  const room = new Pool(1);
  for (const step of more) room.admit(step);
  for (const step of more) void step.id;
  assert.equal(more[0]?.effects, more[1]?.effects, "shared again where they are kept now");
});

test("only what is the same is shared, whatever letters names have", () => {
  const pool = new Pool(1);
  const ways = [
    { reads: ["x>y"], writes: ["z"] },
    { reads: ["x"], writes: ["y>z"] },
    { reads: ["x", "y"], writes: ["z"] },
    { reads: ["x\u0000y"], writes: ["z"] },
    { reads: ["x"], writes: ["z", "y"] },
  ];
  const steps = ways.map((way, number) => {
    const made = parts(number);
    const effects = made.effects.map((part) => ({ ...part, effect: { ...part.effect, ...way } as never }));
    return makeStep({ ...made, effects });
  });
  for (const step of steps) pool.admit(step);
  for (const step of steps) void step.id;
  assert.deepEqual(
    steps.map(({ effects }) => ({ reads: effects[0]?.effect.reads, writes: effects[0]?.effect.writes })),
    ways,
  );
});

test("whatever two steps differ in, neither gets it from the other: what they match, tags, what is withdrawn and the rest", () => {
  const made = parts(0);
  const [part] = made.effects;
  const effects = (change: object) => ({ effects: [{ ...part, ...change }] as unknown as StepParts["effects"] });
  const changes: readonly Partial<StepParts>[] = [
    ...[{}, { hits: [0] }, { hits: [0, 2] }, { sure: [] }, { lineage: [] }, { lineage: ["t/s.b"] }],
    ...[{ kind: "copy" }, { source: "gateway/h" }, { opaque: true }, { undoable: false }],
    ...[effects({ tags: [] }), effects({ tags: ["card"] }), effects({ withdrawn: true })],
  ];
  const pool = new Pool(1);
  const steps = changes.map((change) => makeStep({ ...made, ...change }));
  for (const step of steps) pool.admit(step);
  for (const step of steps) void step.id;
  for (const [index, { kind, source, opaque, undoable, lineage, hits, sure, effects }] of steps.entries()) {
    const said = { kind, source, opaque, undoable, lineage, hits, sure };
    const wanted = { ...made, ...changes[index] };
    assert.deepEqual(said, Object.fromEntries(Object.keys(said).map((key) => [key, wanted[key as keyof StepParts]])));
    const [was, is] = [wanted.effects[0], effects[0]];
    assert.deepEqual([is?.tags, is?.withdrawn], [was?.tags, was?.withdrawn]);
  }
});
