import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { settingOf, withoutPass, withoutSection, withPass, withSection } from "../../services/cli/service-file.ts";

const word = fc.stringMatching(/^[a-z]{1,6}$/);
const file = fc
  .uniqueArray(word, { maxLength: 4 })
  .map((names) => names.map((name) => `# ${name}\n[${name}]\nhost=${name}\n`).join("\n"));

test("writing a section keeps every other section and comment, and writing it twice changes nothing", () => {
  fc.assert(
    fc.property(file, word, (text, value) => {
      const once = withSection(text, "throughline-a-b", [["host", value]]);
      assert.equal(withSection(once, "throughline-a-b", [["host", value]]), once);
      for (const line of text.split("\n")) assert.ok(once.split("\n").includes(line));
      assert.ok(once.includes(`[throughline-a-b]\nhost=${value}\n`));
    }),
  );
});

test("a value with a line break cannot write another setting into the user's files", () => {
  assert.throws(() => withSection("", "s", [["host", "a\nsslmode=disable"]]), /line break/);
  const entry = { host: "h", port: 1, database: "d", user: "u~g", secret: "a\nb" };
  assert.throws(() => withPass("", entry), /line break/);
});

test("a pass file keeps other accounts and forgets the account's earlier Grants", () => {
  const entry = { host: "h", port: 1, database: "d", user: "load~g2", secret: "s" };
  assert.equal(withPass("h:1:d:load~g1:old\nh:1:d:ana~g9:x\n", entry), "h:1:d:load~g2:s\nh:1:d:ana~g9:x\n");
});

test("taking a section out again leaves every other line, and a pass file only loses what that user opens", () => {
  fc.assert(
    fc.property(file, word, (text, value) => {
      const once = withSection(text, "throughline-a-b", [["user", value]]);
      assert.equal(settingOf(once, "throughline-a-b", "user"), value);
      const without = withoutSection(once, "throughline-a-b");
      assert.equal(settingOf(without, "throughline-a-b", "user"), null);
      for (const line of text.split("\n")) assert.ok(without.split("\n").includes(line));
      assert.ok(!without.includes("throughline-a-b"));
    }),
  );
  assert.equal(withoutPass("h:1:d:load~g1:x\nh:1:d:ana~g9:y\n", "load~g1"), "h:1:d:ana~g9:y\n");
});
