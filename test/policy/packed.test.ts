/** Policies that are larger than a record: in parts, put together again by whoever folds, and nothing else put together. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Entry } from "../../infra/log/entry.ts";
import { expectFits, PolicyParts, sayPolicy, type WholePolicy } from "../../infra/policy/packed.ts";
import { limits } from "../../schemas/limits.ts";
import { createCorrelator } from "../../services/correlator/correlator.ts";
import { engineVersion } from "../../services/correlator/engine.ts";
import { steps } from "../correlator/play.ts";
import { isCode } from "../log/contract.ts";

/** Texts that packing makes no smaller than a record. */
const noise = Array.from({ length: 6_000 }, (_, n) => `# ${(Math.sin(n) * 1e16).toString(36)}`).join("\n");
const more = steps.split("---\n")[0]?.replaceAll("pii_read", "another") ?? "";
const large = { "catalog.yaml": "[]", "rules/steps.yml": steps, "rules/z.yml": `${noise}\n${more}` };

function said(files: Record<string, string>, source = "gateway/g", digest = "d"): Entry[] {
  const entries: Entry[] = [];
  const append = (draft: { type: string; data: unknown }) =>
    entries.push({
      ...draft,
      id: `${source}/${entries.length}`,
      atMs: 0,
      source,
      role: "gateway",
      subject: {},
    } as Entry);
  sayPolicy({ append: append as never }, { digest, engine: engineVersion, files });
  return entries;
}

const taken = (entries: readonly Entry[]): (WholePolicy | null)[] => {
  const parts = new PolicyParts();
  return entries.map((entry) => parts.take(entry)).filter((whole) => whole !== null);
};

describe("a policy in the log", () => {
  it("stands as it is where it fits, and in parts where it does not", () => {
    const small = said({ "rules/a.yml": steps });
    assert.deepEqual(
      small.map(({ type }) => type),
      ["policy.changed"],
    );
    const parts = said(large);
    assert.ok(parts.length > 2);
    for (const entry of parts) assert.ok(JSON.stringify(entry).length < limits.eventBytesMax);
    for (const entries of [small, parts]) assert.equal(taken(entries).length, 1);
    assert.deepEqual(taken(parts)[0]?.files, large);
  });

  it("is put together of one source's parts only, also when others speak in between", () => {
    const [one, other] = [said(large), said({ ...large, "rules/y.yml": noise }, "gateway/h", "e")];
    const mixed = Array.from({ length: Math.max(one.length, other.length) }, (_, n) => [one[n], other[n]])
      .flat()
      .filter((entry) => entry !== undefined);
    assert.deepEqual(
      taken(mixed).map((whole) => Object.keys(whole?.files ?? {}).length),
      [3, 4],
    );
  });

  it("with a part missing or changed is none; one that begins again is whole", () => {
    const whole = said(large);
    const [first, second] = [whole[0]!, whole[1]!];
    const part = first as Extract<Entry, { type: "policy.part" }>;
    const letters = `AAAAAAAA${part.data.letters.slice(8)}`;
    const bent = { ...part, data: { ...part.data, letters } } as Entry;
    const broken = [whole.slice(1), [bent, ...whole.slice(1)], [first, ...whole.slice(2)], whole.slice(-1)];
    for (const entries of broken)
      assert.deepEqual(
        taken(entries).map((one) => one?.files ?? null),
        [null],
      );
    assert.deepEqual(taken([first, second, ...whole])[0]?.files, large);
  });

  it("goes on after a snapshot between its parts", () => {
    const entries = said(large);
    const before = new PolicyParts();
    for (const entry of entries.slice(0, 1)) before.take(entry);
    const after = new PolicyParts();
    after.restore(JSON.parse(JSON.stringify(before.kept())));
    assert.deepEqual(entries.slice(1).flatMap((entry) => after.take(entry) ?? [])[0]?.files, large);
  });

  it("takes over at a correlator; a broken one leaves the rules in force", () => {
    const correlator = createCorrelator({ emit() {}, limits });
    for (const entry of said(large)) correlator.fold(entry);
    assert.equal(correlator.problem, null);
    const rules = correlator.rules;
    assert.ok(rules !== null && rules.rules.length > 0);
    const [, ...rest] = said({ ...large, "rules/y.yml": noise }, "gateway/h", "e");
    for (const entry of rest) correlator.fold(entry);
    assert.match(correlator.problem ?? "", /missing or damaged/);
    assert.equal(correlator.rules, rules);
  });

  it("is refused where no log would take it", () => {
    assert.throws(
      () => expectFits({ "rules/a.yml": "x".repeat(limits.policyBytesMax + 1) }),
      isCode("policy.too_large"),
    );
  });
});
