import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ByteWriter, textTable } from "../../infra/log/bytes.ts";
import { type StepData, StepEncoder, type StepType, stepTables } from "../../infra/log/step.ts";
import { StepDecoder } from "../../infra/log/step-decoder.ts";
import type { ResourceUri } from "../../schemas/command.ts";
import { operations } from "../../schemas/command.ts";
import type { Subject } from "../../schemas/event.ts";
import { rulings } from "../../schemas/verdict.ts";
import { isCode } from "./contract.ts";

const name = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: "grapheme", maxLength: 200 }));
const uri = name.map((text) => text as ResourceUri);
const uris = fc.array(uri, { maxLength: 4 });
const pairs = fc.array(fc.tuple(uri, uri), { maxLength: 3 });
const nameOrNull = fc.option(name, { nil: null });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });

const effect = fc.record(
  {
    operation: fc.constantFrom(...operations),
    reads: uris,
    writes: uris,
    ends: uris,
    destroys: fc.boolean(),
    flows: pairs,
    renames: pairs,
  },
  { requiredKeys: ["operation", "reads", "writes", "ends", "destroys"], noNullPrototype: true },
);
const transaction = fc.oneof(
  fc.constantFrom("none", "begin", "commit", "rollback", "prepare").map((kind) => ({ kind })),
  fc.record({ kind: fc.constantFrom("savepoint", "rollback-to", "release"), name }, { noNullPrototype: true }),
);
const facts = {
  kind: name,
  effects: fc.array(effect, { maxLength: 3 }),
  opaque: nameOrNull,
  transaction,
  undoable: fc.boolean(),
};
const approvedChain = fc.record({ rule: name, before: fc.array(name, { maxLength: 2 }) }, { noNullPrototype: true });
const approved = fc.record(
  { rule: name, before: fc.array(name, { maxLength: 2 }), also: fc.array(approvedChain, { maxLength: 2 }) },
  { requiredKeys: ["rule", "before"], noNullPrototype: true },
);
const commit = fc.record(
  { command: name, effect, approved },
  { requiredKeys: ["command", "effect"], noNullPrototype: true },
);
const noNull = { noNullPrototype: true } as const;
const details = fc.record(
  { statements: fc.array(name, { maxLength: 2 }), fingerprint: name, role: name, trace: name },
  { requiredKeys: ["statements", "fingerprint"], ...noNull },
);
const required = (...more: string[]) => ({ requiredKeys: [...Object.keys(facts), ...more], ...noNull }) as never;
const data: { readonly [T in StepType]: fc.Arbitrary<unknown> } = {
  "command.intended": fc.record(
    { ...facts, details, commits: fc.array(commit, { maxLength: 2 }) },
    required("commits"),
  ),
  "command.decided": fc.record(
    { ...facts, details, ruling: fc.constantFrom(...rulings), approval: nameOrNull, intent: nameOrNull },
    required("ruling", "approval", "intent"),
  ),
  "command.finished": fc.record(
    {
      outcome: fc.constantFrom("ok", "error", "unknown"),
      rows: count,
      bytes: count,
      tag: name,
      code: nameOrNull,
      durationUs: count,
      shown: fc.boolean(),
      undone: fc.array(name, { maxLength: 3 }),
      lasted: fc.array(name, { maxLength: 3 }),
    },
    noNull,
  ),
};
const subject = fc.record(
  { ...Object.fromEntries(stepTables.fields.map((field) => [field, name])), command: name },
  { requiredKeys: [], noNullPrototype: true },
) as fc.Arbitrary<Subject>;
const types: StepType[] = ["command.intended", "command.decided", "command.finished"];
const said = fc.constantFrom(...types).chain((type) => fc.tuple(fc.constant(type), subject, data[type]));

describe("the step section", () => {
  it("comes back exactly, also when encoder and decoder remember earlier ones", () => {
    const encoder = new StepEncoder();
    const decoder = new StepDecoder();
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 5 }), (sections) => {
        for (const [type, who, what] of sections) {
          const to = new ByteWriter(16);
          to.text("before");
          const start = to.used;
          assert.equal(encoder.encode(to, type, who, what as StepData), true);
          const found = decoder.decode(type, to.taken(), start, to.used);
          assert.deepStrictEqual(found.subject, who);
          assert.deepStrictEqual(found.data, what);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("of version 1, which has no details, is read as before", () => {
    const what = {
      kind: "query",
      effects: [],
      opaque: null,
      transaction: { kind: "none" },
      undoable: true,
      commits: [],
    };
    const to = new ByteWriter(16);
    assert.equal(new StepEncoder().encode(to, "command.intended", {}, what as never), true);
    const bytes = Buffer.from(to.taken());
    const old = Buffer.concat([Buffer.of(1), bytes.subarray(1, -3), bytes.subarray(-1)]);
    assert.deepEqual(new StepDecoder().decode("command.intended", old, 0, old.length).data, what);
  });

  it("is not written where it would say something else than the JSON", () => {
    const encoder = new StepEncoder();
    const to = new ByteWriter(16);
    const [ok] = fc.sample(data["command.finished"], 1) as [Record<string, unknown>];
    for (const wrong of [{ rows: 1.5 }, { rows: -1 }, { bytes: Number.NaN }, { tag: "\ud800" }, { outcome: "new" }]) {
      assert.equal(encoder.encode(to, "command.finished", {}, { ...ok, ...wrong } as never), false);
      assert.equal(to.used, 0);
    }
    const wide = Array.from({ length: 1000 }, (_, i) => `orders/${"x".repeat(90)}${i}` as ResourceUri);
    const effects = [{ operation: "read", reads: wide, writes: [], ends: [], destroys: false }] as const;
    const intent = { kind: "query", effects, opaque: null, transaction: { kind: "none" }, undoable: true, commits: [] };
    assert.equal(encoder.encode(to, "command.intended", {}, intent as never), false);
  });

  it("says log.damaged for bytes that are none, and never anything else", () => {
    const decoder = new StepDecoder();
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 60 }), (type, bytes) => {
        try {
          decoder.decode(type, Buffer.from(bytes), 0, bytes.length);
        } catch (error) {
          assert.ok(isCode("log.damaged")(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("remembers by every byte: a table gives what the bytes say, whatever it was asked before", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 140 });
    const table = textTable(4);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(letters, fc.constantFrom("x".repeat(64), "x".repeat(65))), { maxLength: 30 }),
        (asked) => {
          for (const text of [...asked, ...asked]) {
            const bytes = Buffer.from(`..${text}..`);
            assert.equal(table.get(bytes, 2, bytes.length - 2), text);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("has a number for every operation and ruling there is", () => {
    assert.deepEqual([...stepTables.operations].sort(), [...operations].sort());
    assert.deepEqual([...stepTables.rulings].sort(), [...rulings].sort());
  });
});
