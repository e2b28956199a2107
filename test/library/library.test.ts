/** The shipped rules: each is tried on both sides and by an insider who has read it, and says what to check. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { testRules } from "../../services/correlator/rehearse.ts";
import { page, shippedRules } from "./page.ts";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "schemas/rules");
const rules = await shippedRules();
const names = (await readdir(folder)).filter((name) => name.endsWith(".yml")).sort();
const files = await Promise.all(
  names.map(async (name) => ({ name, text: await readFile(join(folder, name), "utf8") })),
);

describe("the rule library", () => {
  it("has every test of its files pass", () => {
    const results = testRules(files);
    assert.ok(results.length >= 90);
    assert.deepEqual(
      results.filter(({ ok }) => !ok),
      [],
    );
  });

  it("is at least a dozen chains, each with an id of its own, a technique, and what an analyst has to check", () => {
    assert.ok(rules.length >= 12);
    assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
    for (const { name, description, tags, id } of rules) {
      assert.match(id ?? "", /^[0-9a-f-]{36}$/, name);
      assert.match(description ?? "", /What to check: /, name);
      assert.ok(
        tags.some((tag) => /^attack\.t[0-9]{4}/.test(tag)),
        name,
      );
    }
  });

  it("tries each on both sides, and as an insider who has read it", () => {
    for (const { name, tests } of rules) {
      const expected = new Set(tests.map(({ expect }) => (expect === "allow" ? "allow" : "found")));
      assert.deepEqual([...expected].sort(), ["allow", "found"], name);
      assert.ok(
        tests.some((test) => test.name?.startsWith("an insider")),
        `${name}: no insider`,
      );
    }
  });

  it("is what the page says", async () => {
    assert.equal(await readFile(join(root, "schemas/LIBRARY.md"), "utf8"), page(rules));
  });
});
