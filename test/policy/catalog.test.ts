/** Tags by catalog: what covers what, and that a mistyped catalog does not load. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { containersOf, contains, createCatalog, overlaps, parseCatalog, withAncestors } from "../../infra/catalog.ts";

const catalog = parseCatalog(
  `- { resource: "orders/*.customers#email", tags: [pii.email] }
- { resource: "orders/public.secrets", tags: [secret] }
- { resource: "*#ssn", tags: [pii.ssn] }`,
  "catalog.yaml",
);

describe("the catalog", () => {
  it("tags what a pattern names, what is inside it, and what holds it", () => {
    assert.deepEqual(catalog.tagsOf("orders/play_1.customers#email"), ["pii", "pii.email"]);
    assert.deepEqual(catalog.tagsOf("orders/play_1.customers#name"), []);
    assert.deepEqual(catalog.tagsOf("orders/public.secrets#any"), ["secret"]);
    assert.ok(catalog.tagsOf("orders/play_1.customers").includes("pii.email"), "a table stands for its columns");
    assert.ok(catalog.tagsOf("orders/public").includes("secret"));
    assert.deepEqual(catalog.tagsOf("orders"), ["pii", "pii.email", "pii.ssn", "secret"]);
    assert.deepEqual(catalog.tagsOf("payroll/x.people#ssn"), ["pii", "pii.ssn"]);
    assert.deepEqual(catalog.tagsOf("orders/public.customers_old#email"), []);
  });

  it("names file and line of every mistake", () => {
    const bad =
      '- { resource: "a/b", tag: [x] }\n- { resource: "a/b", tags: [] }\n- { resource: "a b", tags: ["a b"] }';
    assert.throws(
      () => parseCatalog(bad, "catalog.yaml"),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "catalog.invalid");
        for (const line of [1, 2, 3]) assert.match(error.message, new RegExp(`catalog.yaml:${line}: `));
        return true;
      },
    );
    assert.deepEqual(parseCatalog("", "catalog.yaml").entries, []);
  });

  it("describes functions, and names file, line and what to write where a description is not whole", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    const entry = (more: string) =>
      `resources:\n  - { resource: "a/b", tags: [x] }\nfunctions:\n  - function: orders/public.f(integer)\n${more}`;
    const whole = parseCatalog(
      entry(`    digest: ${digest}\n    reads: [orders/public.t]\n    writes: [orders/public.u]\n`),
      "catalog.yaml",
    );
    assert.deepEqual(whole.functions, [
      { function: "orders/public.f(integer)", digest, reads: ["orders/public.t"], writes: ["orders/public.u"] },
    ]);
    assert.equal(whole.version, parseCatalog('- { resource: "a/b", tags: [x] }', "c.yaml").version, "it tags nothing");
    const rest = `    digest: ${digest}\n    reads: [t]\n    writes: [u]\n`;
    for (const [text, message] of [
      ["    reads: []\n    writes: []\n", /:4: .*digest; write the digest that `throughline catalog functions` prints/],
      [`    digest: md5\n    reads: []\n    writes: []\n`, /:5: functions\.0\.digest: .*throughline catalog functions/],
      [`    digest: ${digest}\n    reads: [a*]\n    writes: []\n`, /:6: functions\.0\.reads\.0/],
      [`${rest}    returns: [v]\n`, /:8: functions\.0\.returns: v must stand in reads too/],
      [`${rest}    ends: [t]\n`, /:8: functions\.0\.ends: t must stand in writes too/],
      [`${rest}    flows: [[u, t]]\n`, /:8: functions\.0\.flows: u must stand in reads too/],
      [`${rest}    ends: [u]\n    destroys: false\n`, /:9: functions\.0\.destroys: must be true/],
      [`${rest}    write: [u]\n`, /:8: functions\.0\.write: unknown key; known here: function, digest/],
      [`${rest}  - function: orders/public.f(integer)\n${rest}`, /:8: functions\.1\.function: is described above/],
    ] as const)
      assert.throws(() => parseCatalog(entry(text), "catalog.yaml"), message);
  });

  it("has a version that follows its meaning, not its spelling", () => {
    const one = createCatalog([
      { resource: "a", tags: ["x", "y"] },
      { resource: "b", tags: ["z"] },
    ]);
    const same = createCatalog([
      { resource: "b", tags: ["z"] },
      { resource: "a", tags: ["y", "x"] },
    ]);
    assert.equal(one.version, same.version);
    assert.notEqual(one.version, createCatalog([{ resource: "a", tags: ["x"] }]).version);
  });

  it("matches a pattern of stars in bounded time: one that tries every way would not end here", () => {
    const hard = createCatalog([{ resource: `${"*a".repeat(400)}#`, tags: ["x"] }]);
    assert.deepEqual(hard.tagsOf("a".repeat(1_000)), ["x"]);
  });
});

describe("containment", () => {
  const part = fc.constantFrom("a", "b", "ab");
  const uri = fc.oneof(
    part,
    fc.tuple(part, part).map(([target, schema]) => `${target}/${schema}`),
    fc.tuple(part, part, part).map(([target, schema, table]) => `${target}/${schema}.${table}`),
    fc.tuple(part, part, part, part).map(([target, schema, table, column]) => `${target}/${schema}.${table}#${column}`),
  );

  it("is what the containers of a resource say, and overlap is it either way", () => {
    fc.assert(
      fc.property(uri, uri, (one, other) => {
        const inside = one === other || containersOf(other).includes(one);
        assert.equal(contains(one, other), inside);
        assert.equal(overlaps(one, other), inside || containersOf(one).includes(other));
      }),
    );
  });

  it("a tagged thing tags all that overlaps it and nothing else", () => {
    fc.assert(
      fc.property(uri, uri, (tagged, other) => {
        const tags = createCatalog([{ resource: tagged, tags: ["t"] }]).tagsOf(other);
        assert.equal(tags.length > 0, overlaps(tagged, other));
      }),
    );
  });

  it("tags include their ancestors", () => {
    assert.deepEqual(withAncestors(["pii.email.work", "card"]), ["card", "pii", "pii.email", "pii.email.work"]);
  });
});
